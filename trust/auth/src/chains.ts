import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Claims, chain, type Hmac, parseToken } from '@ron/cap';
import { type BiscuitLibrary, biscuitLibrary } from './biscuit-library.ts';
import { parseBiscuit } from './biscuit-token.ts';
import type { RootKeys } from './root-keys.ts';

/** What a token says, and whether the chain behind it is one of ours. */
export interface Examined {
  readonly claims: Claims;
  readonly fault: 'unknown_key' | 'wrong_tag' | undefined;
}

/** OpenSSL's name of SHA-512/256: docs/decisions/0001-capability-mac.md. */
export const hmac: Hmac = (key, message) => createHmac('sha512-256', key).update(message).digest();

/** Refuses (`bad_request`) a malformed token. The same work with and without a known key, and one answer after all of it. */
export function examineHmac(bytes: Uint8Array, keys: Pick<RootKeys, 'mac' | 'isUsable'>): Examined {
  const token = parseToken(bytes);
  const { kid } = token.identifier;
  const tag = chain(
    keys.mac(kid, token.identifierBytes),
    token.caveats.map((caveat) => caveat.bytes),
    hmac,
  );
  const genuine = timingSafeEqual(tag, token.tag);
  return { claims: token, fault: faultOf(keys.isUsable('hmac', kid), genuine) };
}

/** The same for an Ed25519 chain. A promise only until the library is loaded. */
export function examineBiscuit(bytes: Uint8Array, keys: RootKeys): Examined | Promise<Examined> {
  const { claims } = parseBiscuit(bytes);
  const { kid } = claims.identifier;
  const check = (library: BiscuitLibrary): Examined => {
    const genuine = library.isGenuine(bytes, keys.publicKey(kid));
    return { claims, fault: faultOf(keys.isUsable('ed25519', kid), genuine) };
  };
  const library = biscuitLibrary();
  return library instanceof Promise ? library.then(check) : check(library);
}

function faultOf(known: boolean, genuine: boolean): Examined['fault'] {
  if (!known) return 'unknown_key';
  return genuine ? undefined : 'wrong_tag';
}
