import type { ByteStream } from '@ron/proto/stream';

type Step = IteratorResult<Uint8Array, undefined>;
const ended: Step = { done: true, value: undefined };

/** Streams one after the other. Who leaves, leaves all of them, also those that were not reached. */
export class JoinedBody implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #sources: AsyncIterator<Uint8Array>[];

  constructor(sources: readonly ByteStream[]) {
    this.#sources = sources.map((source) => source[Symbol.asyncIterator]());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Step> {
    for (;;) {
      const [source] = this.#sources;
      if (source === undefined) return ended;
      const step = await source.next();
      if (step.done !== true) return step;
      this.#sources.shift();
    }
  }

  async return(): Promise<Step> {
    for (const source of this.#sources.splice(0)) await source.return?.();
    return ended;
  }
}
