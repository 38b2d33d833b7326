import type { Box } from '../state/box.ts';
import type { BoxKey } from '../state/command.ts';

interface Waiting {
  readonly leasing: Set<() => void>;
  readonly peeking: Set<() => void>;
}

/** Who waits for which box, the box itself need not exist. Bounded by the calls in flight: each waits for one box. */
export class Watchers {
  /** By tenant, then by box: a joined key could be ambiguous. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  /** Boxes with something new, and how many messages each got. */
  readonly #offered = new Map<Box, number>();
  readonly #sent = new Set<Box>();

  /** Messages that may be waited for; collected until `wake`. */
  onOffered(box: Box): void {
    if (this.#of(box) !== undefined) this.#offered.set(box, (this.#offered.get(box) ?? 0) + 1);
  }

  onSent(box: Box): void {
    if (this.#of(box) !== undefined) this.#sent.add(box);
  }

  add({ tenant, box }: BoxKey, wake: () => void, peek: boolean): Disposable {
    const boxes = this.#waiting.get(tenant) ?? new Map<string, Waiting>();
    this.#waiting.set(tenant, boxes);
    const waiting = boxes.get(box) ?? { leasing: new Set(), peeking: new Set() };
    boxes.set(box, waiting);
    const set = peek ? waiting.peeking : waiting.leasing;
    // The same function twice is two watchers.
    const watcher = () => wake();
    set.add(watcher);
    const forget = () => {
      set.delete(watcher);
      if (waiting.leasing.size + waiting.peeking.size > 0 || boxes.get(box) !== waiting) return;
      boxes.delete(box);
      if (boxes.size === 0 && this.#waiting.get(tenant) === boxes) this.#waiting.delete(tenant);
    };
    return { [Symbol.dispose]: forget };
  }

  /** Wakes those whose time has come: as many receivers as there are new messages, and everyone who peeks. */
  wake(): void {
    for (const [box, count] of this.#offered) this.#wakeSome(this.#of(box)?.leasing, count);
    this.#offered.clear();
    for (const box of this.#sent) this.#wakeSome(this.#of(box)?.peeking, Number.POSITIVE_INFINITY);
    this.#sent.clear();
  }

  /** Everybody, because nothing will come any more. */
  wakeAll(): void {
    for (const boxes of [...this.#waiting.values()]) {
      for (const { leasing, peeking } of [...boxes.values()]) {
        this.#wakeSome(leasing, Number.POSITIVE_INFINITY);
        this.#wakeSome(peeking, Number.POSITIVE_INFINITY);
      }
    }
  }

  #wakeSome(watchers: Set<() => void> | undefined, count: number): void {
    if (watchers === undefined) return;
    // Not those that join while the others are told.
    let left = Math.min(count, watchers.size);
    for (const watcher of watchers) {
      if (left <= 0) return;
      left -= 1;
      watchers.delete(watcher);
      watcher();
    }
  }

  #of({ tenant, name }: Box): Waiting | undefined {
    return this.#waiting.get(tenant.name)?.get(name);
  }
}
