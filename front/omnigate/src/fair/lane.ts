/** What waits: how much it costs, and what its owner made of it. */
export interface Waiting {
  /** At least 1. May not change while it waits. */
  readonly cost: number;
  /** Set by its owner when it shall not be served any more: it is passed over. */
  gone: boolean;
}

/**
 * One tenant's line. Inside it the sub-lines (remote addresses in the lane of those whom nobody knows, one for a
 * tenant) are served in turn.
 */
export class Lane<T extends Waiting> {
  /** What it may still spend in this round; below 0 what it owes. */
  deficit = 0;
  /** The busy period that `deficit` belongs to. */
  period = 0;
  /** It got its quantum for the visit that goes on. */
  visited = false;
  /** Calls of it that run. */
  inflight = 0;
  /** Cost of everything that waits in it. */
  backlog = 0;
  /** How many wait in it. */
  waiting = 0;
  /** In order of their turn; as many as there are lines with something in them. */
  readonly #lines = new Map<string, T[]>();

  push(line: string, item: T): void {
    const items = this.#lines.get(line);
    if (items === undefined) this.#lines.set(line, [item]);
    else items.push(item);
    this.backlog += item.cost;
    this.waiting += 1;
  }

  /** The one whose turn it is; it stays. */
  peek(): T | undefined {
    for (const [line, items] of this.#lines) {
      while (items[0]?.gone) items.shift();
      if (items[0] !== undefined) return items[0];
      this.#lines.delete(line);
    }
    return undefined;
  }

  /** Takes what `peek` shows, and lets the next line have its turn. */
  shift(): T | undefined {
    const item = this.peek();
    if (item === undefined) return undefined;
    const [line, items] = this.#lines.entries().next().value!;
    items.shift();
    this.#lines.delete(line);
    if (items.length > 0) this.#lines.set(line, items);
    this.#left(item);
    return item;
  }

  /** The item shall not be served. Idempotent. */
  drop(item: T): void {
    if (item.gone) return;
    item.gone = true;
    this.#left(item);
  }

  /** The one that came last of those that wait, the first to go when there is no more room. */
  last(): T | undefined {
    let longest: T[] | undefined;
    for (const items of this.#lines.values()) {
      while (items.at(-1)?.gone) items.pop();
      if (items.length > (longest?.length ?? 0)) longest = items;
    }
    return longest?.at(-1);
  }

  /** All that wait, as they are now. */
  items(): readonly T[] {
    return [...this.#lines.values()].flat().filter(({ gone }) => !gone);
  }

  #left(item: T): void {
    this.backlog -= item.cost;
    this.waiting -= 1;
  }
}
