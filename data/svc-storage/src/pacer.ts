import { type Clock, sleep } from '@ron/kernel';

export interface PacerLimits {
  /** Milliseconds of work in one turn. */
  readonly sliceMs: number;
  /** Steps of work in one turn; also holds where time stands still while code runs. */
  readonly sliceSteps: number;
}

/** Lets a long walk give way: `due()` after each step, `pause()` when it says so. */
export class Pacer {
  readonly #clock: Clock;
  readonly #limits: () => PacerLimits;
  readonly #signal: AbortSignal | undefined;
  #steps = 0;
  #sinceMs: number;

  constructor(clock: Clock, limits: () => PacerLimits, signal?: AbortSignal) {
    this.#clock = clock;
    this.#limits = limits;
    this.#signal = signal;
    this.#sinceMs = clock.monotonicMs();
  }

  due(): boolean {
    this.#steps += 1;
    const { sliceMs, sliceSteps } = this.#limits();
    // The clock is asked every 16 steps: a step of a walk is often cheaper than the question.
    if (this.#steps >= sliceSteps) return true;
    return (this.#steps & 15) === 0 && this.#clock.monotonicMs() - this.#sinceMs >= sliceMs;
  }

  /** Lets everything else that is ready run. Rejects with the signal's reason when it aborted. */
  async pause(): Promise<void> {
    await sleep(this.#clock, 0, this.#signal);
    this.#signal?.throwIfAborted();
    this.#steps = 0;
    this.#sinceMs = this.#clock.monotonicMs();
  }
}
