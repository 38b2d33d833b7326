import type { Message, Origin } from './message.ts';
import { BoxList } from './message-list.ts';

/** On the mailbox clock: the wall clock may jump, and then its times are not in the order of the list. */
export function diedMs({ dueMs, origin }: { readonly dueMs: number; readonly origin: Origin }): number {
  return dueMs - origin.deadRetentionMs;
}

/** The dead letters of a box in the order of their deaths, those of one millisecond in the order of burial. */
export class DeadList extends BoxList<Message> {
  #latest: Message | undefined;

  /**
   * Deaths are not told in their order: who restarts, or falls behind its timers, hears of one that time alone brought
   * about after later ones. Those come in ascending order, so each finds its place next to the one before it.
   */
  bury(message: Message): void {
    const atMs = diedMs(message);
    const { last } = this;
    let previous = last;
    if (last !== undefined && diedMs(last) > atMs) {
      if (this.#latest?.boxList === this) previous = this.#latest;
      while (previous !== undefined && diedMs(previous) > atMs) previous = previous.boxPrev;
      let next = previous === undefined ? this.first : previous.boxNext;
      while (next !== undefined && diedMs(next) <= atMs) {
        previous = next;
        next = next.boxNext;
      }
    }
    this.insertAfter(previous, message);
    this.#latest = message;
  }
}
