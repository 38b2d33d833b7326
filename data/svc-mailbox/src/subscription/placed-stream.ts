import type { ByteStream } from '@ron/proto/stream';

type Step = IteratorResult<Uint8Array, undefined>;
const over: Step = { done: true, value: undefined };

/**
 * A stream that gives its place back when it ends, also when its reader leaves before it has begun: a generator that
 * was never started does not run its `finally`. One reader, once.
 */
export class PlacedStream implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #source: AsyncGenerator<Uint8Array, void>;
  readonly #place: Disposable;

  constructor(source: AsyncGenerator<Uint8Array, void>, place: Disposable) {
    this.#source = source;
    this.#place = place;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Step> {
    try {
      const step = await this.#source.next();
      if (step.done !== true) return step;
    } catch (error) {
      this.#place[Symbol.dispose]();
      throw error;
    }
    this.#place[Symbol.dispose]();
    return over;
  }

  async return(): Promise<Step> {
    this.#place[Symbol.dispose]();
    await this.#source.return();
    return over;
  }
}
