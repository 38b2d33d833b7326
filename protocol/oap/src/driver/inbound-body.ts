import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';

/** Pieces below this size are copied together, so that a sender of tiny frames cannot make a byte cost a hundred. */
const smallBytes = 4_096;
/** What small pieces are gathered in grows up to this by doubling; the body that is one small piece costs no more than that. */
const slabBytes = 16_384;

type Step = IteratorResult<Uint8Array, undefined>;
const over: Step = { done: true, value: undefined };

/**
 * Body bytes between a connection and their reader. What waits here is bounded by the stream's credit, which is given
 * back as the reader asks for more. One reader, once; one that leaves before the end calls `onAbandon`, also when it
 * never began.
 */
export class InboundBody implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #onConsumed: (bytes: number) => void;
  readonly #onAbandon: () => void;
  readonly #pieces: Uint8Array[] = [];
  #slab: Uint8Array | undefined;
  #slabUsed = 0;
  /** The piece that the reader has: its credit comes back when it asks for the next. */
  #lentBytes = 0;
  #receivedBytes = 0;
  #ended = false;
  #left = false;
  #failure: Error | undefined;
  #reader: { resolve(step: Step): void; reject(error: Error): void } | undefined;

  constructor(onConsumed: (bytes: number) => void, onAbandon: () => void) {
    this.#onConsumed = onConsumed;
    this.#onAbandon = onAbandon;
  }

  /** A reader waits for the peer. */
  get waiting(): boolean {
    return this.#reader !== undefined;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  push(bytes: Uint8Array): void {
    const length = bytes.byteLength;
    if (length === 0) return;
    this.#receivedBytes += length;
    if (this.#left) {
      this.#onConsumed(length);
      return;
    }
    const reader = this.#takeReader();
    if (reader !== undefined) {
      this.#lentBytes = length;
      reader.resolve({ done: false, value: bytes });
    } else if (length < smallBytes) this.#gather(bytes);
    else {
      this.#seal();
      this.#pieces.push(bytes);
    }
  }

  end(): void {
    this.#ended = true;
    this.#takeReader()?.resolve(over);
  }

  /** The reader gets what already arrived, then the error. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#ended = true;
    this.#takeReader()?.reject(error);
  }

  /**
   * The owner wants no more of it: tells the peer to stop, gives everything back, and lets go what still comes. A
   * reader that goes on all the same gets an error, never a body that seems to end. Idempotent.
   */
  abandon(): void {
    const short = !this.#ended || this.#pieces.length > 0 || this.#slab !== undefined;
    if (short) this.#failure ??= new RonError('request_timeout', 'the body was let go before its end');
    this.#leave();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    if (this.#reader !== undefined) return Promise.reject(new Error('a body has one reader'));
    this.#giveBack();
    if (this.#pieces.length === 0) this.#seal();
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#lentBytes = piece.byteLength;
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended || this.#left) return Promise.resolve(over);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<Step> {
    this.#leave();
    return Promise.resolve(over);
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    if (!this.#ended) this.#onAbandon();
    this.#seal();
    let bytes = this.#lentBytes;
    for (const piece of this.#pieces.splice(0)) bytes += piece.byteLength;
    this.#lentBytes = 0;
    if (bytes > 0) this.#onConsumed(bytes);
    const reader = this.#takeReader();
    if (this.#failure === undefined) reader?.resolve(over);
    else reader?.reject(this.#failure);
  }

  #takeReader() {
    const reader = this.#reader;
    this.#reader = undefined;
    return reader;
  }

  #giveBack(): void {
    const bytes = this.#lentBytes;
    this.#lentBytes = 0;
    if (bytes > 0) this.#onConsumed(bytes);
  }

  #gather(bytes: Uint8Array): void {
    const needed = this.#slabUsed + bytes.byteLength;
    if (this.#slab === undefined || needed > slabBytes) {
      this.#seal();
      // Not `slice`, which shares the memory when the transport reads into a subclass of its own.
      this.#slab = new Uint8Array(bytes);
    } else {
      if (needed > this.#slab.byteLength) this.#slab = grown(this.#slab, this.#slabUsed, needed);
      this.#slab.set(bytes, this.#slabUsed);
    }
    this.#slabUsed += bytes.byteLength;
  }

  #seal(): void {
    if (this.#slab !== undefined) this.#pieces.push(this.#slab.subarray(0, this.#slabUsed));
    this.#slab = undefined;
    this.#slabUsed = 0;
  }
}

function grown(slab: Uint8Array, used: number, needed: number): Uint8Array {
  const larger = new Uint8Array(Math.min(slabBytes, Math.max(needed, 2 * slab.byteLength)));
  larger.set(slab.subarray(0, used));
  return larger;
}
