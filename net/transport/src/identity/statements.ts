import { canonicalJson } from '@ron/naming';
import type { NodeId } from '@ron/proto/network';
import { toHex } from '../encoding.ts';

/** Which side of a connection speaks: a proof of one is none of the other. */
export type ChannelRole = 'dialler' | 'acceptor';

/**
 * What a node key signs about a TLS key: that it speaks for the node between two moments, seconds since the Unix epoch.
 * docs/specs/transport.md. Signed like every document here: the line `ron-signed/1 <type>`, a line feed, canonical JSON.
 */
export function certificateStatement(statement: {
  readonly notBeforeS: number;
  readonly notAfterS: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly tlsKey: Uint8Array;
}): Uint8Array {
  return signedBytes('ron-node-certificate', {
    not_after: statement.notAfterS,
    not_before: statement.notBeforeS,
    tls_key: toHex(statement.tlsKey),
  });
}

/** What a node key signs about one connection. */
export function channelStatement(statement: {
  readonly nodeId: NodeId;
  readonly role: ChannelRole;
  /** 32 bytes that only the two ends of this connection share. */
  readonly channelBinding: Uint8Array;
}): Uint8Array {
  return signedBytes('ron-channel-proof', {
    channel_binding: toHex(statement.channelBinding),
    node_id: statement.nodeId,
    role: statement.role,
  });
}

function signedBytes(type: string, fields: Readonly<Record<string, string | number>>): Uint8Array {
  return encoder.encode(`ron-signed/1 ${type}\n${canonicalJson({ ...fields, type })}`);
}

const encoder = new TextEncoder();
