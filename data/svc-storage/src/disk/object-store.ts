import type { Journal, RecordPlace } from '@ron/journal';
import type { Env, File } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { StoredObject } from '../engine.ts';
import type { PiecePool } from '../piece-pool.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { DiskEngineConfig } from './config.ts';
import type { HotCache } from './hot-cache.ts';
import { KeyedLock } from './keyed-lock.ts';
import { LargeFile } from './large-file.ts';
import type { Layout } from './layout.ts';
import type { ObjectTree } from './object-file.ts';
import type { OpenObjects } from './open-objects.ts';
import { encodeRecord, holderBytesMax, recordKinds, type StorageRecord } from './records.ts';
import { type Health, notFound } from './refusals.ts';

export interface PutResult {
  readonly object: StoredObject;
  readonly stored: boolean;
}

/** A file that can become an object: whole, with the means to make it durable. */
export interface Candidate {
  readonly path: string;
  readonly file: File;
  seal(tree: ObjectTree): Promise<void>;
}

export interface StoreParts {
  readonly env: Pick<Env, 'clock' | 'disk' | 'work'>;
  readonly layout: Layout;
  readonly config: Required<DiskEngineConfig>;
  readonly catalog: Catalog;
  readonly journal: Journal;
  readonly health: Health;
  readonly hot: HotCache;
  readonly openObjects: OpenObjects;
  readonly pool: PiecePool;
}

/** Every change of what is stored: one at a time for each object, in the journal before it is promised. */
export class ObjectStore {
  readonly env: StoreParts['env'];
  readonly health: Health;
  readonly locks = new KeyedLock<Address>();
  readonly #parts: StoreParts;
  readonly #adopted = new WeakSet<Candidate>();
  /** Folders that are there for certain: at most 256. */
  readonly #shards = new Set<string>();
  #temporaries = 0;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.env = parts.env;
    this.health = parts.health;
  }

  refuseLarger(sizeBytes: number): void {
    const limit = this.#parts.config.objectBytesMax;
    if (sizeBytes <= limit) return;
    throw new RonError('payload_too_large', `objects have at most ${limit} bytes`, { details: { limit } });
  }

  createTemporary(): Promise<LargeFile> {
    const { env, layout, config, pool } = this.#parts;
    this.#temporaries += 1;
    const { syncEveryBytes } = config;
    const parts = { disk: env.disk, work: env.work, pool, syncEveryBytes };
    return LargeFile.create(parts, `${layout.temporary}/${this.#temporaries}`);
  }

  /** An object in the journal. `keep`: its bytes, one array that never changes again, may stay in RAM. */
  putSmall(address: Address, bytes: readonly Uint8Array[], keep: boolean): Promise<PutResult> {
    return this.locks.run(address, async () => {
      const known = await this.#revive(address);
      if (known !== undefined) return known;
      const sizeBytes = bytes.reduce((sum, piece) => sum + piece.byteLength, 0);
      await this.append({ ...this.#stored(address, sizeBytes), kind: 'small' }, { bytes });
      // These are good bytes: what was held of a damaged copy goes.
      this.#parts.hot.forget(address);
      if (keep && bytes.length === 1) this.#parts.hot.add(address, bytes[0]!);
      return { object: this.#known(address).info, stored: true };
    });
  }

  /** Makes `candidate` the object, unless the object is there: then the candidate stays the caller's. */
  putLarge(address: Address, sizeBytes: number, tree: ObjectTree, candidate: Candidate): Promise<PutResult> {
    const { env, layout, openObjects, hot } = this.#parts;
    return this.locks.run(address, async () => {
      const known = await this.#revive(address);
      if (known !== undefined) return known;
      await candidate.seal(tree);
      await this.#makeShard(layout.shard(address));
      await env.disk.rename(candidate.path, layout.object(address));
      this.#adopted.add(candidate);
      hot.forget(address);
      openObjects.add(address, candidate.file, tree.table);
      await env.disk.syncDirectory(layout.shard(address));
      await this.append({ ...this.#stored(address, sizeBytes), kind: 'large' });
      return { object: this.#known(address).info, stored: true };
    });
  }

  /** Whether the candidate's file belongs to the store now. */
  hasAdopted(candidate: Candidate): boolean {
    return this.#adopted.has(candidate);
  }

  setState(address: Address, state: 'live' | 'trash', atMs: number): Promise<void> {
    this.health.requireWritable();
    const entry = this.readable(address);
    if (entry.state === state) return this.locks.run(address, async () => undefined);
    const before = { state: entry.state, stateMs: entry.stateMs };
    const change = this.#parts.catalog.setState(entry, state, atMs);
    return this.locks.run(address, async () => {
      const { generation } = entry;
      try {
        await this.append({ kind: 'state', address, generation, ...change }, { urgent: true });
      } catch (error) {
        if (entry.stateStamp === change.stateStamp) this.#parts.catalog.setState(entry, before.state, before.stateMs);
        throw error;
      }
    });
  }

  purge(address: Address): Promise<void> {
    this.health.requireWritable();
    const { catalog, env, hot, layout, openObjects } = this.#parts;
    const entry = this.#known(address);
    if (entry.state === 'live') throw new RonError('conflict', 'a live object cannot be purged');
    catalog.remove(entry);
    hot.forget(address);
    return this.locks.run(address, async () => {
      try {
        await this.append({ kind: 'purge', address, generation: entry.generation }, { urgent: true });
      } catch (error) {
        catalog.restore(entry);
        throw error;
      }
      openObjects.forget(address);
      // The record decides; a file that stays behind is removed by the next start.
      if (!entry.small) await env.disk.remove(layout.object(address)).catch((error) => this.health.fail(error));
    });
  }

  setPin(address: Address, holder: string, pinned: boolean): Promise<void> {
    this.health.requireWritable();
    const { catalog } = this.#parts;
    const entry = catalog.get(address);
    if (entry === undefined && !pinned) return Promise.resolve();
    if (Buffer.byteLength(holder) > holderBytesMax) {
      throw new RonError('bad_request', `a holder has at most ${holderBytesMax} bytes`);
    }
    return this.locks.run(address, async () => {
      const { generation, pins } = this.#known(address);
      if ((pins?.has(holder) ?? false) === pinned) return;
      const stamp = catalog.nextStamp();
      await this.append({ kind: 'pin', address, generation, pinned, stamp, holder }, { urgent: true });
    });
  }

  /** Takes an object out of service; in this process at once, for later ones when the journal takes it. */
  async quarantine(entry: CatalogEntry): Promise<void> {
    if (entry.state === 'quarantined') return;
    const { catalog, env, hot, openObjects } = this.#parts;
    const { address, generation } = entry;
    const change = catalog.setState(entry, 'quarantined', env.clock.wallMs());
    hot.forget(address);
    openObjects.forget(address);
    // The next read finds the damage again, should this not be kept.
    await this.append({ kind: 'state', address, generation, ...change }, { urgent: true }).catch(() => undefined);
  }

  /** Appends and, once it is safe, applies. */
  async append(
    record: StorageRecord,
    options: { readonly bytes?: readonly Uint8Array[]; readonly urgent?: boolean } = {},
  ): Promise<RecordPlace> {
    const head = encodeRecord(record);
    const { bytes = [], urgent = false } = options;
    try {
      const place = await this.#parts.journal.append(recordKinds[record.kind], [head, ...bytes], { urgent });
      this.#parts.catalog.apply(record, place);
      return place;
    } catch (error) {
      throw this.health.refusal(error);
    }
  }

  readable(address: Address): CatalogEntry {
    const entry = this.#known(address);
    if (entry.state === 'quarantined') throw new RonError('integrity', 'the stored bytes of this object are damaged');
    return entry;
  }

  /** What a put of these bytes meets: live is enough, trash comes back, quarantined does not count. */
  async #revive(address: Address): Promise<PutResult | undefined> {
    const entry = this.#parts.catalog.get(address);
    if (entry === undefined || entry.state === 'quarantined') return undefined;
    if (entry.state === 'live') return { object: entry.info, stored: false };
    const change = this.#parts.catalog.setState(entry, 'live', this.env.clock.wallMs());
    await this.append({ kind: 'state', address, generation: entry.generation, ...change }, { urgent: true });
    return { object: entry.info, stored: true };
  }

  /** A new object; or good bytes for a damaged one, which keeps its generation and so its pins. */
  #stored(address: Address, sizeBytes: number) {
    const { catalog, env } = this.#parts;
    const damaged = catalog.get(address);
    const nowMs = env.clock.wallMs();
    const generation = damaged?.generation ?? catalog.nextStamp();
    const createdMs = damaged?.createdMs ?? nowMs;
    const stateStamp = catalog.nextStamp();
    return { address, generation, createdMs, sizeBytes, state: 'live', stateMs: nowMs, stateStamp } as const;
  }

  async #makeShard(path: string): Promise<void> {
    if (this.#shards.has(path)) return;
    const { env, layout } = this.#parts;
    await env.disk.makeDirectory(path);
    await env.disk.syncDirectory(layout.objects);
    this.#shards.add(path);
  }

  #known(address: Address): CatalogEntry {
    const entry = this.#parts.catalog.get(address);
    if (entry === undefined) throw notFound();
    return entry;
  }
}
