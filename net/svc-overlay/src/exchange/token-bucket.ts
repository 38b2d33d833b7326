import type { Clock } from '@ron/kernel';

/** A pace with a burst. What is taken may go below zero: the next one waits until that is paid back. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #level: number;
  #atMs: number;

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#level = burst;
    this.#atMs = clock.monotonicMs();
  }

  /** Takes `tokens` and returns 0, or takes nothing and returns the milliseconds until it would. */
  take(tokens: number): number {
    const nowMs = this.#clock.monotonicMs();
    this.#level = Math.min(this.#burst, this.#level + ((nowMs - this.#atMs) * this.#perSecond) / 1_000);
    this.#atMs = nowMs;
    // Half a token: sums of fractions must not make a wait of nearly nothing.
    if (this.#level < -0.5) return Math.ceil((-this.#level * 1_000) / this.#perSecond);
    this.#level -= tokens;
    return 0;
  }
}
