import type { Clock, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

const tickMs = 50;

/** A monotonic time that may move while work goes on; Infinity: never. */
export interface Deadline {
  readonly deadlineMs: number;
}

/**
 * Ends calls that are late. One timer for all of them, armed only while something waits: a call is ended at most
 * `tickMs` after its deadline, and costs two insertions instead of a timer of its own.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `work`, or `deadline_exceeded` once the deadline has passed; `onLate` is told first. */
  race<T>(work: Promise<T>, deadline: Deadline, onLate: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const entry: Waiting = {
        deadline,
        end: () => {
          onLate();
          reject(late());
        },
      };
      this.#waiting.add(entry);
      this.#arm();
      work.then(
        (value) => {
          this.#waiting.delete(entry);
          resolve(value);
        },
        (error) => {
          this.#waiting.delete(entry);
          reject(error);
        },
      );
    });
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(tickMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonicMs();
    for (const entry of this.#waiting) {
      if (entry.deadline.deadlineMs > now) continue;
      this.#waiting.delete(entry);
      entry.end();
    }
    if (this.#waiting.size > 0) this.#arm();
  }
}

export function late(): RonError {
  return new RonError('deadline_exceeded', 'the call did not finish in time');
}

interface Waiting {
  readonly deadline: Deadline;
  end(): void;
}
