import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { importPublicKey } from '@ron/kms';

/** RFC 8410, section 7: the DER of a PKCS #8 Ed25519 key up to its 32-byte seed. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** Made once for a token and kept with it: each proof is then a verification only. Throws for anything but 32 bytes. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  return importPublicKey('ed25519', raw);
}

/** Leaves `seed` as it is: its owner overwrites it. */
export function privateKeyOf(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([pkcs8Head, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

export function rawPublicKey(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(spki.byteLength - 32));
}
