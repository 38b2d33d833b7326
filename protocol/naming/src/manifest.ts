import { type Address, isAddress } from './address.ts';
import { canonicalJson } from './canonical-json.ts';
import { type EntryPath, parseEntryPath } from './entry-path.ts';
import { refuse } from './refuse.ts';

/** One file of a bundle. */
export interface ManifestEntry {
  readonly path: EntryPath;
  readonly address: Address;
  /** Bytes of the content, at most 2^53−1. */
  readonly size: number;
  /** Media type as sent in `Content-Type`: at most 255 characters of printable ASCII. */
  readonly mime: string;
}

/** What the publisher says about the bundle as a whole; part of its address. */
export type ManifestMeta = Readonly<Record<string, string>>;

/** A bundle. Its address is the BLAKE3-256 of the bytes of `encodeManifest`. */
export interface Manifest {
  readonly v: 1;
  /** Sorted by path, in UTF-16 code units (the order of `<` on strings and of RFC 8785 member names). */
  readonly entries: readonly ManifestEntry[];
  readonly meta?: ManifestMeta;
}

/** An entry before its texts are checked. */
export type ManifestEntryInput = {
  readonly path: string;
  readonly address: string;
  readonly size: number;
  readonly mime: string;
};

export const manifestEntriesMax = 100_000;
/** Bytes of an encoded manifest. It is parsed in memory, so this bounds the memory of a reader. */
export const manifestBytesMax = 32 * 1024 * 1024;
export const manifestMetaKeysMax = 32;
/** UTF-16 code units of one meta value. */
export const manifestMetaValueMax = 1024;

const mimePattern = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(; ?[a-z0-9-]+=([A-Za-z0-9!#$&^_.+-]+|"[ !#-[\]-~]*"))*$/;
const metaKeyPattern = /^[a-z][a-z0-9._-]{0,63}$/;
const entryKeys = new Set(['path', 'address', 'size', 'mime']);

/** Sorts, checks and encodes. Refuses (`bad_request`) bad fields, a path twice, and a file that is also a folder. */
export function encodeManifest(entries: Iterable<ManifestEntryInput>, meta?: ManifestMeta): Uint8Array {
  const sorted = [...entries].sort((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0));
  const manifest = checkManifest({ v: 1, entries: sorted, ...(meta === undefined ? {} : { meta }) });
  const bytes = new TextEncoder().encode(encodeChecked(manifest));
  if (bytes.byteLength > manifestBytesMax) refuseBytes();
  return bytes;
}

/**
 * Accepts exactly the bytes that `encodeManifest` makes, so one bundle has one address: anything unsorted, repeated,
 * unknown or written in another way is refused with `bad_request`.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  if (bytes.byteLength > manifestBytesMax) refuseBytes();
  const { text, value } = decode(bytes);
  const manifest = checkManifest(value);
  // Catches repeated members, spaces, other number and string spellings: JSON.parse forgives all of them.
  if (encodeChecked(manifest) !== text) refuse('manifest.canonical', 'a manifest is canonical JSON (RFC 8785)');
  return manifest;
}

/** The entry of exactly this path, by binary search. */
export function findEntry(manifest: Manifest, path: string): ManifestEntry | undefined {
  let low = 0;
  let high = manifest.entries.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const entry = manifest.entries[middle]!;
    if (entry.path === path) return entry;
    if (entry.path < path) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/**
 * The entry that a web site serves for a path: itself, or `index.html` of the folder that it names (`''` is the root;
 * one trailing slash is allowed). When the result's path is not the asked one and there was no trailing slash, a
 * server redirects to the path with one, so that relative links work.
 */
export function findEntryOrIndex(manifest: Manifest, path: string): ManifestEntry | undefined {
  if (path !== '' && !path.endsWith('/')) {
    return findEntry(manifest, path) ?? findEntry(manifest, `${path}/index.html`);
  }
  return findEntry(manifest, `${path}index.html`);
}

function refuseBytes(): never {
  refuse('manifest.bytes', `a manifest has at most ${manifestBytesMax} bytes`);
}

function decode(bytes: Uint8Array): { readonly text: string; readonly value: unknown } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch {
    return refuse('manifest.json', 'a manifest is JSON in UTF-8');
  }
}

function checkManifest(value: unknown): Manifest {
  if (!isRecord(value)) refuse('manifest.shape', 'a manifest is an object');
  for (const key of Object.keys(value)) {
    if (key !== 'v' && key !== 'entries' && key !== 'meta') refuse('manifest.field', 'a manifest has an unknown field');
  }
  if (value.v !== 1) refuse('manifest.version', 'a manifest has "v":1');
  if (!Array.isArray(value.entries)) refuse('manifest.shape', 'a manifest has a list of entries');
  if (value.entries.length > manifestEntriesMax) {
    refuse('manifest.entries', `a manifest has at most ${manifestEntriesMax} entries`);
  }
  const entries = value.entries.map(checkEntry);
  checkOrder(entries);
  return Object.hasOwn(value, 'meta') ? { v: 1, entries, meta: checkMeta(value.meta) } : { v: 1, entries };
}

function checkEntry(value: unknown): ManifestEntry {
  if (!isRecord(value)) refuse('manifest.shape', 'an entry is an object');
  const keys = Object.keys(value);
  if (keys.length !== entryKeys.size || !keys.every((key) => entryKeys.has(key))) {
    refuse('manifest.field', 'an entry has exactly path, address, size and mime');
  }
  const { path, address, size, mime } = value;
  if (typeof path !== 'string') refuse('manifest.shape', 'the path of an entry is a string');
  if (!isAddress(address)) refuse('address', 'an address is "b3:" and 64 lower-case hex digits');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    refuse('manifest.size', 'the size of an entry is a whole number of bytes, at most 2^53-1');
  }
  if (typeof mime !== 'string' || mime.length > 255 || !mimePattern.test(mime)) {
    refuse('manifest.mime', 'the mime of an entry is a lower-case media type of at most 255 characters');
  }
  return { path: parseEntryPath(path), address, size, mime };
}

function checkOrder(entries: readonly ManifestEntry[]): void {
  const paths = new Set<string>();
  let previous = '';
  for (const { path } of entries) {
    if (path === previous) refuse('manifest.duplicate', 'a path stands in a manifest once');
    if (path < previous) refuse('manifest.order', 'entries are sorted by path, in UTF-16 code units');
    previous = path;
    paths.add(path);
  }
  // A file sorts before anything inside a folder of its name, so all its rivals come later: one look-up per folder.
  for (const { path } of entries) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      if (paths.has(path.slice(0, slash))) refuse('manifest.folder', 'a path is a file or a folder, not both');
    }
  }
}

function checkMeta(value: unknown): ManifestMeta {
  if (!isRecord(value)) refuse('manifest.meta', 'meta is an object');
  const members = Object.entries(value);
  if (members.length > manifestMetaKeysMax) refuse('manifest.meta', `meta has at most ${manifestMetaKeysMax} members`);
  const checked: Record<string, string> = {};
  for (const [key, member] of members) {
    if (!metaKeyPattern.test(key))
      refuse('manifest.meta', 'a meta key is 1 to 64 of [a-z0-9._-] and begins with a letter');
    if (typeof member !== 'string' || member.length > manifestMetaValueMax) {
      refuse('manifest.meta', `a meta value is a string of at most ${manifestMetaValueMax} characters`);
    }
    checked[key] = member;
  }
  return checked;
}

/** `canonicalJson` of the manifest, without its general walk over the entries. */
function encodeChecked(manifest: Manifest): string {
  const entries = manifest.entries.map(
    ({ address, mime, path, size }) =>
      `{"address":"${address}","mime":${JSON.stringify(mime)},"path":${JSON.stringify(path)},"size":${size}}`,
  );
  const meta = manifest.meta === undefined ? '' : `,"meta":${canonicalJson(manifest.meta)}`;
  return `{"entries":[${entries.join(',')}]${meta},"v":1}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
