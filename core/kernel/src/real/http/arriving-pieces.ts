import type { Readable } from 'node:stream';

/** Bytes that may wait for the reader before the socket is no longer read. */
const waitingBytesMax = 256 * 1024;

export type Step = IteratorResult<Uint8Array, undefined>;
export const ended: Step = { done: true, value: undefined };

/** What stands between a socket and the one reader of a body. */
export class ArrivingPieces {
  readonly #message: Readable;
  #pieces: Uint8Array[] = [];
  #waitingBytes = 0;
  #movedBytes = 0;
  #finished = false;
  #failure: Error | undefined;
  #reader: { resolve(step: Step): void; reject(error: Error): void } | undefined;

  constructor(message: Readable) {
    this.#message = message;
  }

  /** Whether every byte has been taken from the socket. */
  get finished(): boolean {
    return this.#finished;
  }

  get movedBytes(): number {
    return this.#movedBytes;
  }

  get hasReader(): boolean {
    return this.#reader !== undefined;
  }

  next(): Promise<Step> {
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#waitingBytes -= piece.byteLength;
      if (this.#waitingBytes === 0 && this.#message.isPaused()) this.#message.resume();
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#finished) return Promise.resolve(ended);
    if (this.#reader !== undefined) return Promise.reject(new Error('a body has one reader'));
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  take(bytes: Uint8Array): void {
    this.#movedBytes += bytes.byteLength;
    if (this.#failure !== undefined) return;
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve({ done: false, value: bytes });
      return;
    }
    this.#pieces.push(bytes);
    this.#waitingBytes += bytes.byteLength;
    if (this.#waitingBytes >= waitingBytesMax) this.#message.pause();
  }

  end(): void {
    this.#finished = true;
    this.#reader?.resolve(ended);
    this.#reader = undefined;
  }

  /** The first failure counts; pieces that came before it are still handed out. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
  }

  /** Drops what waits. `reason` is what a later `next` rejects with, unless all had come. */
  abandon(reason: Error): void {
    this.#pieces = [];
    this.#waitingBytes = 0;
    if (!this.#finished) this.#failure ??= reason;
  }
}
