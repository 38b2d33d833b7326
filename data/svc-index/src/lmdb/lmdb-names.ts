import type { Work } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Database, RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb';
import type { Change, Head, NameEngine, Outcome, VersionPosition } from '../engine.ts';
import type { NameRecord } from '../record.ts';
import { CheckedValues, reading } from './checked-value.ts';
import { checkLmdbFiles, type LmdbFiles } from './data-file.ts';

export interface LmdbNamesOptions {
  /** A folder of this engine alone, absolute or relative to the working folder. Made when absent. */
  readonly folder: string;
  /** The same folder through the Disk port, to look at what LMDB would be given. Without it, that is opened unseen. */
  readonly files?: LmdbFiles;
  /** Every stored record carries a digest that is checked when it is read. */
  readonly work: Pick<Work, 'blake3'>;
  /** Bytes that the disk of that folder still takes: the Disk port's `freeBytes`. Without it a full disk is found by failing. */
  readonly freeBytes?: () => Promise<number>;
  /** Names are set only while more than this is free, so that there is always room to remove some. Default 64 MiB. */
  readonly reserveBytes?: number;
}

type VersionKey = [name: string, version: number];

const reserveBytesDefault = 64 * 1024 * 1024;

/** Changes between two looks at the free space: together far less than the reserve. */
const changesUnchecked = 64;

/** Linux ENOSPC, and LMDB's own code for a map that cannot grow. */
const noRoomCodes: readonly unknown[] = [28, -30792, 'ENOSPC'];

/**
 * Names in an LMDB file: durable when `change` resolves. Changes that arrive while a transaction syncs share the next
 * one. The library is a native addon that maps its file into memory, so this engine bypasses the Disk port: the
 * simulator cannot tear its writes, and crash tests run on real files. Loaded on first use.
 *
 * @throws IndexFileError for files that LMDB must not be given, when `files` is there to look at them.
 */
export async function openLmdbNames(options: LmdbNamesOptions): Promise<NameEngine> {
  if (options.files !== undefined) await checkLmdbFiles(options.files);
  const { open } = await import('lmdb');
  // `permissionsMode` is read by the addon but missing from the package's types.
  const settings: RootDatabaseOptionsWithPath & { readonly permissionsMode: number } = {
    path: options.folder,
    noSubdir: false,
    maxDbs: 2,
    encoding: 'binary',
    // A promise of a write then means "synced": with overlapping syncs it would only mean "visible".
    overlappingSync: false,
    // With it the library keeps a promise of its own for each turn, whose rejection nobody can handle: a failed commit
    // would then end the process. Changes of one turn share a transaction without it too.
    eventTurnBatching: false,
    permissionsMode: 0o600,
  };
  const root = open(settings);
  try {
    const heads = root.openDB<Uint8Array, string>({ name: 'heads', encoding: 'binary' });
    const versions = root.openDB<Uint8Array, VersionKey>({ name: 'versions', encoding: 'binary' });
    return new LmdbNames(options, root, heads, versions);
  } catch (error) {
    await root.close();
    throw error;
  }
}

class LmdbNames implements NameEngine {
  readonly durability = 'fsync';
  readonly #freeBytes: (() => Promise<number>) | undefined;
  readonly #reserveBytes: number;
  #roomy = false;
  #unchecked = 0;
  readonly #root: RootDatabase;
  readonly #values: CheckedValues;
  readonly #heads: Database<Uint8Array, string>;
  readonly #versions: Database<Uint8Array, VersionKey>;
  /** Counted here: asking the file costs as much as the write. */
  #size: number;
  #failure: string | undefined;

  constructor(
    options: LmdbNamesOptions,
    root: RootDatabase,
    heads: Database<Uint8Array, string>,
    versions: Database<Uint8Array, VersionKey>,
  ) {
    this.#freeBytes = options.freeBytes;
    this.#reserveBytes = options.reserveBytes ?? reserveBytesDefault;
    this.#root = root;
    this.#values = new CheckedValues(options.work);
    this.#heads = heads;
    this.#versions = versions;
    this.#size = sizeOf(heads);
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  size(): number {
    return this.#size;
  }

  head(name: string): Head | undefined {
    return reading(() => this.#headOf(name, this.#heads.get(name)));
  }

  async change(change: Change): Promise<Outcome> {
    if (this.#failure !== undefined) throw readOnly(undefined);
    if (!change.head.removed) await this.#refuseWithoutRoom();
    try {
      return await this.#heads.transaction(() => this.#apply(change));
    } catch (error) {
      // A damaged record stops this change, not the others: the transaction was given up before it wrote.
      if (error instanceof RonError) throw error;
      const cause = await causeOf(error);
      this.#size = sizeOf(this.#heads);
      if (isNoRoom(cause)) throw new RonError('insufficient_storage', 'the disk is full', { cause });
      // LMDB reports some writes that a full disk cut short as EIO: a reserve keeps it from coming to that. What a
      // failed write or sync left on the disk is unknown until the file is opened again.
      this.#failure = 'a write to the index failed: it is read-only until a restart';
      throw readOnly(cause);
    }
  }

  history(name: string, belowVersion: number, limit: number): readonly NameRecord[] {
    const range = this.#versions.getRange({
      start: [name, belowVersion - 1],
      end: [name, 0],
      reverse: true,
      limit,
    });
    return reading(() => [...range].map(({ key, value }) => this.#versionOf(key, value)));
  }

  list(prefix: string, after: string | undefined, limit: number): readonly Head[] {
    return reading(() => this.#list(prefix, after, limit));
  }

  #list(prefix: string, after: string | undefined, limit: number): readonly Head[] {
    const heads: Head[] = [];
    const resumes = after?.startsWith(prefix) === true;
    for (const { key, value } of this.#heads.getRange({ start: resumes ? after : prefix, limit: limit + 1 })) {
      if (heads.length === limit || !key.startsWith(prefix)) break;
      if (key !== after) heads.push(this.#values.decode(key, value) as Head);
    }
    return heads;
  }

  versions(after: VersionPosition | undefined, limit: number): readonly NameRecord[] {
    const start: VersionKey | undefined = after === undefined ? undefined : [after.name, after.version + 1];
    const range = this.#versions.getRange(start === undefined ? { limit } : { start, limit });
    return reading(() => [...range].map(({ key, value }) => this.#versionOf(key, value)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close();
  }

  async #refuseWithoutRoom(): Promise<void> {
    if (this.#freeBytes === undefined) return;
    this.#unchecked += 1;
    if (this.#roomy && this.#unchecked < changesUnchecked) return;
    this.#unchecked = 0;
    this.#roomy = (await this.#freeBytes()) > this.#reserveBytes;
    if (!this.#roomy) throw new RonError('insufficient_storage', 'the disk is full');
  }

  /** Inside the write transaction: what is read here cannot change before it commits. */
  #apply({ expectedVersion, expectedRemoved, head, versionsMax, namesMax }: Change): Outcome {
    const { name, version } = head.record;
    const current = this.head(name);
    if ((current?.record.version ?? 0) !== expectedVersion) return 'stale';
    if ((current?.removed ?? false) !== expectedRemoved) return 'stale';
    if (current === undefined) {
      if (this.#size >= namesMax) return 'full';
      this.#size += 1;
    }
    this.#heads.put(name, this.#values.encode(name, head));
    if (version !== expectedVersion) {
      this.#versions.put([name, version], this.#values.encode(versionText([name, version]), head.record));
    }
    if (version > versionsMax) this.#forgetBelow(name, version - versionsMax + 1);
    return 'done';
  }

  #headOf(name: string, stored: Uint8Array | undefined): Head | undefined {
    return stored === undefined ? undefined : (this.#values.decode(name, stored) as Head);
  }

  #versionOf(key: VersionKey, stored: Uint8Array): NameRecord {
    return this.#values.decode(versionText(key), stored) as NameRecord;
  }

  /** In steps of at most 1,000, for a bound that was lowered: later changes of the name do the rest. */
  #forgetBelow(name: string, version: number): void {
    const keys = this.#versions.getKeys({ start: [name, 0], end: [name, version], limit: 1_000 });
    for (const key of [...keys]) this.#versions.remove(key);
  }
}

function versionText([name, version]: VersionKey): string {
  return `${name}\n${version}`;
}

function readOnly(cause: unknown): RonError {
  return new RonError('unavailable', 'the index takes no changes', { cause });
}

/**
 * The library hides why a commit failed in a promise on its error, which would end the process if nobody handled it.
 * That promise is rejected before the error is thrown; should it ever not be, a few turns of waiting are enough.
 */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: Promise<unknown> };
  if (!(commitError instanceof Promise)) return error;
  let cause = error;
  commitError.catch((reason: unknown) => {
    cause = reason;
  });
  for (let turn = 0; turn < 3; turn += 1) await undefined;
  return cause;
}

function isNoRoom(cause: unknown): boolean {
  return noRoomCodes.includes((cause as { readonly code?: unknown }).code);
}

function sizeOf(heads: Database<Uint8Array, string>): number {
  const { entryCount } = heads.getStats() as { readonly entryCount: number };
  return entryCount;
}
