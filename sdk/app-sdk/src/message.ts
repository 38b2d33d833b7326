import type { DeadMessage, Message as WireMessage } from '@ron/proto/mailbox';
import { decodeBase64 } from './base64.ts';
import { clientError } from './errors.ts';
import type { DeadLetter, Message, ReceivedMessage } from './mailbox.ts';

export type PeekedWire = Omit<WireMessage, 'lease' | 'fence' | 'lease_ms'>;

export function peekedMessage(wire: PeekedWire): Message {
  const { id, headers, attempt, group, priority, address } = wire;
  const body = wire.body ?? (wire.body_base64 === undefined ? undefined : bytesOf(wire.body_base64));
  const present = (): string | Uint8Array => {
    if (body !== undefined) return body;
    throw new TypeError(
      address === undefined ? `${id} has no body` : `${id} stands for an object: read it with blobs.get('${address}')`,
    );
  };
  return {
    id,
    body,
    ...(address === undefined ? {} : { address }),
    text() {
      const content = present();
      return typeof content === 'string' ? content : new TextDecoder().decode(content);
    },
    bytes() {
      const content = present();
      return typeof content === 'string' ? new TextEncoder().encode(content) : content;
    },
    headers: headers ?? {},
    attempt,
    ...(group === undefined ? {} : { group }),
    priority,
    sentAt: wire.sent_at,
  };
}

export function receivedMessage(wire: WireMessage): ReceivedMessage {
  return { ...peekedMessage(wire), lease: wire.lease, leaseMs: wire.lease_ms, fence: wire.fence };
}

export function deadLetter(wire: DeadMessage): DeadLetter {
  return { ...peekedMessage(wire), reason: wire.reason, deadAt: wire.dead_at, history: wire.history };
}

function bytesOf(base64: string): Uint8Array {
  try {
    return decodeBase64(base64);
  } catch (cause) {
    throw clientError('internal', 'the node sent an unreadable message', { corrId: '', cause });
  }
}
