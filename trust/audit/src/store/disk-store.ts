import { type Journal, JournalError, openJournal } from '@ron/journal';
import type { Disk, Env } from '@ron/kernel';
import { encodeBundle } from '@ron/tlog';
import { folderOf, listTiles, readFile, refuseStore, tileFile, writeFile } from './disk-files.ts';
import { type JournalEntries, readJournal } from './journal-entries.ts';
import { type AuditStore, type FoundLog, type StoredBundle, type StoredTile, StoreError } from './store.ts';

export interface DiskStoreOptions {
  readonly env: Pick<Env, 'disk' | 'random'>;
  /** Made when absent; nothing else may live in it. */
  readonly folder: string;
  /** Disk space kept for what must be written when the disk is full. */
  readonly reserveBytes?: number;
  /** Of one file of the journal. Default 16 MiB. */
  readonly segmentBytes?: number;
  /** Disk space is taken in steps of this many bytes. Default 1 MiB. */
  readonly preallocateBytes?: number;
  /** Told of whatever was lost, with an index where one is known. */
  readonly onDamage?: (detail: string) => void;
}

const entriesKind = 1;

/**
 * `checkpoint`, `tile/…` as c2sp.org/tlog-tiles names them, and `journal/` with the entries that fill no bundle yet.
 * A log that is not there yet begins with `first`, its checkpoint of size 0, so that one without a checkpoint is known
 * to have lost it.
 */
export async function openDiskStore(
  options: DiskStoreOptions,
  first: () => Promise<string>,
): Promise<{ readonly store: AuditStore; readonly found: FoundLog; readonly journal: JournalEntries }> {
  const { env, folder } = options;
  const { disk } = env;
  await disk.makeDirectory(folder);
  const lock = await disk.lock(folder);
  try {
    let checkpoint = await readText(options, `${folder}/checkpoint`);
    const checkpointCopy = await readText(options, `${folder}/checkpoint.copy`);
    const names = await disk.list(folder);
    const isNew = checkpoint === undefined && checkpointCopy === undefined;
    if (isNew && !names.includes('journal') && !names.includes('tile')) {
      checkpoint = await first();
      await writeCheckpoint(disk, folder, checkpoint);
    }
    const tiles = await listTiles(disk, folder, 0);
    const bundles = await listTiles(disk, folder, 'entries');
    const hole = tiles.findIndex((number, at) => number !== at);
    const lost = bundles.find((number, at) => number !== (bundles[0] as number) + at);
    if (lost !== undefined) options.onDamage?.(`entry bundles before index ${lost * 256} are missing`);
    const full = hole < 0 ? tiles.length : hole;
    const journal = await readJournal(full * 256, (visit) =>
      openJournal({
        env,
        folder: `${folder}/journal`,
        segmentBytes: segmentBytesOf(options),
        preallocateBytes: options.preallocateBytes ?? 1024 * 1024,
        ...(options.reserveBytes === undefined ? {} : { reserveBytes: options.reserveBytes }),
        visit,
      }),
    );
    for (const { kind, segment, startBytes } of journal.journal.damage) {
      options.onDamage?.(`journal segment ${segment}: ${kind} damaged at byte ${startBytes}`);
    }
    const damage =
      checkpoint === undefined && checkpointCopy === undefined
        ? 'the checkpoint is missing'
        : hole >= 0
          ? `hash tile 0/${hole} is missing: entries from index ${hole * 256}`
          : journal.gap;
    let bundleBytes = 0;
    for (const number of bundles) bundleBytes += (await disk.stat(tileFile(folder, 'entries', number)))?.sizeBytes ?? 0;
    const held = { bundlesFrom: bundles[0] ?? full, bundleBytes };
    const store = new DiskStore(options, journal, held, lock);
    return { store, found: { tiles: full, tail: journal.tail, checkpoint, checkpointCopy, damage }, journal };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Twice: a bit that goes bad in these few bytes would cost the log its beginning and its end. */
async function writeCheckpoint(disk: Disk, folder: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (const name of ['checkpoint', 'checkpoint.copy']) await writeFile(disk, `${folder}/${name}`, bytes);
  await disk.syncDirectory(folder);
}

async function readText({ env, onDamage }: DiskStoreOptions, path: string): Promise<string | undefined> {
  const bytes = await readFile(env.disk, path);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    onDamage?.(`the checkpoint is not UTF-8: ${(error as Error).message}`);
    return '';
  }
}

class DiskStore implements AuditStore {
  readonly durability = 'fsync';
  bundlesFrom: number;
  bundleBytes: number;
  readonly #options: DiskStoreOptions;
  readonly #journal: Journal;
  /** Segment → the index after its last entry: a segment whose entries are all in bundles is dropped. */
  readonly #ends: Map<number, number>;
  readonly #lock: AsyncDisposable;
  readonly #folders = new Set<string>();

  constructor(
    options: DiskStoreOptions,
    { journal, ends }: JournalEntries,
    held: { readonly bundlesFrom: number; readonly bundleBytes: number },
    lock: AsyncDisposable,
  ) {
    this.#options = options;
    this.#journal = journal;
    this.#ends = ends;
    this.bundlesFrom = held.bundlesFrom;
    this.bundleBytes = held.bundleBytes;
    this.#lock = lock;
  }

  async append(first: number, entries: readonly Uint8Array[], urgent: boolean): Promise<void> {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setBigUint64(0, BigInt(first));
    const payload = [head, encodeBundle(entries)];
    try {
      const { segment } = await this.#journal.append(entriesKind, payload, { urgent });
      this.#ends.set(segment, first + entries.length);
    } catch (error) {
      throw refused(error);
    }
  }

  async putTiles(bundles: readonly StoredBundle[], tiles: readonly StoredTile[]): Promise<void> {
    const { folder } = this.#options;
    await this.#put(bundles.map(({ number, bytes }) => ({ path: tileFile(folder, 'entries', number), bytes })));
    // A hash tile stands for its bundle: it comes when the bundle is safe, and levels above when those below are.
    const levels = Map.groupBy(tiles, ({ level }) => level);
    for (const level of [...levels.keys()].sort((a, b) => a - b)) {
      const files = (levels.get(level) as StoredTile[]).map(({ number, bytes }) => ({
        path: tileFile(folder, level, number),
        bytes,
      }));
      await this.#put(files);
    }
    const last = bundles.at(-1);
    if (last !== undefined) await this.#dropSegments((last.number + 1) * 256);
    // At the end: what fails is called again with the same bundles.
    for (const { bytes } of bundles) this.bundleBytes += bytes.byteLength;
  }

  async #put(files: readonly { readonly path: string; readonly bytes: Uint8Array }[]): Promise<void> {
    const { disk } = this.#options.env;
    const folders = new Set(files.map(({ path }) => folderOf(path)));
    try {
      for (const folder of folders) {
        if (!this.#folders.has(folder)) await disk.makeDirectory(folder);
        this.#folders.add(folder);
      }
      for (const { path, bytes } of files) await writeFile(disk, path, bytes);
      for (const folder of folders) await disk.syncDirectory(folder);
    } catch (error) {
      return refuseStore(error);
    }
  }

  async #dropSegments(below: number): Promise<void> {
    for (const { segment, sealed } of this.#journal.segments()) {
      if (!sealed || (this.#ends.get(segment) ?? 0) > below) continue;
      try {
        await this.#journal.dropSegment(segment);
      } catch (error) {
        throw refused(error);
      }
      this.#ends.delete(segment);
    }
  }

  readTile(level: number, number: number): Promise<Uint8Array | undefined> {
    return readFile(this.#options.env.disk, tileFile(this.#options.folder, level, number));
  }

  readBundle(number: number): Promise<Uint8Array | undefined> {
    return readFile(this.#options.env.disk, tileFile(this.#options.folder, 'entries', number));
  }

  async dropBundles(below: number): Promise<void> {
    const { env, folder } = this.#options;
    try {
      while (this.bundlesFrom < below) {
        const path = tileFile(folder, 'entries', this.bundlesFrom);
        // Not in one expression: bundles may be added while this waits.
        const bytes = (await env.disk.stat(path))?.sizeBytes ?? 0;
        this.bundleBytes -= bytes;
        // First: whoever reads in between finds the bundle, or that it is not kept, and never that it is lost.
        this.bundlesFrom += 1;
        await env.disk.remove(path);
        // One after the other: a power cut must not bring an older one back without the newer.
        await env.disk.syncDirectory(folderOf(path));
      }
    } catch (error) {
      refuseStore(error);
    }
  }

  async putCheckpoint(text: string): Promise<void> {
    const { env, folder } = this.#options;
    try {
      await writeCheckpoint(env.disk, folder, text);
    } catch (error) {
      refuseStore(error);
    }
  }

  async makeRoom(wanted: number): Promise<void> {
    const bytes = Math.min(wanted, segmentBytesOf(this.#options) / 2);
    try {
      if (!this.#journal.room(bytes)) await this.#journal.makeRoom(bytes);
    } catch (error) {
      throw refused(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#journal[Symbol.asyncDispose]();
    await this.#lock[Symbol.asyncDispose]();
  }
}

function segmentBytesOf({ segmentBytes = 16 * 1024 * 1024 }: DiskStoreOptions): number {
  return segmentBytes;
}

function refused(error: unknown): StoreError {
  if (error instanceof JournalError && error.reason === 'full') {
    return new StoreError('full', 'the audit disk is full', error);
  }
  return new StoreError('failed', 'a write of the audit log failed; it is read-only now', error);
}
