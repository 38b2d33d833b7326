import { encodeSlice, groupBytes, groupsForRange, sliceSize } from '@ron/b3';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, lenderOf } from '@ron/proto/stream';
import { LentPieces } from '../lent-pieces.ts';
import { PiecePool, pieceBytes } from '../piece-pool.ts';
import { readable } from '../spans.ts';
import type { VerifiedReads } from '../verified-reads.ts';
import type { StorageHandler } from './operation.ts';

/** Idle pieces of slices: 4 MiB. */
const idlePiecesMax = 8;

/** A range with the tree nodes that prove it; a range past the end proves the end. Sent in pieces of 512 KiB. */
export function slice(reads: VerifiedReads): StorageHandler<'slice'> {
  const pool = new PiecePool(idlePiecesMax);
  return async (input) => {
    const object = readable(reads.blobs, input.address);
    const { address, sizeBytes: size } = object;
    const { start = 0, length } = input;
    const outboard = await reads.counted(address, () => reads.blobs.outboard(address));
    const { first, last } = groupsForRange(size, start, length);
    const from = first * groupBytes();
    const span = { start: from, length: Math.min((last + 1) * groupBytes(), size) - from };
    const groups = new GroupReader(await reads.open(object, span));
    const range = { outboard, size, start, ...(length === undefined ? {} : { length }) };
    const gather = { pieceBytes, room: () => pool.take() };
    const pieces = encodeSlice({ ...range, readGroup: (_index, bytes) => groups.next(bytes), gather });
    return {
      output: { address, size, slice_size: sliceSize(size, start, length) },
      body: new LentPieces(closing(pieces, groups), pool),
    };
  };
}

async function* closing(pieces: AsyncGenerator<Uint8Array>, groups: GroupReader): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } finally {
    await groups.close();
  }
}

/** Cuts a stream into groups, which are looked at before the next is asked for. */
class GroupReader {
  readonly #body: ByteStream;
  readonly #reading: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(body: ByteStream) {
    this.#body = body;
    this.#reading = body[Symbol.asyncIterator]();
  }

  /** At once where the piece that was read last holds the group. */
  next(length: number): Uint8Array | Promise<Uint8Array> {
    if (this.#piece.byteLength - this.#at < length) return this.#read(length);
    this.#at += length;
    return this.#piece.subarray(this.#at - length, this.#at);
  }

  async close(): Promise<void> {
    await this.#reading.return?.();
  }

  async #read(length: number): Promise<Uint8Array> {
    let rest: Uint8Array = new Uint8Array(this.#piece.subarray(this.#at));
    while (rest.byteLength < length) {
      lenderOf(this.#body)?.giveBack(this.#piece);
      const step = await this.#reading.next();
      if (step.done) throw new RonError('internal', 'the object ended before its end');
      this.#piece = step.value;
      this.#at = Math.min(length - rest.byteLength, step.value.byteLength);
      const taken = step.value.subarray(0, this.#at);
      rest = rest.byteLength === 0 ? taken : new Uint8Array(Buffer.concat([rest, taken]));
    }
    return rest;
  }
}
