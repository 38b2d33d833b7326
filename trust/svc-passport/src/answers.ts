import type { Clock, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

interface Kept<T> {
  readonly digest: string;
  readonly answer: T;
  readonly atMs: number;
}

interface Running<T> {
  readonly digest: string;
  readonly answer: Promise<T>;
}

/** Answers kept at once; past it the oldest goes, and its caller's repeat is a new attempt. */
export const answersMax = 1_000;
/** How long a lost answer can be asked for again. */
export const answerKeptMs = 30_000;

/**
 * For callers whose answer was lost: the same Idempotency-Key with the same request gets the same answer for 30 s, and
 * waits for it while the first attempt still runs. In memory only, because answers hold secrets, and no longer than that,
 * be there calls or not; refusals are not kept.
 */
export class Answers<T> implements Disposable {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** Bounded by the calls in flight. */
  readonly #running = new Map<string, Running<T>>();
  /** In the order of their age. */
  readonly #kept = new Map<string, Kept<T>>();
  /** Runs while something is kept. */
  #timer: Timer | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'after'>) {
    this.#clock = clock;
  }

  /** Answers kept now. */
  get size(): number {
    return this.#kept.size;
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#kept.clear();
  }

  /**
   * `who` has everything that makes the caller's key unique; without a key each call is its own. `isGood` is asked
   * before a kept answer is given again.
   */
  async once(
    who: readonly (string | undefined)[],
    digest: string,
    run: () => Promise<T>,
    isGood: (answer: T) => boolean = () => true,
  ): Promise<T> {
    if (who.includes(undefined)) return run();
    const key = JSON.stringify(who);
    this.#forgetOld();
    const known = this.#running.get(key) ?? this.#kept.get(key);
    if (known !== undefined && known.digest !== digest)
      throw new RonError('conflict', 'this Idempotency-Key was used with another request');
    if (known !== undefined) {
      const answer = await known.answer;
      if (isGood(answer)) return answer;
    }
    return this.#first(key, digest, run);
  }

  async #first(key: string, digest: string, run: () => Promise<T>): Promise<T> {
    const answer = run();
    this.#running.set(key, { digest, answer });
    try {
      const value = await answer;
      this.#kept.delete(key);
      this.#kept.set(key, { digest, answer: value, atMs: this.#clock.monotonicMs() });
      return value;
    } finally {
      this.#running.delete(key);
      this.#forgetOld();
    }
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { atMs }] of this.#kept) {
      if (this.#kept.size <= answersMax && nowMs - atMs < answerKeptMs) break;
      this.#kept.delete(key);
    }
    this.#timer?.cancel();
    const [oldest] = this.#kept.values();
    this.#timer = oldest && this.#clock.after(oldest.atMs + answerKeptMs - nowMs, () => this.#forgetOld());
  }
}
