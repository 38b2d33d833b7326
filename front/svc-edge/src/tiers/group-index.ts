import type { DiskEntry } from './segment.ts';

/** Where each group on disk lies, by address and place. */
export class GroupIndex {
  readonly #byAddress = new Map<string, Map<number, DiskEntry>>();
  #entries = 0;
  #bytes = 0;

  get entries(): number {
    return this.#entries;
  }

  /** Of groups that can be read. */
  get bytes(): number {
    return this.#bytes;
  }

  get(address: string, index: number): DiskEntry | undefined {
    return this.#byAddress.get(address)?.get(index);
  }

  /** All of one object, as they are now. */
  allOf(address: string): readonly DiskEntry[] {
    return [...(this.#byAddress.get(address)?.values() ?? [])];
  }

  /** What has this place already must have been forgotten. */
  add(entry: DiskEntry): void {
    const groups = this.#byAddress.get(entry.address) ?? new Map<number, DiskEntry>();
    this.#byAddress.set(entry.address, groups.set(entry.index, entry));
    this.#entries += 1;
    this.#bytes += entry.lengthBytes;
  }

  /** Also of its segment. Without effect on what has its place now, or is not here. */
  forget(entry: DiskEntry): void {
    const groups = this.#byAddress.get(entry.address);
    entry.segment.entries.delete(entry);
    if (groups?.get(entry.index) !== entry) return;
    groups.delete(entry.index);
    if (groups.size === 0) this.#byAddress.delete(entry.address);
    this.#entries -= 1;
    this.#bytes -= entry.lengthBytes;
  }

  clear(): void {
    this.#byAddress.clear();
    this.#entries = 0;
    this.#bytes = 0;
  }
}
