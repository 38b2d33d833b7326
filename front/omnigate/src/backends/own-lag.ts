import type { Clock } from '@ron/kernel';

/** How often it is looked at while calls are made, milliseconds. */
const lookMs = 10;
/** Part of a new measurement in the average: half of it is gone after some 20 to 30 ms. */
const share = 0.3;

/**
 * How late this process itself is: the time by which timers are late, milliseconds, a moving average. An answer that
 * arrives while the loop is busy waits as a timer does, for half of a turn on average, and then for what is read and handled before it.
 * None of that says anything about who answered.
 *
 * Looks only while calls are made: an idle front sleeps.
 */
export class OwnLag {
  readonly #clock: Clock;
  #lateMs = 0;
  #armed = false;
  #isUsed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What of the time of an answer may be our own: a whole turn of the loop. */
  get ms(): number {
    return 2 * this.#lateMs;
  }

  /** A call is made. */
  watch(): void {
    this.#isUsed = true;
    if (!this.#armed) this.#arm();
  }

  #arm(): void {
    this.#armed = true;
    this.#isUsed = false;
    const dueMs = this.#clock.monotonicMs() + lookMs;
    this.#clock.after(lookMs, () => {
      const lateMs = Math.max(0, this.#clock.monotonicMs() - dueMs);
      this.#lateMs += share * (lateMs - this.#lateMs);
      this.#armed = false;
      if (this.#isUsed) this.#arm();
    });
  }
}
