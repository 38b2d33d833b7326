import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { SignatureAlgorithm } from '@ron/signed';
import type { ProofKey } from '../credential.ts';

/** DER heads of SubjectPublicKeyInfo (RFC 8410; RFC 9881 for ML-DSA-65); the raw key follows. */
const spkiHeads: Readonly<Record<SignatureAlgorithm, { readonly head: string; readonly keyBytes: number }>> = {
  ed25519: { head: '302a300506032b6570032100', keyBytes: 32 },
  'ml-dsa-65': { head: '308207b2300b0609608648016503040312038207a100', keyBytes: 1_952 },
};

/** One signature with a raw public key, by OpenSSL. False, never an exception, for what is malformed. */
export function verifySignature(
  alg: SignatureAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { head, keyBytes } = spkiHeads[alg];
  if (publicKey.byteLength !== keyBytes) return false;
  const der = Buffer.concat([Buffer.from(head, 'hex'), publicKey]);
  try {
    return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
  } catch (thrown) {
    // What OpenSSL says of bytes that are no key; anything else is a defect and must be seen.
    if (thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('ERR_OSSL')) return false;
    throw thrown;
  }
}

/** Signs the proofs of a capability that is bound to this Ed25519 private key. Throws `TypeError` for another key. */
export function proofKeyOf(privateKey: KeyObject): ProofKey {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519') {
    throw new TypeError('a proof is signed with an Ed25519 private key');
  }
  return { sign: (message) => sign(null, message, privateKey) };
}
