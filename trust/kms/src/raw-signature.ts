import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { KeyAlgorithm } from './key-id.ts';

/** What signs, and what a stranger can therefore verify. */
export type SigningAlgorithm = Extract<KeyAlgorithm, 'ed25519' | 'ml-dsa-65'>;

/** SubjectPublicKeyInfo up to the raw key: RFC 8410 (Ed25519) and RFC 9881 (ML-DSA-65). Signatures: RFC 8032, FIPS 204. */
const forms: ReadonlyMap<SigningAlgorithm, { head: Buffer; keyBytes: number; signatureBytes: number }> = new Map([
  ['ed25519', { head: Buffer.from('302a300506032b6570032100', 'hex'), keyBytes: 32, signatureBytes: 64 }],
  [
    'ml-dsa-65',
    {
      head: Buffer.from('308207b2300b0609608648016503040312038207a100', 'hex'),
      keyBytes: 1_952,
      signatureBytes: 3_309,
    },
  ],
]);

/** For whoever verifies often with one key. Throws for an unknown algorithm and for bytes that are no key of it. */
export function importPublicKey(alg: SigningAlgorithm, raw: Uint8Array): KeyObject {
  const form = forms.get(alg);
  if (form === undefined || raw.byteLength !== form.keyBytes) throw new Error('malformed public key');
  return createPublicKey({ key: Buffer.concat([form.head, raw]), format: 'der', type: 'spki' });
}

/** OpenSSL's own verification from a raw public key. False for what is malformed; never throws. */
export function verifyRaw(
  alg: SigningAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const form = forms.get(alg);
  if (publicKey.byteLength !== form?.keyBytes || signature.byteLength !== form.signatureBytes) return false;
  try {
    return verify(null, message, importPublicKey(alg, publicKey), signature);
  } catch {
    // Whatever OpenSSL refuses to read as a key: nobody can have signed with it.
    return false;
  }
}
