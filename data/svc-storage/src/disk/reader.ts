import { addOutboardHeader, hashTree } from '@ron/b3';
import { type Journal, JournalError } from '@ron/journal';
import type { Env } from '@ron/kernel';
import { addressFromHash, hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, emptyBody, ResidentBody } from '@ron/proto/stream';
import type { EngineEvents } from '../engine.ts';
import { LentPieces } from '../lent-pieces.ts';
import { type PiecePool, pieceBytes } from '../piece-pool.ts';
import type { Catalog, CatalogEntry } from './catalog.ts';
import type { HotCache } from './hot-cache.ts';
import { groupBytes, type Layout } from './layout.ts';
import { badGroup, digestFile, encodeTail, fileBytesOf, type ObjectTree, readOutboard } from './object-file.ts';
import type { ObjectStore } from './object-store.ts';
import type { OpenObjects } from './open-objects.ts';
import { smallHeadBytes } from './records.ts';
import { damaged, isPassing, notFound, systemCode } from './refusals.ts';

export interface ReaderParts {
  readonly env: Pick<Env, 'disk' | 'work'>;
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly journal: Journal;
  readonly store: ObjectStore;
  readonly hot: HotCache;
  readonly openObjects: OpenObjects;
  readonly pool: PiecePool;
  readonly events: EngineEvents;
  readonly hotObjectBytesMax: number;
}

/** Hands out verified bytes only: at once where they are in RAM or one small read away. */
export class ObjectReader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  read(entry: CatalogEntry, start: number, length: number): ByteStream {
    if (length === 0) return emptyBody;
    const hot = this.#parts.hot.get(entry.address);
    if (hot !== undefined) return new ResidentBody(hot.subarray(start, start + length));
    if (entry.small) return this.#readSmall(entry, start, length);
    const resident = this.#residentGroup(entry, start, length);
    return resident ?? new LentPieces(this.#stream(entry, start, length), this.#parts.pool);
  }

  /** Looks at what is stored, not at what is in RAM. The end of a large object includes what lies behind its bytes. */
  async verify(entry: CatalogEntry, start: number, length: number): Promise<void> {
    if (entry.small) return await this.#verifyRecord(entry);
    const first = start - (start % groupBytes);
    const end = start + length;
    for (let at = first; at < end; at += pieceBytes) {
      const bytes = await this.#piece(entry, at, Math.min(at + pieceBytes, entry.sizeBytes));
      this.#parts.pool.giveBack(bytes);
    }
    if (end === entry.sizeBytes) await this.outboard(entry);
  }

  async outboard(entry: CatalogEntry): Promise<Uint8Array> {
    const { address, sizeBytes } = entry;
    if (sizeBytes <= groupBytes) return addOutboardHeader(new Uint8Array(0), sizeBytes);
    if (entry.small) return hashTree(await this.#wholeSmall(entry)).outboard;
    const { env, layout, openObjects } = this.#parts;
    const outboard = await openObjects
      .using(address, layout.object(address), sizeBytes, async (object) =>
        object === undefined ? undefined : readOutboard(object.file, hashFromAddress(address), sizeBytes, env.work),
      )
      .catch((error: unknown) => this.#asDamage(error));
    return typeof outboard === 'object' ? outboard : (await this.#recheck(entry, 'outboard')).outboard;
  }

  #readSmall(entry: CatalogEntry, start: number, length: number): ByteStream {
    try {
      const payload = this.#parts.journal.read(entry.place);
      if (!(payload instanceof Uint8Array)) return this.#streamSmall(entry, start, length, payload);
      const bytes = this.#verifySmall(entry, payload);
      if (bytes !== undefined) return new ResidentBody(bytes.subarray(start, start + length));
      return this.#refuse(entry, 'group 0');
    } catch (error) {
      return this.#refuse(entry, this.#asDamage(error));
    }
  }

  async #wholeSmall(entry: CatalogEntry): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.read(entry, 0, entry.sizeBytes)) pieces.push(piece);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  async #verifyRecord(entry: CatalogEntry): Promise<void> {
    let detail = 'group 0';
    try {
      const payload = await this.#settled(entry, (async () => this.#parts.journal.read(entry.place))());
      if (this.#isIntact(entry, payload.subarray(smallHeadBytes))) return;
    } catch (error) {
      detail = this.#asDamage(error);
    }
    throw await this.#condemn(entry, detail);
  }

  async *#streamSmall(
    entry: CatalogEntry,
    start: number,
    length: number,
    reading: Promise<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    let bytes: Uint8Array | undefined;
    let detail = 'group 0';
    try {
      bytes = this.#verifySmall(entry, await this.#settled(entry, reading));
    } catch (error) {
      detail = this.#asDamage(error);
    }
    if (bytes === undefined) throw await this.#condemn(entry, detail);
    yield bytes.subarray(start, start + length);
  }

  /** Compaction may have moved the record, and removed its segment, meanwhile. */
  async #settled(entry: CatalogEntry, reading: Promise<Uint8Array>): Promise<Uint8Array> {
    const { segment } = entry;
    try {
      return await reading;
    } catch (error) {
      if (entry.segment === segment) throw error;
      return this.#parts.journal.read(entry.place);
    }
  }

  #verifySmall(entry: CatalogEntry, payload: Uint8Array): Uint8Array | undefined {
    const bytes = payload.subarray(smallHeadBytes);
    if (!this.#isIntact(entry, bytes)) return undefined;
    this.#parts.hot.add(entry.address, bytes);
    return bytes;
  }

  #isIntact(entry: CatalogEntry, bytes: Uint8Array): boolean {
    return addressFromHash(this.#parts.env.work.blake3(bytes)) === entry.address;
  }

  /** A range inside one group of an open file. */
  #residentGroup(entry: CatalogEntry, start: number, length: number): ByteStream | undefined {
    const group = Math.floor(start / groupBytes);
    if (Math.floor((start + length - 1) / groupBytes) !== group) return undefined;
    const object = this.#parts.openObjects.get(entry.address);
    if (object === undefined) return undefined;
    const from = group * groupBytes;
    const bytes = Buffer.allocUnsafeSlow(Math.min(groupBytes, entry.sizeBytes - from));
    try {
      if (object.file.readSync(bytes, from) !== bytes.byteLength) return undefined;
    } catch {
      // The way through the worker threads meets the same error, and judges it.
      return undefined;
    }
    if (badGroup(bytes, group, object.table, this.#parts.env.work) !== undefined) return undefined;
    return new ResidentBody(bytes.subarray(start - from, start - from + length));
  }

  async *#stream(entry: CatalogEntry, start: number, length: number): AsyncGenerator<Uint8Array> {
    const { address, sizeBytes } = entry;
    const { hot, hotObjectBytesMax } = this.#parts;
    const end = start + length;
    const whole = length === sizeBytes && sizeBytes <= hotObjectBytesMax;
    const step = whole ? sizeBytes : pieceBytes;
    const first = start - (start % groupBytes);
    let ahead = this.#piece(entry, first, Math.min(first + step, sizeBytes));
    try {
      for (let at = first; at < end; at += step) {
        const bytes = await ahead;
        const next = at + step;
        if (next < end) {
          const stop = Math.min(next + step, Math.ceil(end / groupBytes) * groupBytes, sizeBytes);
          ahead = this.#piece(entry, next, stop);
          // Met at the next turn, or below.
          ahead.catch(() => undefined);
        }
        if (whole) hot.add(address, bytes);
        yield bytes.subarray(Math.max(0, start - at), Math.min(bytes.byteLength, end - at));
      }
    } finally {
      await Promise.allSettled([ahead]);
    }
  }

  /** Verified bytes from one group's start to another's. */
  async #piece(entry: CatalogEntry, from: number, to: number): Promise<Buffer> {
    const bytes = await this.#tryPiece(entry, from, to);
    if (typeof bytes !== 'string') return bytes;
    await this.#recheck(entry, bytes);
    const again = await this.#tryPiece(entry, from, to);
    if (typeof again !== 'string') return again;
    throw await this.#condemn(entry, again);
  }

  /** The bytes, or what is wrong with them. */
  async #tryPiece(entry: CatalogEntry, from: number, to: number): Promise<Buffer | string> {
    const { env, layout, openObjects, pool } = this.#parts;
    const { address, sizeBytes } = entry;
    // What is kept as a whole must not lie in a buffer that comes back.
    const bytes = to - from === sizeBytes ? Buffer.allocUnsafeSlow(sizeBytes) : pool.take().subarray(0, to - from);
    let wrong: string | undefined = 'unread';
    try {
      wrong = await openObjects.using(address, layout.object(address), sizeBytes, async (object) => {
        if (object === undefined) return 'tail';
        if ((await object.file.read(bytes, from)) !== bytes.byteLength) return 'length';
        const bad = badGroup(bytes, from / groupBytes, object.table, env.work);
        return bad === undefined ? undefined : `group ${bad}`;
      });
    } catch (error) {
      wrong = this.#asDamage(error);
    } finally {
      if (wrong !== undefined) pool.giveBack(bytes);
    }
    return wrong ?? bytes;
  }

  /**
   * Something about a large object is wrong: reads all of it, and so finds out whether it is the bytes. If not, the
   * tail is written anew; if so, the object is quarantined and this throws `integrity`.
   */
  #recheck(entry: CatalogEntry, detail: string): Promise<ObjectTree> {
    const { catalog, env, layout, openObjects, store } = this.#parts;
    const { address, sizeBytes } = entry;
    return store.locks.run(address, async () => {
      if (catalog.get(address) !== entry) throw notFound();
      if (entry.state === 'quarantined') throw damaged();
      openObjects.forget(address);
      const tree = await this.#digestAgain(entry).catch((error: unknown) => this.#asDamage(error));
      if (typeof tree !== 'object' || addressFromHash(tree.root) !== address) {
        throw await this.#condemn(entry, typeof tree === 'string' ? tree : detail);
      }
      const file = await env.disk.open(layout.object(address), 'readwrite').catch((error: unknown) => {
        throw store.health.refusal(error);
      });
      openObjects.add(address, file, tree.table);
      if (store.health.reason === undefined) {
        try {
          await file.write(encodeTail(tree, sizeBytes, env.work), sizeBytes);
          await file.truncate(fileBytesOf(sizeBytes));
          await file.sync();
        } catch (error) {
          // The bytes are good and can be served with the table in memory.
          store.health.refusal(error);
        }
      }
      return tree;
    });
  }

  async #digestAgain({ address, sizeBytes }: CatalogEntry): Promise<ObjectTree | undefined> {
    const { env, layout } = this.#parts;
    const file = await env.disk.open(layout.object(address), 'read');
    try {
      return await digestFile(file, sizeBytes, env.work);
    } finally {
      await file.close();
    }
  }

  /** What an error of a read says about the bytes; errors that say nothing are thrown on. */
  #asDamage(error: unknown): string {
    if (error instanceof RonError) throw error;
    const closed = error instanceof JournalError && error.reason === 'closed';
    if (isPassing(error) || closed) {
      throw new RonError('unavailable', 'the storage of this node is busy', { retryAfterMs: 1000, cause: error });
    }
    if (error instanceof JournalError && error.reason === 'corrupt') return 'record';
    const code = systemCode(error);
    if (code === undefined && !(error instanceof JournalError)) throw error;
    return code ?? 'record';
  }

  #refuse(entry: CatalogEntry, detail: string): ByteStream {
    const condemned = this.#condemn(entry, detail);
    const next = async () => {
      throw await condemned;
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  async #condemn(entry: CatalogEntry, detail: string): Promise<RonError> {
    // Purged, and perhaps stored again, while it was read.
    if (this.#parts.catalog.get(entry.address) !== entry) return notFound();
    if (entry.state !== 'quarantined') {
      await this.#parts.store.quarantine(entry);
      this.#parts.events.onCorrupt(entry.address, detail);
    }
    return damaged();
  }
}
