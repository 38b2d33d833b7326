import type { Disk } from '@ron/kernel';

/** Where LMDB's files lie, as the Disk port sees it. */
export interface LmdbFiles {
  readonly disk: Pick<Disk, 'stat' | 'open'>;
  /** Relative to the port's root. */
  readonly folder: string;
}

/** What lies there is nothing that LMDB may be given: nothing was opened, and nothing was changed. */
export class IndexFileError extends Error {
  override readonly name = 'IndexFileError';
}

/**
 * A meta page of liblmdb as the `lmdb` package brings it (`MDB_page_header`, `MDB_meta` and `MDB_db` in its mdb.c), in the
 * byte order of all machines it runs on: a header of 24 bytes, then magic, version, address, size of the map and two trees
 * of 48 bytes, the first of which begins with the page size. Pages 0 and 1 are meta pages.
 */
const magicAt = 24;
const versionAt = 28;
const pageBytesAt = 48;
const rootsAt = [88, 136] as const;
const metaBytes = 144;
const magic = 0xbeefc0de;
const formatVersion = 2;
const pageBytesRange = [512, 65_536] as const;
/** The root of an empty tree. */
const noPage = 0xffff_ffff_ffff_ffffn;

/**
 * LMDB follows links, and maps what it finds: a file that is shorter than what it says of itself ends the process with a
 * signal as soon as it is read.
 *
 * @throws IndexFileError for links and other things that are no files, for files that are no LMDB data, and for cut ones.
 */
export async function checkLmdbFiles({ disk, folder }: LmdbFiles): Promise<void> {
  const kept = await disk.stat(folder);
  if (kept === undefined) return;
  if (kept.kind !== 'directory') throw new IndexFileError(`${folder} must be a folder, not a link or file`);
  for (const name of ['lock.mdb', 'data.mdb']) {
    const found = await disk.stat(`${folder}/${name}`);
    if (found !== undefined && found.kind !== 'file') {
      throw new IndexFileError(`${folder}/${name} must be a file, not a link or folder`);
    }
    // An empty one is as good as none: its maker died before its first write.
    if (name === 'data.mdb' && found !== undefined && found.sizeBytes > 0) {
      await checkData(disk, `${folder}/${name}`, found.sizeBytes);
    }
  }
}

async function checkData(disk: LmdbFiles['disk'], path: string, sizeBytes: number): Promise<void> {
  await using file = await disk.open(path, 'read');
  const bytes = new Uint8Array(metaBytes);
  const page = new DataView(bytes.buffer);
  let pageBytes = 0;
  for (const at of [0, 1]) {
    const read = file.readSync(bytes, at * pageBytes);
    const known = read === metaBytes && page.getUint32(magicAt, true) === magic;
    if (!known) throw new IndexFileError(`${path} is no index of names, or only a part of one`);
    if ((page.getUint32(versionAt, true) & 0xffff) !== formatVersion) {
      throw new IndexFileError(`${path} has another format than this version reads`);
    }
    pageBytes = page.getUint32(pageBytesAt, true);
    const [least, most] = pageBytesRange;
    const fits = pageBytes >= least && pageBytes <= most && (pageBytes & (pageBytes - 1)) === 0;
    const isWhole = rootsAt.every((rootAt) => isInside(page.getBigUint64(rootAt, true), pageBytes, sizeBytes));
    if (!fits || !isWhole || sizeBytes < 2 * pageBytes) throw new IndexFileError(`${path} is damaged or cut short`);
  }
}

function isInside(root: bigint, pageBytes: number, sizeBytes: number): boolean {
  return root === noPage || (root + 1n) * BigInt(pageBytes) <= BigInt(sizeBytes);
}
