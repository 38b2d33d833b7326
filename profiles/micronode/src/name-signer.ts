import type { Kms } from '@ron/kms';

const names = { tenant: 'node', purpose: 'names', alg: 'ed25519' } as const;

/** The node signs the names that it keeps. The key is made on the first start; after a rotation the new version signs. */
export async function nameSigner(kms: Kms) {
  if (kms.currentKey(names) === undefined) await kms.createKey(names);
  const current = () => kms.currentKey(names)!.kid;
  return {
    get owner() {
      return current();
    },
    sign: (bytes: Uint8Array) => kms.sign(current(), bytes),
  };
}
