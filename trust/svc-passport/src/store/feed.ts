import type { RevocationEntry, RevocationPage } from '@ron/proto/capability';
import { type Meta, type NewRevocation, revocationKey } from './records.ts';

/** As `RevocationPage` says. */
const pageMax = 1_000;

/** The revocations in force, by their number. A copy of what the table holds, made after it is there. */
export class RevocationFeed {
  /** In the order of `seq`: an entry that takes the place of another goes to the end. */
  readonly #entries = new Map<string, RevocationEntry>();
  readonly #listeners = new Set<(entries: readonly RevocationEntry[]) => void>();
  readonly #life: () => string;
  #seq: number;
  /** Of the newest entry that was dropped. */
  #floor: number;

  constructor(entries: Iterable<RevocationEntry>, life: () => string, { seq, floor }: Pick<Meta, 'seq' | 'floor'>) {
    this.#life = life;
    for (const entry of [...entries].sort((a, b) => a.seq - b.seq)) this.#entries.set(revocationKey(entry), entry);
    this.#seq = seq;
    this.#floor = floor;
  }

  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#entries.size;
  }

  holds(revocation: NewRevocation): boolean {
    return this.#entries.has(revocationKey(revocation));
  }

  entries(): Iterable<RevocationEntry> {
    return this.#entries.values();
  }

  /** Listeners have heard of the entries when it returns. */
  add(entries: readonly RevocationEntry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) {
      const key = revocationKey(entry);
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      this.#seq = Math.max(this.#seq, entry.seq);
    }
    for (const listener of this.#listeners) listener(entries);
  }

  drop(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) {
      const key = revocationKey(entry);
      if (this.#entries.get(key)?.seq === entry.seq) this.#entries.delete(key);
      this.#floor = Math.max(this.#floor, entry.seq);
    }
  }

  watch(listener: (entries: readonly RevocationEntry[]) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /**
   * What came after `since`, at most 1,000 entries. All that is in force (`full`, its first page) for who begins, who
   * has heard of more than there is (the store is an older copy), and who stopped before an entry that is gone and
   * holds no entry that is still here: paging through a full list is no new beginning.
   */
  page(since: number): RevocationPage {
    const full =
      since === 0 || since > this.#seq || (since < this.#floor && ![...this.#entries.values()].some(at(since)));
    const after = full ? 0 : since;
    const entries: RevocationEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.seq > after) entries.push(entry);
      if (entries.length === pageMax) break;
    }
    // At the end of what there is, also past entries that are gone: who follows has then heard everything.
    const seq = entries.length === pageMax ? entries.at(-1)!.seq : this.#seq;
    return { seq, entries, feed: this.#life(), ...(full ? { full: true as const } : {}) };
  }
}

function at(seq: number): (entry: RevocationEntry) => boolean {
  return (entry) => entry.seq === seq;
}
