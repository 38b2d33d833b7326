import type { Journal, JournalRecord } from '@ron/journal';
import { type Clock, sleep } from '@ron/kernel';
import { type Catalog, isTombstone } from './catalog.ts';
import type { DiskEngineConfig } from './config.ts';
import type { ObjectStore } from './object-store.ts';
import { decodeRecord, type StorageRecord, smallHeadBytes } from './records.ts';

/** Bytes read between two pauses. */
const stepBytes = 256 * 1024;

export interface CompactorParts {
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly journal: Journal;
  readonly store: ObjectStore;
  readonly config: Pick<Required<DiskEngineConfig>, 'compactBelow' | 'compactBytesPerSecond'>;
}

/**
 * Gives the space of dead records back: what is still needed of a sealed segment is appended again, and the segment is
 * dropped when all of that is safe. A crash in between leaves both, and the next start takes the later copy.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** Looks for work soon. Cheap to call often. */
  kick(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when there is nothing to do at the moment. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the engine is closing'));
    await this.idle();
  }

  async #run(): Promise<void> {
    // What a pass could not free is looked at again after the next change only.
    const left = new Set<number>();
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      for (let victim = this.#pick(left); victim !== undefined; victim = this.#pick(left)) {
        left.add(victim.segment);
        try {
          await this.#compact(victim.segment, victim.oldest);
        } catch {
          // Closing, a full disk or a failed one: the segment stays as it is, nothing of it is lost.
          return;
        }
      }
    }
  }

  #pick(left: ReadonlySet<number>): { readonly segment: number; readonly oldest: boolean } | undefined {
    const { catalog, config, journal } = this.#parts;
    const segments = journal.segments();
    const first = Math.min(...segments.map(({ segment }) => segment));
    for (const { segment, bytes, sealed } of segments) {
      if (!sealed || left.has(segment)) continue;
      const oldest = segment === first;
      const needed = catalog.neededBytes(segment) + (oldest ? 0 : catalog.tombstoneBytes(segment));
      if (needed < bytes * config.compactBelow) return { segment, oldest };
    }
    return undefined;
  }

  async #compact(segment: number, oldest: boolean): Promise<void> {
    const { catalog, clock, config, journal } = this.#parts;
    const { signal } = this.#stop;
    let sincePause = 0;
    await journal.replaySegment(segment, async (record) => {
      signal.throwIfAborted();
      await this.#carry(record, oldest);
      sincePause += record.payloadBytes;
      if (sincePause < stepBytes) return;
      await sleep(clock, Math.ceil((sincePause * 1000) / config.compactBytesPerSecond), signal);
      sincePause = 0;
    });
    if (catalog.neededBytes(segment) > 0) return;
    await journal.dropSegment(segment);
    catalog.forgetSegment(segment);
  }

  async #carry(found: JournalRecord, oldest: boolean): Promise<void> {
    const { catalog, store } = this.#parts;
    const record = decodeRecord(found.kind, found.payload, found.payloadBytes);
    if (record === undefined) throw new Error('a record of an unknown kind');
    if (isTombstone(record)) {
      if (!oldest) await store.append(record);
      return;
    }
    // Most are dead: no lock for them.
    if (!catalog.isNeeded(record, found)) return;
    const bytes = record.kind === 'small' ? found.payload.subarray(smallHeadBytes) : undefined;
    await store.locks.run(record.address, async () => {
      if (!catalog.isNeeded(record, found)) return;
      await store.append(this.#current(record), bytes === undefined ? {} : { bytes: [bytes] });
    });
  }

  /** A copy of an object's record says what is known of its state now. */
  #current(record: StorageRecord): StorageRecord {
    const entry = this.#parts.catalog.get(record.address);
    if (entry === undefined || (record.kind !== 'small' && record.kind !== 'large')) return record;
    const { state, stateMs, stateStamp } = entry;
    return { ...record, state, stateMs, stateStamp };
  }
}
