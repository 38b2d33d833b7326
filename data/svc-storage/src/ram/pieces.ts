import { groupCv, treeFromGroupCvs } from '@ron/b3';
import type { Work } from '@ron/kernel';
import { type ByteStream, ResidentBody } from '@ron/proto/stream';
import type { Budget } from './budget.ts';

/** Verification unit: BLAKE3 tree groups of 64 KiB. */
export const groupSizeBytes = 65_536;
/** Large objects lie in pieces of 16 groups, so a group never crosses a border and no piece is moved to grow. */
export const pieceSizeBytes = 16 * groupSizeBytes;

/** First capacities for an object of unknown length: small ones waste little, at most 68 KiB are ever copied. */
const growth = [4_096, groupSizeBytes, pieceSizeBytes];

/** Bytes of one object: all pieces but the last have `pieceSizeBytes`. */
export type Pieces = readonly Uint8Array[];

/** Bytes that grow at their end; every byte of capacity is in the budget. */
export class GrowingPieces {
  readonly #budget: Budget;
  readonly #expectedBytes: number | undefined;
  readonly #pieces: Uint8Array[] = [];
  /** Bytes used of the last piece. */
  #tail = 0;
  #size = 0;

  constructor(budget: Budget, expectedBytes: number | undefined) {
    this.#budget = budget;
    this.#expectedBytes = expectedBytes;
  }

  get size(): number {
    return this.#size;
  }

  get pieces(): Pieces {
    return this.#pieces;
  }

  append(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.byteLength; ) {
      const room = this.#room(bytes.byteLength - offset);
      const taken = Math.min(room, bytes.byteLength - offset);
      this.#pieces[this.#pieces.length - 1]!.set(bytes.subarray(offset, offset + taken), this.#tail);
      this.#tail += taken;
      this.#size += taken;
      offset += taken;
    }
  }

  /** Gives unused capacity back and returns the exact pieces. */
  seal(): Pieces {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.byteLength > this.#tail) {
      const exact = last.slice(0, this.#tail);
      this.#budget.discard(last);
      // Less than was just given back, so this cannot be refused.
      this.#budget.take(exact.byteLength);
      this.#pieces[this.#pieces.length - 1] = exact;
    }
    return this.#pieces;
  }

  drop(): void {
    for (const piece of this.#pieces) this.#budget.discard(piece);
    this.#pieces.length = 0;
    this.#tail = 0;
    this.#size = 0;
  }

  /** Makes room at the end, for at most `wanted` bytes; returns how much there is. */
  #room(wanted: number): number {
    const last = this.#pieces.at(-1);
    if (last !== undefined && this.#tail < last.byteLength) return last.byteLength - this.#tail;
    if (last === undefined || last.byteLength === pieceSizeBytes) {
      this.#pieces.push(this.#budget.allocate(this.#capacity(wanted)));
      this.#tail = 0;
    } else {
      const larger = this.#budget.allocate(growth.find((step) => step >= this.#tail + wanted) ?? pieceSizeBytes);
      larger.set(last);
      this.#pieces[this.#pieces.length - 1] = larger;
      this.#budget.discard(last);
    }
    return this.#pieces.at(-1)!.byteLength - this.#tail;
  }

  #capacity(wanted: number): number {
    const expected = (this.#expectedBytes ?? 0) - this.#size;
    if (expected > 0) return Math.min(expected, pieceSizeBytes);
    if (this.#size > 0) return pieceSizeBytes;
    return growth.find((step) => step >= wanted) ?? pieceSizeBytes;
  }
}

export function bytesOf(pieces: Pieces): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.byteLength;
  return bytes;
}

/** The group with this index, as a view; shorter only at the end of the object. */
export function groupOf(pieces: Pieces, index: number): Uint8Array {
  const piece = pieces[Math.floor(index / 16)];
  if (piece === undefined) return new Uint8Array(0);
  const start = (index % 16) * groupSizeBytes;
  return piece.subarray(start, start + groupSizeBytes);
}

/** A range inside one piece is one view and can be answered in one write. */
export function streamOf(pieces: Pieces, start: number, length: number): ByteStream {
  const view = viewOf(pieces, start, length);
  return view === undefined ? viewsOf(pieces, start, length) : new ResidentBody(view);
}

/** Undefined when the range lies in more than one piece. */
export function viewOf(pieces: Pieces, start: number, length: number): Uint8Array | undefined {
  const first = Math.floor(start / pieceSizeBytes);
  const last = length === 0 ? first : Math.floor((start + length - 1) / pieceSizeBytes);
  if (first !== last) return undefined;
  const from = start - first * pieceSizeBytes;
  return pieces[first]?.subarray(from, from + length) ?? new Uint8Array(0);
}

async function* viewsOf(pieces: Pieces, start: number, length: number): AsyncGenerator<Uint8Array> {
  const end = start + length;
  for (let at = start; at < end; ) {
    const index = Math.floor(at / pieceSizeBytes);
    const from = at - index * pieceSizeBytes;
    const view = pieces[index]!.subarray(from, from + end - at);
    yield view;
    at += view.byteLength;
  }
}

export interface ObjectHash {
  readonly root: Uint8Array;
  /** Undefined for objects of one group: theirs is the length alone. */
  readonly outboard: Uint8Array | undefined;
}

/** Hashes whole groups as they become available, straight from the pieces: no byte is copied for it. */
export class PieceHasher {
  readonly #work: Work;
  #cvs = new Uint8Array(0);
  #groups = 0;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Takes in the groups that are complete within the first `size` bytes. A lone first group waits: it may be the root. */
  advance(pieces: Pieces, size: number): void {
    if (size <= groupSizeBytes) return;
    const complete = Math.floor(size / groupSizeBytes);
    while (this.#groups < complete) this.#take(groupOf(pieces, this.#groups));
  }

  finish(pieces: Pieces, size: number): ObjectHash {
    if (size <= groupSizeBytes) {
      return { root: this.#work.blake3(pieces[0]?.subarray(0, size) ?? new Uint8Array(0)), outboard: undefined };
    }
    this.advance(pieces, size);
    if (this.#groups * groupSizeBytes < size) {
      this.#take(groupOf(pieces, this.#groups).subarray(0, size - this.#groups * groupSizeBytes));
    }
    return treeFromGroupCvs(this.#cvs.subarray(0, this.#groups * 32), size);
  }

  #take(bytes: Uint8Array): void {
    const at = this.#groups * 32;
    if (at === this.#cvs.byteLength) {
      const larger = new Uint8Array(Math.max(512, at * 2));
      larger.set(this.#cvs);
      this.#cvs = larger;
    }
    this.#cvs.set(groupCv(this.#groups, bytes), at);
    this.#groups += 1;
  }
}
