import { type Clock, sleep, type Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { StreamSlot } from './peer-ceilings.ts';
import type { ServeLimits } from './serve-ports.ts';

type Step = IteratorResult<Uint8Array, undefined>;
const over: Step = { done: true, value: undefined };

/**
 * A body for another node: paced, and cut when its reader is slow or its source hangs. Its place among the streams is
 * free again as soon as it ends in any way, read to the end or not.
 */
export class ServedBody implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #slot: StreamSlot;
  readonly #clock: Clock;
  readonly #limits: ServeLimits;
  readonly #startedMs: number;
  #bytes = 0;
  #timer: Timer | undefined;
  #ended = false;
  #failure: RonError | undefined;

  constructor(source: ByteStream, slot: StreamSlot, clock: Clock, limits: ServeLimits) {
    this.#pieces = source[Symbol.asyncIterator]();
    this.#slot = slot;
    this.#clock = clock;
    this.#limits = limits;
    this.#startedMs = clock.monotonicMs();
    this.#awaitReader();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Step> {
    this.#timer?.cancel();
    if (this.#ended) return this.#after();
    try {
      const step = await this.#read();
      if (this.#ended) return this.#after();
      if (step.done === true) {
        this.#end();
        return over;
      }
      for (let waitMs = this.#slot.paceMs(step.value.length); waitMs > 0; ) {
        await sleep(this.#clock, waitMs);
        waitMs = this.#slot.paceMs(step.value.length);
      }
      if (this.#ended) return this.#after();
      this.#bytes += step.value.length;
      this.#awaitReader();
      return step;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async return(): Promise<Step> {
    this.#end();
    return over;
  }

  #awaitReader(): void {
    const { readerIdleMs, graceMs, progressBytesPerSecondMin } = this.#limits;
    const paceEndMs = this.#startedMs + graceMs + (this.#bytes * 1_000) / progressBytesPerSecondMin;
    const leftMs = Math.max(0, Math.min(readerIdleMs, paceEndMs - this.#clock.monotonicMs()));
    this.#timer = this.#clock.after(Math.ceil(leftMs), () => {
      this.#failure = new RonError('request_timeout', 'the reader was too slow');
      this.#end();
    });
  }

  async #read(): Promise<Step> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.after(this.#limits.readMs, () => {
        reject(new RonError('unavailable', 'the object cannot be read now'));
      });
    });
    try {
      return (await Promise.race([this.#pieces.next(), late])) as Step;
    } finally {
      timer?.cancel();
    }
  }

  #after(): Step {
    if (this.#failure !== undefined) throw this.#failure;
    return over;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#slot.close();
    const ignored = () => undefined;
    Promise.resolve(this.#pieces.return?.()).then(ignored, ignored);
  }
}
