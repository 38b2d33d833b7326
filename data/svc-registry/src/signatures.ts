import type { RegistrySignature, Snapshot } from '@ron/proto/registry';
import { documentBytes, type SignerSignature, type VerifySignature } from '@ron/signed';
import { refusal } from './refusal.ts';

/** Refuses (`forbidden`) a signature that does not hold, and one of somebody who has no say before or after. */
export function checkSignatures(
  before: Snapshot,
  document: Snapshot,
  signatures: readonly RegistrySignature[],
  verify: VerifySignature,
): void {
  const message = documentBytes(document);
  const revoked = new Set([...before.revoked_signers, ...document.revoked_signers].map(({ name }) => name));
  // A name means the same keys in both lists: the chain sees to it.
  const keys = new Map([...document.signers, ...before.signers].map((signer) => [signer.name, signer.keys]));
  for (const { signer, alg, signature } of signatures) {
    if (revoked.has(signer)) throw refusal('forbidden', 'revoked_signer', 'a revoked signer does not count');
    const known = keys.get(signer);
    if (known === undefined) throw refusal('forbidden', 'unknown_signer', 'not one of the signers');
    const key = known[alg];
    const holds =
      key !== undefined && verify(alg, Buffer.from(key, 'base64url'), message, Buffer.from(signature, 'base64url'));
    if (!holds) throw refusal('forbidden', 'bad_signature', 'the signature does not hold');
  }
}

/** One of each signer and algorithm: ML-DSA signs with fresh randomness, so a repeat need not look the same. */
export function mergeSignatures(
  known: readonly SignerSignature[],
  given: readonly SignerSignature[],
): readonly SignerSignature[] {
  const merged = new Map(known.map((each) => [`${each.signer} ${each.alg}`, each]));
  for (const each of given) {
    const key = `${each.signer} ${each.alg}`;
    if (!merged.has(key)) merged.set(key, each);
  }
  return [...merged.values()];
}
