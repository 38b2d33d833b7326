import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

const windowMs = 60_000;

/** Wrong bootstrap secrets of the last minute, from everybody together: at most `max`, then further wrong ones wait. */
export class Attempts {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #max: () => number;
  /** Oldest first; bounded by `max`. */
  #failures: number[] = [];

  constructor(clock: Pick<Clock, 'monotonicMs'>, max: () => number) {
    this.#clock = clock;
    this.#max = max;
  }

  /** @throws RonError `quota_exhausted` until the oldest failure is a minute old */
  check(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#failures = this.#failures.filter((atMs) => nowMs - atMs < windowMs);
    const oldest = this.#failures[this.#failures.length - this.#max()];
    if (oldest === undefined) return;
    throw new RonError('quota_exhausted', 'too many wrong secrets', { retryAfterMs: oldest + windowMs - nowMs });
  }

  failed(): void {
    this.#failures.push(this.#clock.monotonicMs());
  }
}
