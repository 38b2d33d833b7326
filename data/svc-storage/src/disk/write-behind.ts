import { type PiecePool, pieceBytes } from '../piece-pool.ts';

export interface WriteBehindTarget {
  write(bytes: Uint8Array, offsetBytes: number): Promise<void>;
  /** Makes durable what was written before. */
  sync(): Promise<void>;
  /** Sees the bytes of each write, in the order of the writes, while the system writes them. */
  seen(bytes: Uint8Array, offsetBytes: number): void;
}

/**
 * Gathers bytes into pieces of 512 KiB and writes one while the next is filled. Every `syncEveryBytes` a sync runs
 * beside the writes, at most one at a time, so that the bytes flow to the disk while they arrive and the last sync is
 * short. Nobody hears of success before `flush` and a sync of their own: a failure is kept and thrown by every call from
 * then on, until `drop`.
 */
export class WriteBehind {
  readonly #target: WriteBehindTarget;
  readonly #pool: PiecePool;
  readonly #syncEveryBytes: number;
  #filling: Buffer | undefined;
  /** Offset of the piece being filled. */
  #at = 0;
  #filled = 0;
  #writing: { readonly start: number; readonly done: Promise<void> } | undefined;
  #syncing: Promise<void> | undefined;
  #unsyncedBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(target: WriteBehindTarget, pool: PiecePool, syncEveryBytes: number) {
    this.#target = target;
    this.#pool = pool;
    this.#syncEveryBytes = syncEveryBytes;
  }

  /** What was taken and is not known to be written: `[start, end)`. */
  get pending(): { readonly start: number; readonly end: number } {
    return { start: this.#writing?.start ?? this.#at, end: this.#at + this.#filled };
  }

  /** What was taken and not handed to the system yet. */
  get unwritten(): Uint8Array {
    return this.#filling?.subarray(0, this.#filled) ?? new Uint8Array(0);
  }

  /** Copies the bytes. Bytes that follow those before are gathered with them. */
  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.#throwFailure();
    if (offsetBytes !== this.#at + this.#filled) {
      await this.flush();
      this.#at = offsetBytes;
    }
    for (let from = 0; from < bytes.byteLength; ) {
      if (this.#filled === pieceBytes) await this.#push();
      this.#filling ??= this.#pool.take();
      const taken = Math.min(bytes.byteLength - from, pieceBytes - this.#filled);
      this.#filling.set(bytes.subarray(from, from + taken), this.#filled);
      this.#filled += taken;
      from += taken;
    }
  }

  /** Resolves when all that was taken is written and no sync runs; what was taken is durable after a sync by the caller. */
  async flush(): Promise<void> {
    if (this.#filled > 0) await this.#push();
    await this.settle();
  }

  /** The same without the last, unfinished piece. */
  async settle(): Promise<void> {
    await this.#writing?.done;
    await this.#syncing;
    this.#throwFailure();
  }

  /** Waits for what runs, forgets the rest and the failures. */
  async drop(): Promise<void> {
    await this.#writing?.done;
    await this.#syncing;
    if (this.#filling !== undefined) this.#pool.giveBack(this.#filling);
    this.#filling = undefined;
    this.#filled = 0;
    this.#failure = undefined;
  }

  async #push(): Promise<void> {
    await this.#writing?.done;
    this.#throwFailure();
    const piece = this.#filling;
    if (piece === undefined) return;
    const [start, length] = [this.#at, this.#filled];
    const bytes = piece.subarray(0, length);
    this.#filling = undefined;
    this.#at += length;
    this.#filled = 0;
    const done = this.#target.write(bytes, start).then(undefined, (error: unknown) => this.#fail(error));
    this.#writing = { start, done: done.then(() => this.#wrote(start, piece)) };
    this.#target.seen(bytes, start);
    this.#unsyncedBytes += length;
    if (this.#unsyncedBytes >= this.#syncEveryBytes) this.#syncSoon();
  }

  #wrote(start: number, piece: Buffer): void {
    if (this.#writing?.start === start) this.#writing = undefined;
    this.#pool.giveBack(piece);
  }

  #syncSoon(): void {
    if (this.#syncing !== undefined) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#target
      .sync()
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        this.#syncing = undefined;
      });
  }

  /** What follows the failed bytes is dropped too: it would leave a hole. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    if (this.#filling !== undefined) this.#pool.giveBack(this.#filling);
    this.#filling = undefined;
    this.#filled = 0;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
