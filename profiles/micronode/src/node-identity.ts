import type { Work } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import { addressFromHash } from '@ron/naming';

/** Who the node is to other nodes; made on the first start. It is not rotated: another key is another node. */
const identityKey = { tenant: 'node', purpose: 'identity', alg: 'ed25519' } as const;

/** `b3:<hex>` of the raw public key of the node. */
export async function nodeIdOf(kms: Kms, work: Pick<Work, 'blake3'>): Promise<string> {
  const key = kms.listKeys(identityKey)[0] ?? (await kms.createKey(identityKey));
  return addressFromHash(work.blake3(kms.publicKey(key.kid)));
}
