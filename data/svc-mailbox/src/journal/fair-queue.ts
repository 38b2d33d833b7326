export interface FairItem {
  readonly tenant: string;
  /** Bytes of work; at least 1. */
  readonly cost: number;
}

interface Lane<T> {
  items: T[];
  /** Index of the next item: shifting an array moves all of it. */
  next: number;
  deficit: number;
}

/** What a tenant may take in one turn. */
export const quantum = 65_536;

/**
 * Deficit round robin (Shreedhar & Varghese 1995) between tenants: whoever has much waiting gets one quantum a turn,
 * like everybody else, and waits longer only for itself.
 */
export class FairQueue<T extends FairItem> {
  readonly #itemsPerTenantMax: number;
  readonly #itemsMax: number;
  /** Tenants with something to do, in the order of their turns. */
  readonly #lanes = new Map<string, Lane<T>>();
  /** The tenant whose turn a full batch interrupted. */
  #interrupted: string | undefined;
  #size = 0;

  constructor(itemsPerTenantMax: number, itemsMax: number) {
    this.#itemsPerTenantMax = itemsPerTenantMax;
    this.#itemsMax = itemsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** False: too many wait, for this tenant or in all. */
  push(item: T): boolean {
    const lane = this.#lanes.get(item.tenant);
    if (this.#size >= this.#itemsMax) return false;
    if (lane === undefined) this.#lanes.set(item.tenant, { items: [item], next: 0, deficit: 0 });
    else if (lane.items.length - lane.next >= this.#itemsPerTenantMax) return false;
    else lane.items.push(item);
    this.#size += 1;
    return true;
  }

  /** The next items, up to this cost in all and this many; at least one when there is one. */
  take(costMax: number, countMax: number): T[] {
    const taken: T[] = [];
    let cost = 0;
    for (const [tenant, lane] of this.#lanes) {
      if (this.#interrupted !== tenant) lane.deficit += quantum;
      this.#interrupted = undefined;
      let item = lane.items[lane.next];
      while (item !== undefined && item.cost <= lane.deficit) {
        if (taken.length >= countMax || (taken.length > 0 && cost + item.cost > costMax)) {
          this.#interrupted = tenant;
          return taken;
        }
        lane.deficit -= item.cost;
        cost += item.cost;
        taken.push(item);
        this.#size -= 1;
        lane.next += 1;
        item = lane.items[lane.next];
      }
      // The live iteration comes to it again after the others.
      this.#lanes.delete(tenant);
      if (item !== undefined) this.#lanes.set(tenant, trimmed(lane));
    }
    return taken;
  }
}

function trimmed<T>(lane: Lane<T>): Lane<T> {
  return lane.next < 1_024 ? lane : { items: lane.items.slice(lane.next), next: 0, deficit: lane.deficit };
}
