import { hash } from '@ron/b3';
import { type Address, addressFromHash } from '@ron/naming';
import { isErrorCode, RonError } from '@ron/proto/errors';
import type { BlobEngine } from '@ron/svc-storage/service';

export interface PutOptions {
  readonly split?: number;
  readonly announced?: boolean;
  readonly expected?: Address;
}

export async function put(engine: BlobEngine, bytes: Uint8Array, options: PutOptions = {}) {
  const { split = bytes.byteLength + 1, announced = true, expected } = options;
  await using writer = await engine.create(announced ? bytes.byteLength : undefined);
  for (let at = 0; at < bytes.byteLength; at += split) await writer.write(bytes.subarray(at, at + split));
  return await writer.commit(expected);
}

export async function bytesOf(
  engine: BlobEngine,
  address: Address,
  start = 0,
  length = (engine.stat(address)?.sizeBytes ?? 0) - start,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of engine.read(address, start, length)) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

export function addressOf(bytes: Uint8Array): Address {
  return addressFromHash(hash(bytes));
}

export function sample(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

export async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => new Error('nothing was refused'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof RonError && isErrorCode(error.code)) return error.code;
  throw error;
}
