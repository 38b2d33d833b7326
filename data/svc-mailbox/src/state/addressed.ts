import type { Message } from './message.ts';

interface Held {
  readonly tenant: string;
  readonly box: string;
  readonly id: string;
  readonly address: string;
}

interface Place {
  readonly order: number;
  readonly id: string;
}

/** Messages whose body is an object of its own, in the order in which they were added, for a walk in pages. */
export class AddressedMessages {
  #tickets: number[] = [];
  #messages: Message[] = [];
  #nextTicket = 1;
  /** Entries that are gone but still stand in the arrays. */
  #gone = 0;

  get size(): number {
    return this.#messages.length - this.#gone;
  }

  add(message: Message): void {
    this.#tickets.push(this.#nextTicket++);
    this.#messages.push(message);
  }

  /** Call when one of them has become `gone`. */
  remove(): void {
    this.#gone += 1;
    if (this.#gone < 1_024 || this.#gone * 2 < this.#messages.length) return;
    const tickets: number[] = [];
    const messages: Message[] = [];
    for (const [index, message] of this.#messages.entries()) {
      if (message.state === 'gone') continue;
      tickets.push(this.#tickets[index]!);
      messages.push(message);
    }
    this.#gone = 0;
    this.#tickets = tickets;
    this.#messages = messages;
  }

  /** Those added after `after`, at most `limit`. What is added during a walk comes at its end. */
  page(after: Place | undefined, limit: number): { items: Held[]; next: Place | undefined } {
    const items: Held[] = [];
    let index = after === undefined ? 0 : this.#firstAfter(after.order);
    let next: Place | undefined;
    for (; index < this.#messages.length && items.length < limit; index += 1) {
      const { state, id, box, origin } = this.#messages[index]!;
      if (state === 'gone' || origin.address === undefined) continue;
      items.push({ tenant: box.tenant.name, box: box.name, id, address: origin.address });
      next = { order: this.#tickets[index]!, id };
    }
    return { items, next: items.length === limit ? next : undefined };
  }

  #firstAfter(ticket: number): number {
    let low = 0;
    let high = this.#tickets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tickets[middle]! <= ticket) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
