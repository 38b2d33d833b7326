import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { identitiesOf } from './age-seal.ts';
import type { Secret } from './secret.ts';

/** Characters of a seal: 32 bytes as base64url. */
export const sealCharacters = 43;

/**
 * Proof that whoever wrote a text had the identity. The age format alone proves nothing of the kind: anyone who has read
 * the recipient, which is public, can make a file that the identity opens.
 */
export function sealText(purpose: 'keystore' | 'state', bytes: Uint8Array, identityFile: Secret): string {
  return tag(purpose, bytes, identitiesOf(identityFile)[0]!).toString('base64url');
}

/** By any of the file's identities: while a keystore moves from one to the next, there are two. */
export function isSealed(
  purpose: 'keystore' | 'state',
  bytes: Uint8Array,
  seal: string,
  identityFile: Secret,
): boolean {
  const given = Buffer.from(seal, 'base64url');
  if (given.byteLength !== 32) return false;
  return identitiesOf(identityFile).some((identity) => timingSafeEqual(tag(purpose, bytes, identity), given));
}

function tag(purpose: string, bytes: Uint8Array, identity: string): Buffer {
  const key = Buffer.from(hkdfSync('sha512', identity, `ron-kms ${purpose} seal v1`, '', 32));
  const made = createHmac('sha512-256', key).update(bytes).digest();
  key.fill(0);
  return made;
}
