import { contentOf } from './contents.ts';
import type { SendInput } from './mailbox-client.ts';

/** Tells one message from another, and any other bytes from it. */
export function bodyOf(number: number): string {
  const size = number % 8 === 0 ? 75_000 : (number * 7) % 500;
  return `message ${number} ${contentOf(number, size).toString('base64')}`;
}

/** NaN for what is no such body. */
export function numberOf(body: string | undefined): number {
  return Number(/^message (\d+) /.exec(body ?? '')?.[1]);
}

/** The same for each try to send it. Every third is in a group, and some die of old age unless somebody is quick. */
export function inputOf(number: number): SendInput & { readonly idempotency_key: string } {
  const isSeldom = number % 23 === 0;
  return {
    body: bodyOf(number),
    idempotency_key: `key-${number}`,
    group: number % 3 === 0 ? `group-${Math.trunc(number / 60)}-${number % 2}` : undefined,
    ttl_ms: isSeldom ? 400 : undefined,
    dead_letter_on_expiry: isSeldom ? true : undefined,
  };
}
