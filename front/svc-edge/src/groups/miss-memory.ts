import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

/** How long a source's `not_found` is believed, unless the profile says otherwise. */
export const missMsDefault = 2_000;
export const missesMax = 10_000;

/** Addresses that no source had a moment ago, so that many who ask for what is not there make one question. */
export class MissMemory {
  readonly #clock: Clock;
  readonly #missMs: number;
  /** Oldest first: all live equally long. */
  readonly #untilMs = new Map<string, number>();

  /** `missMs` 0: nothing is remembered. */
  constructor(clock: Clock, missMs: number) {
    this.#clock = clock;
    this.#missMs = missMs;
  }

  get size(): number {
    return this.#untilMs.size;
  }

  /** Throws `not_found`. */
  check(address: string): void {
    if (this.has(address)) throw new RonError('not_found', 'no such object');
    this.#untilMs.delete(address);
  }

  has(address: string): boolean {
    return (this.#untilMs.get(address) ?? Number.NEGATIVE_INFINITY) > this.#clock.monotonicMs();
  }

  add(address: string): void {
    if (this.#missMs === 0) return;
    this.#untilMs.delete(address);
    this.#untilMs.set(address, this.#clock.monotonicMs() + this.#missMs);
    for (const oldest of this.#untilMs.keys()) {
      if (this.#untilMs.size <= missesMax) return;
      this.#untilMs.delete(oldest);
    }
  }

  /** Undefined: all. */
  forget(address: string | undefined): void {
    if (address === undefined) this.#untilMs.clear();
    else this.#untilMs.delete(address);
  }
}
