import { RonError } from '@ron/proto/errors';
import { encodeBundle, hashBytes, parseBundle, sameHash, type TileName, tileWidth } from '@ron/tlog';
import { treeHasher } from './hashing.ts';
import type { StoredEntry } from './log.ts';
import type { LogTree } from './log-tree.ts';
import type { AuditStore, StoredBundle } from './store/store.ts';

/** Bundles that one flush stores: they share the syncs of their folders. */
const bundlesPerFlushMax = 16;

/** Durable entries: full bundles in the store, the rest in memory. */
export class LogBody {
  readonly tree: LogTree;
  readonly #store: AuditStore;
  /** From `#tailStart`, a multiple of 256, on. */
  readonly #tail: Uint8Array[];
  #tailStart: number;

  /** `tree` already holds the tail. */
  constructor(store: AuditStore, tree: LogTree, tail: readonly Uint8Array[]) {
    this.#store = store;
    this.tree = tree;
    this.#tail = [...tail];
    this.#tailStart = tree.size - tail.length;
  }

  get size(): number {
    return this.tree.size;
  }

  /** Full bundles that are in memory (and wherever `append` of the store keeps them) only. */
  get unstoredBundles(): number {
    return Math.floor(this.#tail.length / tileWidth);
  }

  get storedBundles(): number {
    return this.#tailStart / tileWidth;
  }

  get keptFrom(): number {
    return this.#store.bundlesFrom * tileWidth;
  }

  append(entry: Uint8Array, leafHash: Uint8Array): void {
    this.#tail.push(entry);
    this.tree.append(leafHash);
  }

  /** Stores at most 16 full bundles and the tiles that they complete. One call at a time. */
  async flush(): Promise<void> {
    const count = Math.min(bundlesPerFlushMax, this.unstoredBundles);
    const end = this.#tailStart + count * tileWidth;
    const tiles = this.tree.unstored(end);
    if (count === 0 && tiles.length === 0) return;
    const bundles: StoredBundle[] = [];
    for (let at = 0; at < count; at += 1) {
      const bytes = encodeBundle(this.#tail.slice(at * tileWidth, (at + 1) * tileWidth));
      bundles.push({ number: this.storedBundles + at, bytes });
    }
    await this.#store.putTiles(bundles, tiles);
    this.tree.stored(tiles);
    this.#tail.splice(0, count * tileWidth);
    this.#tailStart = end;
  }

  /** See `AuditLog.read`. */
  async read(from: number, to: number): Promise<readonly StoredEntry[]> {
    const end = Math.min(to, from + tileWidth, this.size);
    const found: StoredEntry[] = [];
    for (let start = from; start < end; ) {
      const number = Math.floor(start / tileWidth);
      const stop = Math.min(end, (number + 1) * tileWidth);
      const [hashes, entries] = [await this.tree.tile(0, number), await this.#bundle(number)];
      for (let index = start; index < stop; index += 1) {
        found.push(this.#checked(index, hashes, entries));
      }
      start = stop;
    }
    return found;
  }

  #checked(index: number, hashes: Uint8Array | undefined, entries: readonly Uint8Array[] | undefined): StoredEntry {
    const at = index % tileWidth;
    const leafHash = hashes?.slice(at * hashBytes, (at + 1) * hashBytes);
    const entry = entries?.[at];
    const kept = entry !== undefined || (entries === undefined && index < this.keptFrom);
    const fits = entry === undefined || (leafHash !== undefined && sameHash(treeHasher.leaf(entry), leafHash));
    if (leafHash?.byteLength === hashBytes && kept && fits) return { index, leafHash, entry };
    throw new RonError('integrity', `audit entry ${index} is damaged or lost`, { details: { index } });
  }

  /** Entries of a bundle that there are so far; undefined when they are not there (any more). */
  async #bundle(number: number): Promise<readonly Uint8Array[] | undefined> {
    if (number >= this.storedBundles) {
      const start = number * tileWidth - this.#tailStart;
      return this.#tail.slice(start, start + tileWidth);
    }
    const bytes = await this.#store.readBundle(number);
    if (bytes === undefined) return undefined;
    try {
      return parseBundle(bytes);
    } catch (cause) {
      const index = number * tileWidth;
      throw new RonError('integrity', `the bundle of audit entry ${index} is damaged`, { cause, details: { index } });
    }
  }

  /** See `AuditLog.tile`. */
  async tile({ level, number, width }: TileName): Promise<Uint8Array | undefined> {
    if (level !== 'entries') {
      const tile = await this.tree.tile(level, number);
      return tile !== undefined && tile.byteLength >= width * hashBytes ? tile.slice(0, width * hashBytes) : undefined;
    }
    const start = number * tileWidth;
    if (start + width > this.size) return undefined;
    const entries = (await this.read(start, start + width)).map(({ entry }) => entry);
    return entries.includes(undefined) ? undefined : encodeBundle(entries as Uint8Array[]);
  }
}
