import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobEngine } from '../engine.ts';
import type { Holding } from '../holding.ts';
import type { StorageHandler } from './operation.ts';
import { describe } from './stat.ts';

/** Out of the trash and held for the grace time, in which somebody has to name or pin it. A live object stays live. */
export function undelete(blobs: BlobEngine, holding: Holding): StorageHandler<'undelete'> {
  return async (input) => {
    const object = await holding.hold(input.address as Address);
    if (object === undefined) throw new RonError('not_found', 'nothing in the trash has this address');
    return describe(object, blobs.durability);
  };
}
