import type { Machine } from '../state/machine.ts';
import type { Message } from '../state/message.ts';
import { carriedKeyBytes } from './records.ts';

/** What the log holds beside body and headers for a message, about. */
const messageOverheadBytes = 300;

/**
 * How much of the log is alive. Counting it would cost memory for each message, so it is guessed from the sums that are
 * known anyway, and corrected by what was really written for those that were carried: a message with a long history
 * takes many times its body, and a guess that is too low would never let compaction come to an end.
 */
export class SpaceEstimate {
  readonly #memoryBytes: number;
  #guessed = 0;
  #written = 0;

  /** The correction follows the messages of the last `memoryBytes` or so. */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
  }

  learn(message: Message, writtenBytes: number): void {
    this.#guessed += message.origin.sizeBytes + messageOverheadBytes;
    this.#written += writtenBytes;
    if (this.#guessed < this.#memoryBytes) return;
    this.#guessed /= 2;
    this.#written /= 2;
  }

  aliveBytes({ life, keys }: Machine): number {
    const { bytes, messages } = life.ledger;
    const correction = this.#guessed === 0 ? 1 : Math.max(1, this.#written / this.#guessed);
    return (bytes + messages * messageOverheadBytes) * correction + keys.size * carriedKeyBytes;
  }
}
