import type { Disk } from '@ron/kernel';

/** Undefined when there is no file; refuses more than `bytesMax`. */
export async function readWholeFile(disk: Disk, path: string, bytesMax: number): Promise<Uint8Array | undefined> {
  const stat = await disk.stat(path);
  if (stat === undefined) return undefined;
  if (stat.kind !== 'file') throw new Error(`${path} is not a regular file`);
  if (stat.sizeBytes > bytesMax) throw new Error(`${path} is larger than ${bytesMax} bytes`);
  await using file = await disk.open(path, 'read');
  const bytes = new Uint8Array(await file.size());
  const read = await file.read(bytes, 0);
  return bytes.subarray(0, read);
}

/**
 * Replaces a file so that after any crash either the old or the new content is there, whole: temporary file, sync,
 * rename, sync of the folder. The `.tmp` of an earlier crash is removed first.
 */
export async function replaceWholeFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write([bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(folderOf(path));
}

export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}
