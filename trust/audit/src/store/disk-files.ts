import type { Disk } from '@ron/kernel';
import { parseTilePath, tilePath, tileWidth } from '@ron/tlog';
import { StoreError } from './store.ts';

/** Larger than a full bundle of the largest entries, 256 · (2 + 65,535). */
const fileBytesMax = 17 * 1024 * 1024;

export async function readFile(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  if ((await disk.stat(path))?.kind !== 'file') return undefined;
  await using file = await disk.open(path, 'read');
  const bytes = new Uint8Array(Math.min(await file.size(), fileBytesMax));
  return bytes.subarray(0, await file.read(bytes, 0));
}

/** The file appears whole or not at all; durable after `syncDirectory` of its folder. */
export async function writeFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  await disk.remove(temporary);
  try {
    await using file = await disk.open(temporary, 'create');
    await file.write([bytes], 0);
    await file.sync();
  } catch (error) {
    // What is left of it has no name that anybody reads, and the next write of this file removes it.
    await disk.remove(temporary).catch((cause: unknown) => refuseStore(cause));
    throw error;
  }
  await disk.rename(temporary, path);
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

export function tileFile(folder: string, level: number | 'entries', number: number): string {
  return `${folder}/tile/${tilePath({ level, number, width: tileWidth })}`;
}

/** Numbers of the full tiles (or bundles) that are there, ascending. */
export async function listTiles(disk: Disk, folder: string, level: number | 'entries'): Promise<number[]> {
  const numbers: number[] = [];
  const walk = async (path: string): Promise<void> => {
    for (const name of await disk.list(`${folder}/tile/${path}`)) {
      const inside = `${path}/${name}`;
      if (/^x[0-9]{3}$/.test(name)) await walk(inside);
      else {
        const tile = parseTilePath(inside);
        if (tile?.width === tileWidth) numbers.push(tile.number);
      }
    }
  };
  await walk(String(level));
  return numbers.sort((a, b) => a - b);
}

/** No space, no quota, no descriptor: a later try may succeed. Everything else ends writing. */
export function refuseStore(cause: unknown): never {
  if (cause instanceof StoreError) throw cause;
  const code = String((cause as { code?: unknown } | undefined)?.code);
  const full = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'].includes(code);
  if (full) throw new StoreError('full', 'the audit disk is full', cause);
  throw new StoreError('failed', `a write of the audit log failed (${code}); it is read-only now`, cause);
}
