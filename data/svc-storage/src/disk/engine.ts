import { openJournal } from '@ron/journal';
import type { Env } from '@ron/kernel';
import type { Address } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';
import type { BlobEngine, BlobWriter, EngineEvents, EngineUsage, JournalCounts, StoredObject } from '../engine.ts';
import { PiecePool } from '../piece-pool.ts';
import { Budget } from './budget.ts';
import { Catalog } from './catalog.ts';
import { Compactor } from './compaction.ts';
import { completeConfig, type DiskEngineConfig } from './config.ts';
import { HotCache } from './hot-cache.ts';
import { layoutOf, makeLayout } from './layout.ts';
import { ObjectStore, type StoreParts } from './object-store.ts';
import { OpenObjects } from './open-objects.ts';
import { ObjectReader } from './reader.ts';
import { decodeRecord, keptBytes, smallHeadBytes } from './records.ts';
import { Health, systemCode } from './refusals.ts';
import { DiskStagings } from './stagings.ts';
import { sweep } from './sweep.ts';
import { DiskWriter } from './writer.ts';

export interface DiskEngineOptions {
  readonly env: Pick<Env, 'clock' | 'disk' | 'random' | 'work'>;
  /** Below the disk's root. Made when absent; nothing else may use it. */
  readonly folder: string;
  readonly config: DiskEngineConfig;
  readonly events: EngineEvents;
}

/** The largest object that lies in a journal record, with what precedes its bytes; pins and states are smaller. */
const recordBytesMax = 1024 * 1024 + smallHeadBytes;

const preallocateBytes = 4 * 1024 * 1024;

/** One write and sync takes eight of the largest records at most; 128 of them may wait. */
const batchBytesMax = 8 * 1024 * 1024;
const queueBytesMax = 128 * 1024 * 1024;

/** Idle buffers of reads and writes: 8 MiB. */
const idlePiecesMax = 16;

/**
 * Opens the objects in `folder`: reads the journal, removes what was not finished, and quarantines objects whose file is
 * gone. Rejects when another process holds the folder, or when links or unknown things stand in the way.
 */
export async function openDiskEngine(options: DiskEngineOptions): Promise<BlobEngine> {
  const { env, folder } = options;
  const stat = await env.disk.stat(folder);
  if (stat !== undefined && stat.kind !== 'directory')
    throw new Error(`${folder} must be a folder, not a link or file`);
  await env.disk.makeDirectory(folder);
  const lock = await env.disk.lock(folder).catch((error: unknown) => {
    if (systemCode(error) !== 'EBUSY') throw error;
    throw new Error(`the data folder ${folder} is in use by another process`, { cause: error });
  });
  await using opened = new AsyncDisposableStack();
  opened.use(lock);
  const engine = await openLocked(options, opened);
  return engine.keep(opened.move());
}

async function openLocked(options: DiskEngineOptions, opened: AsyncDisposableStack): Promise<DiskEngine> {
  const { env, events, folder } = options;
  const config = completeConfig(options.config);
  const layout = layoutOf(folder);
  await makeLayout(env.disk, layout);
  const catalog = new Catalog();
  const health = new Health();
  const journal = opened.use(
    await openJournal({
      env,
      folder: layout.journal,
      segmentBytes: config.segmentBytes,
      preallocateBytes: Math.min(config.segmentBytes, preallocateBytes),
      recordBytesMax,
      batchBytesMax,
      queueBytesMax,
      keptBytes,
      visit: (found) => {
        const record = decodeRecord(found.kind, found.payload, found.payloadBytes);
        if (record === undefined) throw new Error(`record ${found.sequence} was written by another version`);
        catalog.apply(record, found);
      },
      onFailed: (error) => health.fail(error),
    }),
  );
  catalog.settle();
  for (const { kind, segment, startBytes } of journal.damage) {
    if (kind === 'record' || kind === 'segment') events.onDamage?.(`journal ${kind} at ${segment}:${startBytes}`);
  }
  const openObjects = new OpenObjects(env, config);
  opened.defer(() => openObjects.close());
  const hot = new HotCache(config.hotBytesMax);
  const pool = new PiecePool(idlePiecesMax);
  const parts = { env, layout, config, catalog, journal, health, hot, openObjects, pool };
  const engine = new DiskEngine(parts, events, new Budget(env, catalog, config));
  opened.defer(() => engine.stop());
  await engine.recover();
  return engine;
}

class DiskEngine implements BlobEngine {
  readonly durability = 'fsync';
  readonly stagings: DiskStagings;
  readonly #parts: StoreParts;
  readonly #events: EngineEvents;
  readonly #budget: Budget;
  readonly #store: ObjectStore;
  readonly #reader: ObjectReader;
  readonly #compactor: Compactor;
  #opened: AsyncDisposableStack | undefined;

  constructor(parts: StoreParts, events: EngineEvents, budget: Budget) {
    const { catalog, config, env, journal } = parts;
    this.#parts = parts;
    this.#events = events;
    this.#budget = budget;
    const store = new ObjectStore(parts);
    this.#store = store;
    this.#reader = new ObjectReader({ ...parts, store, events, hotObjectBytesMax: config.hotObjectBytesMax });
    this.#compactor = new Compactor({ clock: env.clock, catalog, journal, store, config });
    this.stagings = new DiskStagings({ ...parts, ...config, budget, store });
  }

  async recover(): Promise<void> {
    const { catalog, env, layout } = this.#parts;
    await this.stagings.recover();
    for (const entry of await sweep(env.disk, layout, catalog)) {
      if (entry.state === 'quarantined') continue;
      await this.#store.quarantine(entry);
      this.#events.onCorrupt(entry.address, 'missing');
    }
    await this.#budget.refresh();
    this.#compactor.kick();
  }

  keep(opened: AsyncDisposableStack): this {
    this.#opened = opened;
    return this;
  }

  async stop(): Promise<void> {
    await this.#compactor.stop();
    await this.stagings.close();
  }

  async create(sizeBytes: number | undefined): Promise<BlobWriter> {
    this.#parts.health.requireWritable();
    const declared = sizeBytes ?? 0;
    this.#store.refuseLarger(declared);
    this.#budget.take(declared, 1);
    try {
      const asked = this.#budget.spend(0);
      if (asked !== undefined) await asked;
    } catch (error) {
      this.#budget.give(declared, 1);
      throw this.#parts.health.refusal(error);
    }
    return new DiskWriter(this.#store, this.#budget, this.#parts, declared);
  }

  stat(address: Address): StoredObject | undefined {
    return this.#parts.catalog.get(address)?.info;
  }

  read(address: Address, start: number, length: number): ByteStream {
    const entry = this.#store.readable(address);
    if (start < 0 || length < 0 || start + length > entry.sizeBytes) throw new RangeError('outside the object');
    return this.#reader.read(entry, start, length);
  }

  resident(address: Address, start: number, length: number): Uint8Array | undefined {
    // What is quarantined is forgotten here too.
    return this.#parts.hot.get(address)?.subarray(start, start + length);
  }

  async outboard(address: Address): Promise<Uint8Array> {
    return this.#reader.outboard(this.#store.readable(address));
  }

  async verify(address: Address, start: number, length: number): Promise<void> {
    const entry = this.#store.readable(address);
    if (start < 0 || length < 0 || start + length > entry.sizeBytes) throw new RangeError('outside the object');
    await this.#reader.verify(entry, start, length);
  }

  async setState(address: Address, state: 'live' | 'trash', atMs: number): Promise<void> {
    await this.#store.setState(address, state, atMs);
  }

  async purge(address: Address): Promise<void> {
    await this.#store.purge(address);
    this.#compactor.kick();
  }

  async setPin(address: Address, holder: string, pinned: boolean): Promise<void> {
    await this.#store.setPin(address, holder, pinned);
  }

  pins(address: Address): readonly string[] {
    return [...(this.#parts.catalog.get(address)?.pins?.keys() ?? [])];
  }

  *entries(): IterableIterator<StoredObject> {
    for (const entry of this.#parts.catalog.entries()) yield entry.info;
  }

  usage(): EngineUsage {
    const { catalog, config } = this.#parts;
    return {
      objects: catalog.objects,
      bytes: this.#budget.usedBytes,
      objectsMax: config.objectsMax,
      bytesMax: config.bytesMax,
      trashObjects: catalog.trashObjects,
      trashBytes: catalog.trashBytes,
      quarantined: catalog.quarantined,
    };
  }

  journalCounts(): JournalCounts {
    return this.#parts.journal.written;
  }

  gates(): readonly { readonly gate: string; readonly ok: boolean; readonly reason?: string }[] {
    const { reason } = this.#parts.health;
    this.#budget.poll();
    const low = this.#budget.spaceIsLow;
    return [
      { gate: 'blobs', ok: reason === undefined, ...(reason === undefined ? {} : { reason }) },
      { gate: 'blob_space', ok: !low, ...(low ? { reason: 'less free disk space than the reserve' } : {}) },
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.disposeAsync();
  }
}
