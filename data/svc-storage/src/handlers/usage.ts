import type { BlobEngine } from '../engine.ts';
import type { StorageHandler } from './operation.ts';

export function usage(blobs: BlobEngine, uploads: () => number): StorageHandler<'usage'> {
  return () => {
    const used = blobs.usage();
    return {
      objects: used.objects,
      bytes: used.bytes,
      objects_max: used.objectsMax,
      bytes_max: used.bytesMax,
      trash_objects: used.trashObjects,
      trash_bytes: used.trashBytes,
      quarantined: used.quarantined,
      uploads: uploads(),
      durability: blobs.durability,
    };
  };
}
