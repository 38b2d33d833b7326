import { refuse } from './refuse.ts';

declare const addressBrand: unique symbol;

/** `b3:` and the 64 lower-case hex digits of the BLAKE3-256 of the plaintext bytes. One content, one spelling. */
export type Address = string & { readonly [addressBrand]: true };

/** Bytes of the hash inside an address. */
export const addressHashBytes = 32;

const pattern = /^b3:[0-9a-f]{64}$/;
const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function isAddress(text: unknown): text is Address {
  return typeof text === 'string' && text.length === 67 && pattern.test(text);
}

/** Refuses (`bad_request`) upper case, truncation, suffixes and surrounding space: a near miss is not an address. */
export function parseAddress(text: string): Address {
  if (!isAddress(text)) refuse('address', 'an address is "b3:" and 64 lower-case hex digits');
  return text;
}

/** The address of content whose BLAKE3-256 is `hash` (exactly 32 bytes, else `bad_request`). */
export function addressFromHash(hash: Uint8Array): Address {
  if (hash.byteLength !== addressHashBytes) refuse('address.hash-length', 'the hash of an address has 32 bytes');
  let text = 'b3:';
  for (const byte of hash) text += hexOfByte[byte];
  return text as Address;
}

/** The 32 hash bytes, freshly allocated. */
export function hashFromAddress(address: Address): Uint8Array {
  const checked = parseAddress(address);
  const hash = new Uint8Array(addressHashBytes);
  for (let index = 0; index < addressHashBytes; index += 1) {
    hash[index] = Number.parseInt(checked.slice(3 + index * 2, 5 + index * 2), 16);
  }
  return hash;
}

/** The strong entity tag (RFC 9110, 8.8.3) of the content, quotes included. */
export function etagOf(address: Address): string {
  return `"${address}"`;
}
