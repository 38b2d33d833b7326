import { RonError } from '@ron/proto/errors';
import {
  Frontier,
  type HashReader,
  hashBytes,
  subtreeRoot,
  tileHashReader,
  tileWidth,
  treeSizeMax,
  widthOfTile,
} from '@ron/tlog';
import { treeHasher } from './hashing.ts';
import type { StoredTile } from './store/store.ts';

type ReadTile = (level: number, number: number) => Promise<Uint8Array | undefined>;

/** Levels of tiles that a tree of 2^53 entries has. */
const levelsMax = Math.ceil(Math.log2(treeSizeMax) / 8);

/** The hashes of a growing log: the right edge in memory, full tiles wherever `readTile` finds them. */
export class LogTree {
  readonly #frontier = new Frontier(treeHasher);
  readonly #readTile: ReadTile;
  /** Of each level, the hashes of the tile that is not full yet. */
  readonly #edges: Uint8Array[][] = [];
  /** Full tiles that are not stored yet. */
  readonly #unstored = new Map<string, StoredTile>();
  /** Any hash of the tree so far. Rejects with `integrity` when its tile is missing or too short. */
  readonly hashes: HashReader;

  constructor(readTile: ReadTile) {
    this.#readTile = readTile;
    this.hashes = tileHashReader(async (level, number, width) => {
      const tile = await this.tile(level, number);
      if (tile !== undefined && tile.byteLength >= width * hashBytes) return tile;
      const index = number * tileWidth ** (level + 1);
      throw new RonError('integrity', `the audit log lost hash tile ${level}/${number}`, { details: { index } });
    }, treeHasher);
  }

  /** The tree over the first `tiles` full tiles of level 0. Tiles above them that are missing are made again. */
  static async restore(readTile: ReadTile, tiles: number): Promise<LogTree> {
    const tree = new LogTree(readTile);
    const hashesOf = (level: number) => Math.floor(tiles / tileWidth ** (level - 1));
    for (let level = 1; level <= levelsMax; level += 1) {
      await tree.#restoreTiles(level, Math.floor(hashesOf(level) / tileWidth));
    }
    for (let level = levelsMax; level >= 1; level -= 1) {
      const hashes = hashesOf(level);
      for (let at = hashes - (hashes % tileWidth); at < hashes; at += 1) {
        const root = await tree.#rootOf(level - 1, at);
        tree.#edge(level).push(root);
        tree.#frontier.appendSubtree(level * 8, root);
      }
    }
    return tree;
  }

  get size(): number {
    return this.#frontier.size;
  }

  root(): Uint8Array {
    return this.#frontier.root();
  }

  append(leafHash: Uint8Array): void {
    this.#frontier.append(leafHash, ({ level }, hash) => {
      if (level % 8 !== 0) return;
      const edge = this.#edge(level / 8);
      edge.push(hash);
      if (edge.length < tileWidth) return;
      const hashes = this.#frontier.size / 2 ** level;
      this.#keep({ level: level / 8, number: hashes / tileWidth - 1, bytes: joined(edge) });
      edge.length = 0;
    });
  }

  /** The hashes of a tile that there are so far; undefined when there are none, or they are lost. */
  async tile(level: number, number: number): Promise<Uint8Array | undefined> {
    const width = widthOfTile(level, number, this.size);
    if (width === 0) return undefined;
    if (width < tileWidth) return joined(this.#edge(level).slice(0, width));
    return this.#unstored.get(`${level}/${number}`)?.bytes ?? (await this.#readTile(level, number));
  }

  /** Full tiles that wait to be stored, over entries below `end`, lowest level first. */
  unstored(end: number): readonly StoredTile[] {
    return [...this.#unstored.values()]
      .filter(({ level, number }) => (number + 1) * tileWidth ** (level + 1) <= end)
      .sort((a, b) => a.level - b.level || a.number - b.number);
  }

  stored(tiles: readonly StoredTile[]): void {
    for (const { level, number } of tiles) this.#unstored.delete(`${level}/${number}`);
  }

  #keep(tile: StoredTile): void {
    this.#unstored.set(`${tile.level}/${tile.number}`, tile);
  }

  #edge(level: number): Uint8Array[] {
    while (this.#edges.length <= level) this.#edges.push([]);
    return this.#edges[level] as Uint8Array[];
  }

  /** After a crash between two levels the upper one is missing: at most the last ones of each level. */
  async #restoreTiles(level: number, count: number): Promise<void> {
    for (let number = count - 1; number >= 0; number -= 1) {
      if ((await this.#readTile(level, number)) !== undefined) return;
      const hashes: Uint8Array[] = [];
      for (let at = 0; at < tileWidth; at += 1) hashes.push(await this.#rootOf(level - 1, number * tileWidth + at));
      this.#keep({ level, number, bytes: joined(hashes) });
    }
  }

  async #rootOf(level: number, number: number): Promise<Uint8Array> {
    const tile = this.#unstored.get(`${level}/${number}`)?.bytes ?? (await this.#readTile(level, number));
    if (tile?.byteLength === tileWidth * hashBytes) return subtreeRoot(tile, 0, tileWidth, treeHasher);
    throw new RonError('integrity', `hash tile ${level}/${number} is missing or too short`);
  }
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * hashBytes);
  for (const [at, hash] of hashes.entries()) bytes.set(hash, at * hashBytes);
  return bytes;
}
