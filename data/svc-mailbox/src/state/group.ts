import type { Message } from './message.ts';

/** The messages of one group of a box that are neither dead nor gone, in the order in which they were sent. Only the first may be leased. */
export class Group {
  readonly name: string;
  first: Message | undefined;
  #last: Message | undefined;

  constructor(name: string) {
    this.name = name;
  }

  push(message: Message): void {
    message.group = this;
    message.groupPrev = this.#last;
    if (this.#last === undefined) this.first = message;
    else this.#last.groupNext = message;
    this.#last = message;
  }

  remove(message: Message): void {
    if (message.group !== this) throw new Error('the message is in another group');
    const { groupPrev, groupNext } = message;
    if (groupPrev === undefined) this.first = groupNext;
    else groupPrev.groupNext = groupNext;
    if (groupNext === undefined) this.#last = groupPrev;
    else groupNext.groupPrev = groupPrev;
    message.group = undefined;
    message.groupPrev = undefined;
    message.groupNext = undefined;
  }
}
