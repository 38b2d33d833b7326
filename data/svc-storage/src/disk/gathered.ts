import type { StreamHasher, Work } from '@ron/kernel';
import { type PiecePool, pieceBytes } from '../piece-pool.ts';

/** Up to here an object is one array of its own, fit to be kept in RAM; above, pieces of the pool take it. */
export const oneArrayMax = 65_536;

/** The bytes of an object of at most a few pieces, on their way to the journal, hashed as they come. */
export class Gathered {
  sizeBytes = 0;
  readonly #work: Work;
  readonly #pool: PiecePool;
  #slices: Uint8Array[] = [];
  #pieces: Buffer[] = [];
  #hasher: StreamHasher | undefined;

  constructor(work: Work, pool: PiecePool) {
    this.#work = work;
    this.#pool = pool;
  }

  /** Copies the bytes. */
  add(bytes: Uint8Array): void {
    if (this.#hasher === undefined && this.sizeBytes + bytes.byteLength <= oneArrayMax) {
      // A `slice` of a Buffer would be no copy.
      this.#slices.push(new Uint8Array(bytes));
      this.sizeBytes += bytes.byteLength;
      return;
    }
    if (this.#hasher === undefined) {
      this.#hasher = this.#work.blake3Stream();
      this.sizeBytes = 0;
      for (const slice of this.#slices.splice(0)) this.#gather(slice, this.#hasher);
    }
    this.#gather(bytes, this.#hasher);
  }

  /** All bytes in order, valid until `release`. */
  get pieces(): readonly Uint8Array[] {
    if (this.#hasher === undefined) return this.#slices.length === 1 ? this.#slices : [Buffer.concat(this.#slices)];
    return this.#pieces.map((piece, index) => piece.subarray(0, this.sizeBytes - index * pieceBytes));
  }

  /** Whether `pieces` is one array that may be kept past `release`. */
  get isOwn(): boolean {
    return this.#hasher === undefined;
  }

  /** Once, at the end. */
  digest(pieces: readonly Uint8Array[]): Uint8Array {
    return this.#hasher?.digest() ?? this.#work.blake3(pieces[0]!);
  }

  /** Nobody looks at the pieces any more. */
  release(): void {
    for (const piece of this.#pieces.splice(0)) this.#pool.giveBack(piece);
    this.#slices = [];
  }

  #gather(bytes: Uint8Array, hasher: StreamHasher): void {
    hasher.update(bytes);
    for (let at = 0; at < bytes.byteLength; ) {
      const filled = this.sizeBytes % pieceBytes;
      if (filled === 0) this.#pieces.push(this.#pool.take());
      const taken = bytes.subarray(at, at + pieceBytes - filled);
      this.#pieces.at(-1)!.set(taken, filled);
      this.sizeBytes += taken.byteLength;
      at += taken.byteLength;
    }
  }
}
