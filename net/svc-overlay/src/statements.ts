import { canonicalJson, type JsonValue } from '@ron/naming';
import type { NodeId } from '@ron/proto/network';
import type { Claim, GossipMessage, Hello, NodeRecord } from '@ron/proto/overlay';
import { toBase64Url } from '@ron/transport';
import type { ChannelRole } from './ports.ts';

const encoder = new TextEncoder();

/** A list that begins with its purpose: a signature for one thing is none for another. docs/specs/overlay.md. */
function statement(purpose: string, ...fields: readonly JsonValue[]): Uint8Array {
  return encoder.encode(canonicalJson([`ron-overlay/${purpose}/1`, ...fields]));
}

export function recordStatement(record: Omit<NodeRecord, 'signature'>): Uint8Array {
  const { id, public_key, addresses, region, free_bytes, version, incarnation, issued_at, left } = record;
  return statement(
    'record',
    id,
    public_key,
    addresses,
    region ?? null,
    free_bytes ?? null,
    version,
    incarnation,
    issued_at,
    left ?? false,
  );
}

/** `role` is the signer's. The record is named by its own signature. */
export function helloStatement(
  hello: Omit<Hello, 'signature'>,
  channel: { readonly role: ChannelRole; readonly binding: Uint8Array; readonly to: NodeId },
): Uint8Array {
  const { record, nonce, issued_at } = hello;
  return statement(
    'hello',
    channel.role,
    toBase64Url(channel.binding),
    record.id,
    channel.to,
    record.signature,
    nonce,
    issued_at,
  );
}

export function voteStatement({ id, incarnation, state }: Omit<Claim, 'votes'>, by: NodeId): Uint8Array {
  return statement('vote', state, id, incarnation, by);
}

/** What is signed, and whose BLAKE3 is the message's id. */
export function gossipStatement(message: Omit<GossipMessage, 'signature' | 'hops'>): Uint8Array {
  const { topic, origin, public_key, issued_at, nonce, body } = message;
  return statement('gossip', topic, origin, public_key, issued_at, nonce, body);
}
