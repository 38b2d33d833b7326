/** Names in code unit order. Adding and removing cost nothing until somebody looks; what was added is then merged in. */
export class SortedNames {
  #sorted: string[] = [];
  #added: string[] = [];
  readonly #removed = new Set<string>();

  add(name: string): void {
    // It may still stand among the sorted.
    if (!this.#removed.delete(name)) this.#added.push(name);
  }

  remove(name: string): void {
    this.#removed.add(name);
    if (this.#removed.size > 64 && this.#removed.size > (this.#sorted.length + this.#added.length) >> 1) this.#merge();
  }

  /** At most `limit` names after `after`. */
  page(after: string | undefined, limit: number): readonly string[] {
    this.#merge();
    const start = after === undefined ? 0 : this.#firstAfter(after);
    return this.#sorted.slice(start, start + limit);
  }

  #merge(): void {
    if (this.#added.length === 0 && this.#removed.size === 0) return;
    const added = this.#added.sort(byCodeUnit);
    const merged: string[] = [];
    let next = 0;
    const take = (name: string) => {
      if (!this.#removed.has(name)) merged.push(name);
    };
    for (const name of this.#sorted) {
      while (next < added.length && byCodeUnit(added[next]!, name) < 0) take(added[next++]!);
      take(name);
    }
    while (next < added.length) take(added[next++]!);
    this.#sorted = merged;
    this.#added = [];
    this.#removed.clear();
  }

  #firstAfter(name: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (byCodeUnit(this.#sorted[middle]!, name) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function byCodeUnit(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
