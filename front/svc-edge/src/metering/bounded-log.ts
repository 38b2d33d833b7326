import type { Clock, Log, LogFields } from '@ron/kernel';

/** Lines of one kind a second: when an origin is gone, every request would be one. */
export const linesPerSecondMax = 20;

/** A log at `warn` that says how many lines it left out, with the first one after them. */
export class BoundedLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #second = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  warn(fields: LogFields, message: string): void {
    const second = Math.floor(this.#clock.monotonicMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (this.#lines === linesPerSecondMax) {
      this.#leftOut++;
      return;
    }
    this.#lines++;
    this.#log.warn(this.#leftOut === 0 ? fields : { ...fields, left_out: this.#leftOut }, message);
    this.#leftOut = 0;
  }
}
