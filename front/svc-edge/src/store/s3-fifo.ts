/** One item's place. `cost` is in bytes. */
interface Place<T> {
  readonly item: T;
  readonly id: number;
  cost: number;
  uses: number;
  queue: Set<Place<T>>;
}

const usesMax = 3;
/** Of the budget, for what has been seen once. */
const smallShare = 0.1;

export interface S3FifoOptions<T> {
  readonly bytesMax: number;
  readonly itemsMax: number;
  onEvict(item: T): void;
}

/**
 * Chooses what leaves when the budget is used up: newcomers wait in a small queue and only those that are asked for
 * again reach the main one, so that a scan pushes out nothing but itself. S3-FIFO: Yang et al., SOSP 2023.
 */
export class S3Fifo<T extends object> {
  readonly #options: S3FifoOptions<T>;
  readonly #places = new Map<T, Place<T>>();
  readonly #small = new Set<Place<T>>();
  readonly #main = new Set<Place<T>>();
  /** Numbers of items that left the small queue unasked, oldest first; at most `itemsMax`. */
  readonly #ghosts = new Set<number>();
  #smallBytes = 0;
  #bytes = 0;

  constructor(options: S3FifoOptions<T>) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#places.size;
  }

  /** `id` tells an item that comes back; two items with one id are harmless. */
  add(item: T, id: number, cost: number): void {
    const known = this.#ghosts.delete(id);
    const queue = known ? this.#main : this.#small;
    const place: Place<T> = { item, id, cost: 0, uses: 0, queue };
    this.#places.set(item, place);
    queue.add(place);
    this.#pay(place, cost);
    this.#evict(place);
  }

  /** False when the item is gone. */
  grow(item: T, bytes: number): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#pay(place, bytes);
    this.#evict(place);
    return this.#places.has(item);
  }

  touch(item: T): void {
    const place = this.#places.get(item);
    if (place !== undefined && place.uses < usesMax) place.uses++;
  }

  remove(item: T): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#drop(place);
    return true;
  }

  #pay(place: Place<T>, bytes: number): void {
    place.cost += bytes;
    this.#bytes += bytes;
    if (place.queue === this.#small) this.#smallBytes += bytes;
  }

  #drop(place: Place<T>): void {
    place.queue.delete(place);
    this.#places.delete(place.item);
    this.#pay(place, -place.cost);
  }

  /** What is being added or grows goes last. */
  #evict(spared: Place<T>): void {
    const { bytesMax, itemsMax } = this.#options;
    while (this.#bytes > bytesMax || this.#places.size > itemsMax) {
      const fromSmall = this.#smallBytes > bytesMax * smallShare || this.#main.size === 0;
      const victim = (fromSmall ? this.#next(this.#small, spared) : undefined) ?? this.#next(this.#main, spared);
      const chosen = victim ?? this.#next(this.#small, spared) ?? spared;
      this.#leave(chosen);
      if (chosen === spared && !this.#places.has(spared.item)) return;
    }
  }

  #next(queue: Set<Place<T>>, spared: Place<T>): Place<T> | undefined {
    for (const place of queue) if (place !== spared) return place;
    return undefined;
  }

  #leave(place: Place<T>): void {
    if (place.uses > 0) {
      // Asked for since it came: another turn, in the main queue.
      place.queue.delete(place);
      if (place.queue === this.#small) {
        this.#smallBytes -= place.cost;
        place.uses = 0;
        place.queue = this.#main;
      } else place.uses--;
      this.#main.add(place);
      return;
    }
    if (place.queue === this.#small) this.#remember(place.id);
    this.#drop(place);
    this.#options.onEvict(place.item);
  }

  #remember(id: number): void {
    this.#ghosts.add(id);
    if (this.#ghosts.size <= this.#options.itemsMax) return;
    for (const oldest of this.#ghosts) {
      this.#ghosts.delete(oldest);
      return;
    }
  }
}
