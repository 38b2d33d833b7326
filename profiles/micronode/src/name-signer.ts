import type { Kms } from '@ron/kms';

const keyRequest = { tenant: 'node', purpose: 'names', alg: 'ed25519' } as const;

/** The node signs the names that it keeps; its key is made on the first start and lives as long as the keystore. */
export async function nameSigner(kms: Kms) {
  const key = kms.listKeys(keyRequest).at(-1) ?? (await kms.createKey(keyRequest));
  return { owner: key.kid, sign: (bytes: Uint8Array) => kms.sign(key.kid, bytes) };
}
