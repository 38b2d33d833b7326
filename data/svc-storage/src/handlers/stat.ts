import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobEngine, StoredObject } from '../engine.ts';
import type { Holding } from '../holding.ts';
import type { StorageHandler } from './operation.ts';

/** Says what is, the trash included, and keeps it: the next collection brings back what was asked for. */
export function stat(blobs: BlobEngine, holding: Holding): StorageHandler<'stat'> {
  return (input) => {
    const object = blobs.stat(input.address as Address);
    if (object === undefined) throw new RonError('not_found', 'no such object');
    if (object.state !== 'quarantined') holding.touch(object);
    return describe(object, blobs.durability);
  };
}

export function describe(object: StoredObject, durability: 'memory' | 'fsync') {
  return {
    address: object.address,
    size: object.sizeBytes,
    state: object.state,
    created_at: object.createdMs,
    durability,
  };
}
