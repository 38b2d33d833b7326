import type { Address } from '@ron/naming';
import type { BlobEngine } from '../engine.ts';
import type { StorageHandler } from './operation.ts';

export function unpin(blobs: BlobEngine): StorageHandler<'unpin'> {
  return async (input) => {
    await blobs.setPin(input.address as Address, input.holder, false);
    return {};
  };
}
