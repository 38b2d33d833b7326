import type { Work } from '@ron/kernel';
import type { IdempotencyKey, Send } from '../state/command.ts';

const encoder = new TextEncoder();
/** Half of a BLAKE3 hash: nobody finds two keys, or two contents, that share it. */
const hashBytes = 16;

/** What is remembered of a key: whose it is, and a digest of everything else that was asked for. */
export function idempotencyKeyOf(
  work: Pick<Work, 'blake3'>,
  key: string,
  send: Omit<Send, 'key' | 'id'>,
): IdempotencyKey {
  const { tenant, box, content, delayMs, ttlMs, deadOnExpiry, group, priority } = send;
  const { body, headers } = content;
  const sorted = headers === undefined ? [] : Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1));
  const asked = encoder.encode(JSON.stringify([body.kind, sorted, delayMs, ttlMs, deadOnExpiry, group, priority]));
  const bytes = body.kind === 'bytes' ? body.bytes : encoder.encode(body.kind === 'text' ? body.text : body.address);
  const whole = new Uint8Array(4 + asked.byteLength + bytes.byteLength);
  new DataView(whole.buffer).setUint32(0, asked.byteLength);
  whole.set(asked, 4);
  whole.set(bytes, 4 + asked.byteLength);
  return {
    hash: half(work.blake3(encoder.encode(JSON.stringify([tenant, box, key])))),
    digest: half(work.blake3(whole)),
  };
}

function half(hash: Uint8Array): string {
  return String.fromCharCode(...hash.subarray(0, hashBytes));
}
