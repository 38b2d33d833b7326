import type { LeaseRef } from './command.ts';

const form = /^([0-7][0-9A-HJKMNP-TV-Z]{25})\.([1-9a-z][0-9a-z]{0,6})\.([0-9a-z]{1,7})$/;

/**
 * A lease as text: the message, its fence and 32 random bits. The fence alone keeps a stale holder out; the random bits
 * keep out who guesses, and whoever held a lease whose record a disk has lost.
 */
export function encodeLease({ id, fence, nonce }: LeaseRef): string {
  return `${id}.${fence.toString(36)}.${nonce.toString(36)}`;
}

/** Undefined for what cannot be a token of ours. */
export function parseLease(text: string): LeaseRef | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, id = '', fence = '', nonce = ''] = match;
  return { id, fence: Number.parseInt(fence, 36), nonce: Number.parseInt(nonce, 36) };
}
