import type { LendingBody } from '@ron/proto/stream';
import type { PiecePool } from './piece-pool.ts';

/** A stream whose pieces lie in buffers of the pool. */
export class LentPieces implements LendingBody {
  readonly #pieces: AsyncGenerator<Uint8Array>;
  readonly #pool: PiecePool;

  constructor(pieces: AsyncGenerator<Uint8Array>, pool: PiecePool) {
    this.#pieces = pieces;
    this.#pool = pool;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return this.#pieces;
  }

  giveBack(piece: Uint8Array): void {
    this.#pool.giveBack(piece);
  }
}
