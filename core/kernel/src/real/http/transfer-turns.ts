/**
 * Bytes that a response hands to the system before others get their turn. The system takes megabytes at once, and what it
 * takes is copied on the spot.
 */
export const turnBytes = 256 * 1024;
/** Turns in a row that are left to newcomers: the loop takes in one connection a turn, so a crowd of them needs short ones. */
const leftToNewcomers = 16;
/**
 * Large responses take turns at the event loop, one in each, first come, first served: a turn of an idle loop takes
 * microseconds, handing over this much up to a millisecond, and whoever asks for little waits for one of them and not for all.
 * Bounded by the responses under way.
 */
export class TransferTurns {
  readonly #waiting: (() => void)[] = [];
  #isBooked = false;
  #hasNewcomer = false;
  #left = 0;

  /** A connection was taken in. */
  connected(): void {
    this.#hasNewcomer = true;
  }

  /** Resolves in a later turn of the loop. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#book();
    });
  }

  #book(): void {
    if (this.#isBooked) return;
    this.#isBooked = true;
    setImmediate(() => {
      this.#isBooked = false;
      if (this.#hasNewcomer && this.#left < leftToNewcomers) this.#left += 1;
      else {
        this.#left = 0;
        this.#waiting.shift()?.();
      }
      this.#hasNewcomer = false;
      if (this.#waiting.length > 0) this.#book();
    });
  }
}

/** There is one event loop, whatever listens. */
export const transferTurns = new TransferTurns();
