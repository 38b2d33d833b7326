import type { ByteStream } from '@ron/proto/stream';

type Step = IteratorResult<Uint8Array, undefined>;
const over: Step = { done: true, value: undefined };

/**
 * A body that fails with the reason of `signal` as soon as it aborts, also while its source has nothing to say; the
 * source is told to stop. One reader, once.
 */
export class AbortableBody implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #source: ByteStream;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#leave();
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #reader: PromiseWithResolvers<Step> | undefined;
  #over = false;

  constructor(source: ByteStream, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
    if (signal.aborted) this.#leave();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    if (this.#over) return this.#signal.aborted ? Promise.reject(this.#signal.reason) : Promise.resolve(over);
    this.#iterator ??= this.#source[Symbol.asyncIterator]();
    const reader = Promise.withResolvers<Step>();
    this.#reader = reader;
    this.#iterator.next().then(
      (step) => {
        if (step.done === true) this.#end();
        reader.resolve(step.done === true ? over : step);
      },
      (error) => {
        this.#end();
        reader.reject(error);
      },
    );
    return reader.promise;
  }

  return(): Promise<Step> {
    this.#leave();
    return Promise.resolve(over);
  }

  #end(): void {
    this.#over = true;
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #leave(): void {
    if (this.#over) return;
    this.#end();
    const iterator = this.#iterator ?? this.#source[Symbol.asyncIterator]();
    // Not waited for: a source in the middle of a piece answers only after it. Its failure has nobody left to tell.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
    if (this.#signal.aborted) this.#reader?.reject(this.#signal.reason);
    else this.#reader?.resolve(over);
  }
}
