import type { Handlers } from '@ron/proto/contract';
import { type edgeContract, packMediaType } from '@ron/proto/edge';
import type { ObjectBytes } from '../objects/object-bytes.ts';
import { writePack } from '../packs/write-pack.ts';

export function createPackExport(objects: ObjectBytes): Handlers<typeof edgeContract>['pack_export'] {
  return async ({ addresses }, call) => {
    const wanted = [...new Set(addresses)];
    const { sizeBytes, body } = await writePack(objects, wanted, call);
    return { output: { content_type: packMediaType, objects: wanted.length, pack_size: sizeBytes }, body };
  };
}
