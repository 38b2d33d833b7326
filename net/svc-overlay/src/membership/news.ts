import type { NodeId } from '@ron/proto/network';
import type { Update } from '@ron/proto/overlay';

/** Members with news that is still passed on; the news that was passed on most makes place. */
export const newsMax = 4_096;

interface Item {
  readonly update: Update;
  sends: number;
}

/**
 * What is passed on with probes: the latest about each member, what was never sent first, each `sendsMax` times. Urgent news also waits to be
 * pushed once to a few members without waiting for their turn.
 */
export class News {
  readonly #sendsMax: () => number;
  /** Never sent. */
  readonly #fresh = new Map<NodeId, Item>();
  /** Sent before; the one sent longest ago first. */
  readonly #sent = new Map<NodeId, Item>();
  readonly #urgent = new Map<NodeId, Update>();
  readonly #onUrgent: () => void;

  constructor(sendsMax: () => number, onUrgent: () => void) {
    this.#sendsMax = sendsMax;
    this.#onUrgent = onUrgent;
  }

  get size(): number {
    return this.#fresh.size + this.#sent.size;
  }

  get urgent(): number {
    return this.#urgent.size;
  }

  put(id: NodeId, update: Update, isUrgent: boolean): void {
    this.#sent.delete(id);
    this.#fresh.delete(id);
    if (this.size >= newsMax) this.#dropOldest();
    this.#fresh.set(id, { update, sends: 0 });
    if (!isUrgent) {
      this.#urgent.delete(id);
      return;
    }
    if (this.#urgent.size < newsMax) this.#urgent.set(id, update);
    this.#onUrgent();
  }

  drop(id: NodeId): void {
    this.#fresh.delete(id);
    this.#sent.delete(id);
    this.#urgent.delete(id);
  }

  /** Somebody else says the same: it needs to be passed on less often (after Demers and others 1987: feedback and counters). */
  heardAgain(id: NodeId): void {
    const item = this.#sent.get(id);
    if (item !== undefined && ++item.sends >= this.#sendsMax()) this.#sent.delete(id);
  }

  take(countMax: number): Update[] {
    const taken: Update[] = [];
    const again = Math.min(this.#sent.size, countMax);
    for (const [id, item] of this.#fresh) {
      if (taken.length >= countMax) return taken;
      this.#fresh.delete(id);
      this.#pass(id, item, taken);
    }
    let left = Math.min(again, countMax - taken.length);
    for (const [id, item] of this.#sent) {
      if (left-- <= 0) return taken;
      this.#sent.delete(id);
      this.#pass(id, item, taken);
    }
    return taken;
  }

  takeUrgent(countMax: number): Update[] {
    const taken: Update[] = [];
    for (const [id, update] of this.#urgent) {
      if (taken.length >= countMax) break;
      this.#urgent.delete(id);
      taken.push(update);
    }
    return taken;
  }

  #pass(id: NodeId, item: Item, taken: Update[]): void {
    taken.push(item.update);
    if (++item.sends < this.#sendsMax()) this.#sent.set(id, item);
  }

  #dropOldest(): void {
    for (const items of [this.#sent, this.#fresh]) {
      for (const id of items.keys()) {
        items.delete(id);
        return;
      }
    }
  }
}
