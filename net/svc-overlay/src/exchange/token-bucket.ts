import type { Clock } from '@ron/kernel';

/** A pace with a burst. What is taken may go below zero: the next one waits until that is paid back. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: () => number;
  readonly #burstSeconds: number;
  #level: number;
  #atMs: number;

  /** `burstSeconds`: what may be taken at once, in seconds of the pace. */
  constructor(clock: Clock, perSecond: () => number, burstSeconds: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burstSeconds = burstSeconds;
    this.#level = perSecond() * burstSeconds;
    this.#atMs = clock.monotonicMs();
  }

  /** Takes `tokens` and returns 0, or takes nothing and returns the milliseconds until it would. */
  take(tokens: number): number {
    const nowMs = this.#clock.monotonicMs();
    const perSecond = this.#perSecond();
    const filled = this.#level + ((nowMs - this.#atMs) * perSecond) / 1_000;
    this.#level = Math.min(perSecond * this.#burstSeconds, filled);
    this.#atMs = nowMs;
    // Half a token: sums of fractions must not make a wait of nearly nothing.
    if (this.#level < -0.5) return Math.ceil((-this.#level * 1_000) / perSecond);
    this.#level -= tokens;
    return 0;
  }
}
