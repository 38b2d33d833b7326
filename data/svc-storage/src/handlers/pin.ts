import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobEngine } from '../engine.ts';
import type { Holding } from '../holding.ts';
import type { StorageHandler } from './operation.ts';

export function pin(blobs: BlobEngine, holding: Holding): StorageHandler<'pin'> {
  return async (input) => {
    const object = await holding.hold(input.address as Address);
    if (object === undefined) throw new RonError('not_found', 'no such object');
    await blobs.setPin(object.address, input.holder, true);
    return {};
  };
}
