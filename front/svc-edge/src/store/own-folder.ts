import type { Disk } from '@ron/kernel';

/**
 * Takes a folder for a cache that knows in memory alone what lies in it: files of an earlier life are leftovers and are
 * removed. Resolves with its lock. Rejects with `EBUSY` when another process has the folder, and with whatever else the
 * disk says; the folder is then nobody's.
 */
export async function openOwnFolder(
  disk: Disk,
  folder: string,
  isOwn: (name: string) => boolean,
): Promise<AsyncDisposable> {
  await disk.makeDirectory(folder);
  const lock = await disk.lock(folder);
  try {
    for (const name of await disk.list(folder)) if (isOwn(name)) await disk.remove(`${folder}/${name}`);
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}
