import type { CallContext, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { storageContract } from '@ron/proto/storage';

/**
 * Keeps an object from collection until what shall hold it does: `has` begins its grace time anew. Rejects with
 * `not_found` when it is not stored; `holder` says what then has to wait: "a name points at it".
 */
export async function holdObject(
  storage: Peer<typeof storageContract>,
  address: string,
  holder: string,
  context: CallContext,
): Promise<void> {
  const { missing } = await storage.has({ addresses: [address] }, { context });
  if (missing.length === 0) return;
  throw new RonError('not_found', `the object is not stored here: put it before ${holder}`, { details: { address } });
}
