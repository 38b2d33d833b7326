import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BundleEntry } from '@ron/app-sdk';
import type { RemoteFolder } from '../remote/bundle.ts';
import type { Session } from '../session.ts';
import { lazyFile } from './lazy-file.ts';
import { partPath } from './part-file.ts';
import { writeWhole } from './whole-file.ts';

/** Files under way at once. */
const parallel = 16;

export interface SavedFolder {
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already, with the right content. */
  readonly unchanged: number;
}

/** Writes a bundle into a folder. Files that have the right content already are left alone, so it can be repeated. */
export async function saveFolder(session: Session, folder: RemoteFolder, destination: string): Promise<SavedFolder> {
  using progress = session.progress('get');
  const totalBytes = folder.entries.reduce((sum, { size }) => sum + size, 0);
  const folders = new Set(folder.entries.map(({ path }) => dirname(join(destination, path))));
  for (const path of [destination, ...folders]) await mkdir(path, { recursive: true });
  const queue = folder.entries.values();
  let [bytes, unchanged] = [0, 0];
  const failed = new AbortController();
  const worker = async () => {
    for (const entry of queue) {
      if (failed.signal.aborted || session.signal.aborted) return;
      const path = join(destination, entry.path);
      if (await isThere(session, path, entry)) unchanged += 1;
      else await save(folder, entry, path);
      bytes += entry.size;
      progress.update(bytes, totalBytes);
    }
  };
  const guarded = () =>
    worker().catch((thrown) => {
      failed.abort();
      throw thrown;
    });
  const ended = await Promise.allSettled(Array.from({ length: Math.min(parallel, folder.entries.length) }, guarded));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  session.signal.throwIfAborted();
  return { files: folder.entries.length, bytes, unchanged };
}

async function isThere({ client }: Session, path: string, entry: BundleEntry): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined || !found.isFile() || found.size !== entry.size) return false;
  return (await client.blobs.address(lazyFile(path, found.size))) === entry.address;
}

/** Paths of manifests are checked when they are parsed: relative, without `..`. */
async function save(folder: RemoteFolder, entry: BundleEntry, path: string): Promise<void> {
  const reply = await folder.read(entry);
  await writeWhole(reply.stream, partPath(path, entry.address), path);
}
