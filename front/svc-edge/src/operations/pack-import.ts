import type { Work } from '@ron/kernel';
import type { Handlers } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { ObjectBytes } from '../objects/object-bytes.ts';
import { readPack } from '../packs/read-pack.ts';

export interface PackImportParts {
  readonly objects: ObjectBytes;
  readonly work: Work;
  readonly packBytesMax: () => number;
}

/** Object by object: what came whole before a bad byte stays. */
export function createPackImport(parts: PackImportParts): Handlers<typeof edgeContract>['pack_import'] {
  const { objects, work, packBytesMax } = parts;
  return async (_input, call) => {
    const bytesMax = packBytesMax();
    if (call.bodyBytes !== undefined && call.bodyBytes > bytesMax) throw tooLarge(bytesMax);
    let count = 0;
    let bytes = 0;
    for await (const object of readPack(bounded(call.body, bytesMax), work)) {
      await objects.take(object, call);
      count += 1;
      bytes += object.proof.sizeBytes;
    }
    return { objects: count, bytes };
  };
}

async function* bounded(body: ByteStream, bytesMax: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const piece of body) {
    total += piece.byteLength;
    if (total > bytesMax) throw tooLarge(bytesMax);
    yield piece;
  }
}

function tooLarge(bytesMax: number): RonError {
  return new RonError('payload_too_large', `a pack has at most ${bytesMax} bytes here`, {
    details: { limit: bytesMax },
  });
}
