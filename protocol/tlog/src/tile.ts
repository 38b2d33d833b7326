import { RonError } from '@ron/proto/errors';
import type { TreeNode } from './frontier.ts';
import type { HashReader } from './proof.ts';
import { hashBytes, type TreeHasher, treeHasher } from './tree-hash.ts';

/** Levels of the tree in one tile (c2sp.org/tlog-tiles). */
const tileHeight = 8;
/** Hashes of a full tile, entries of a full bundle. */
export const tileWidth = 256;
/** Bytes of one entry: its length is 16 bits. */
export const tileEntryBytesMax = 65_535;

export interface TileName {
  /** `entries`: a bundle of the entries under the tile of that number at level 0. */
  readonly level: number | 'entries';
  readonly number: number;
  /** 1 to 256; below 256 it is a partial tile. */
  readonly width: number;
}

/** `0/x001/234`, `entries/005.p/17`: below `tile/`. */
export function tilePath({ level, number, width }: TileName): string {
  const groups: string[] = [];
  let rest = number;
  do {
    groups.unshift(String(rest % 1_000).padStart(3, '0'));
    rest = Math.floor(rest / 1_000);
  } while (rest > 0);
  const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
  return `${level}/${path}${width < tileWidth ? `.p/${width}` : ''}`;
}

const pathPattern = /^(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Undefined for what is not the one path of a tile. */
export function parseTilePath(path: string): TileName | undefined {
  const [, level, number, width] = pathPattern.exec(path) ?? [];
  if (level === undefined || number === undefined) return undefined;
  const name = {
    level: level === 'entries' ? level : Number(level),
    number: Number(number.replaceAll(/[x/]/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  } as const;
  // One name for one tile: no leading `x000`, no partial tile of full width.
  return Number.isSafeInteger(name.number) && tilePath(name) === path ? name : undefined;
}

/** Hashes of the tile at that level and number in a tree of `size`; 0 when it has none. */
export function widthOfTile(level: number, number: number, size: number): number {
  const hashes = Math.floor(size / tileWidth ** level) - number * tileWidth;
  return Math.max(0, Math.min(tileWidth, hashes));
}

export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.byteLength, 0));
  const view = new DataView(bundle.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.byteLength > tileEntryBytesMax) throw new RangeError('an entry has at most 65,535 bytes');
    view.setUint16(at, entry.byteLength);
    bundle.set(entry, at + 2);
    at += 2 + entry.byteLength;
  }
  return bundle;
}

/** Views into `bundle`. Refuses (`bad_request`) bytes that do not end with an entry, and more than 256 entries. */
export function parseBundle(bundle: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.byteLength) {
    const start = at + 2;
    const end = start <= bundle.byteLength ? start + view.getUint16(at) : Number.POSITIVE_INFINITY;
    if (end > bundle.byteLength || entries.length === tileWidth) {
      throw new RonError('bad_request', 'the bytes are no entry bundle');
    }
    entries.push(bundle.subarray(start, end));
    at = end;
  }
  return entries;
}

/** The hashes of one tile, 32 bytes each, as many as there are and at least `width`. */
export type TileReader = (level: number, number: number, width: number) => Promise<Uint8Array>;

/** Any hash of the tree from its tiles: each tile is read once a call, the levels inside it are computed. */
export function tileHashReader(readTile: TileReader, hasher: TreeHasher = treeHasher): HashReader {
  return async (nodes) => {
    const places = nodes.map(placeOf);
    const widths = new Map<string, { readonly level: number; readonly number: number; width: number }>();
    for (const { key, level, number, end } of places) {
      const wanted = widths.get(key);
      if (wanted === undefined) widths.set(key, { level, number, width: end });
      else wanted.width = Math.max(wanted.width, end);
    }
    const tiles = new Map<string, Uint8Array>();
    for (const [key, { level, number, width }] of widths) {
      const tile = await readTile(level, number, width);
      if (tile.byteLength < width * hashBytes) throw new RonError('integrity', `the tile ${key} is too short`);
      tiles.set(key, tile);
    }
    return places.map(({ key, start, end }) => subtreeRoot(tiles.get(key) as Uint8Array, start, end, hasher));
  };
}

function placeOf({ level, index }: TreeNode) {
  const tileLevel = Math.floor(level / tileHeight);
  const hashes = 2 ** (level % tileHeight);
  const first = index * hashes;
  const number = Math.floor(first / tileWidth);
  const start = first % tileWidth;
  return { key: `${tileLevel}/${number}`, level: tileLevel, number, start, end: start + hashes };
}

/** The root over hashes [start, end) of a tile, a power of two of them. */
export function subtreeRoot(tile: Uint8Array, start: number, end: number, hasher: TreeHasher = treeHasher): Uint8Array {
  let row: Uint8Array[] = [];
  for (let at = start; at < end; at += 1) row.push(tile.slice(at * hashBytes, (at + 1) * hashBytes));
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at < row.length; at += 2)
      above.push(hasher.node(row[at] as Uint8Array, row[at + 1] as Uint8Array));
    row = above;
  }
  return row[0] as Uint8Array;
}
