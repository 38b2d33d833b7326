import type { Env } from '@ron/kernel';
import { type Address, addressFromHash } from '@ron/naming';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { steps } from '../bodies.ts';
import type { BlobEngine, StoredObject } from '../engine.ts';
import type { Holding } from '../holding.ts';
import type { StorageHandler } from './operation.ts';

export interface PutPorts {
  readonly blobs: BlobEngine;
  readonly holding: Holding;
  readonly work: Env['work'];
  readonly objectBytesMax: () => number;
  readonly onStored: (address: Address) => void;
}

/** Streams in; a body that breaks off or does not hash to the address leaves nothing. */
export function put({ blobs, holding, work, objectBytesMax, onStored }: PutPorts): StorageHandler<'put'> {
  return async (input, call) => {
    const size = input.size ?? call.bodyBytes;
    const bytesMax = objectBytesMax();
    refusePast(bytesMax, size ?? 0);
    const address = input.address as Address | undefined;
    const present = address === undefined ? undefined : await holding.hold(address);
    const { object, stored } =
      present === undefined
        ? await store(blobs, call, { address, size, bytesMax, exact: input.size !== undefined })
        : { object: await confirm(present, call, work, bytesMax), stored: false };
    // Held once more: the body may have taken longer than the grace time, and a collection may have begun since.
    await holding.hold(object.address);
    onStored(object.address);
    return { address: object.address, size: object.sizeBytes, stored, durability: blobs.durability };
  };
}

interface Announced {
  readonly address: Address | undefined;
  readonly size: number | undefined;
  readonly bytesMax: number;
  /** `size` is part of the request, not only a hint of the wire. */
  readonly exact: boolean;
}

async function store(blobs: BlobEngine, call: Call, { address, size, bytesMax, exact }: Announced) {
  await using writer = await blobs.create(size);
  let total = 0;
  for await (const bytes of steps(call.body)) {
    total += bytes.byteLength;
    refusePast(bytesMax, total);
    await writer.write(bytes);
  }
  if (exact && total !== size) {
    throw new RonError('bad_request', 'the body has another length than announced', { details: { size, got: total } });
  }
  return await writer.commit(address);
}

/** The bytes are here already; what the caller sends is only checked, so that a wrong body is not called stored. */
async function confirm(object: StoredObject, call: Call, work: Env['work'], bytesMax: number): Promise<StoredObject> {
  const hasher = work.blake3Stream();
  let total = 0;
  for await (const bytes of steps(call.body)) {
    total += bytes.byteLength;
    refusePast(bytesMax, total);
    hasher.update(bytes);
  }
  if (addressFromHash(hasher.digest()) !== object.address) {
    throw new RonError('bad_digest', 'the bytes do not hash to the address', { details: { expected: object.address } });
  }
  return object;
}

function refusePast(bytesMax: number, bytes: number): void {
  if (bytes <= bytesMax) return;
  throw new RonError('payload_too_large', `an object has at most ${bytesMax} bytes`, { details: { limit: bytesMax } });
}
