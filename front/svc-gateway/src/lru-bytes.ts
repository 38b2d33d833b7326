/** A map bounded by the sum of its entries' weights; the least recently used ones make room. */
export class LruBytes<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly weight: number }>();
  #total = 0;

  /** Sum of the weights held. */
  get totalBytes(): number {
    return this.#total;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** An entry heavier than `bytesMax` is not kept. */
  set(key: string, value: V, weight: number, bytesMax: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) {
      this.#entries.delete(key);
      this.#total -= before.weight;
    }
    if (weight <= bytesMax) {
      this.#entries.set(key, { value, weight });
      this.#total += weight;
    }
    for (const [oldest, { weight: freed }] of this.#entries) {
      if (this.#total <= bytesMax) return;
      this.#entries.delete(oldest);
      this.#total -= freed;
    }
  }
}
