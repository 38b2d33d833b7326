import type { Clock, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { AuditEntry } from '@ron/service';
import { tileWidth } from '@ron/tlog';
import { treeHasher } from './hashing.ts';
import { encodeLeaf, ownEntry } from './leaf.ts';
import type { LogEvents } from './log.ts';
import type { LogBody } from './log-body.ts';
import { type AuditStore, StoreError } from './store/store.ts';

/** Recorded entries that may wait for their batch, and as many offered ones. */
const queueMax = 8_192;
/** Entries of one batch: one record of the journal, one bundle at most. */
const batchMax = tileWidth;
const batchBytesMax = 512 * 1024;
/** Full bundles that may wait in memory for their files; past it appends wait for the files. */
const unstoredBundlesMax = 32;
/** How often a full disk is asked for room. */
const probeMs = 1_000;
const probeBytes = 65_536;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly offered: boolean;
  readonly urgent: boolean;
  readonly sinceMs: number;
  readonly settle: (outcome: number | RonError) => void;
}

export interface WriterParts {
  readonly body: LogBody;
  readonly store: AuditStore;
  readonly clock: Clock;
  /** Why nothing is appended from the beginning. */
  readonly damage: string | undefined;
  /** After each batch. */
  readonly onGrown: () => void;
  /** After bundles were stored, and when there is no room: a chance to give up old ones. */
  readonly onStored: () => void;
}

/** The one who appends: entries gather while a batch is being made durable, and make up the next. */
export class LogWriter {
  readonly #parts: WriterParts;
  readonly #queue: Waiting[] = [];
  readonly #counts = { recorded: 0, offered: 0 };
  #running: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #probe: Timer | undefined;
  #full: string | undefined;
  #failed: string | undefined;
  #closed = false;
  #unreported = 0;
  dropped = 0;
  events: LogEvents = {};

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#failed = parts.damage;
  }

  get failure(): string | undefined {
    return this.#failed ?? this.#full;
  }

  /** Throws `unavailable` while nothing can be written, as far as is known. */
  ready(): void {
    if (this.#closed) throw unavailable('it is closed');
    if (this.failure !== undefined) throw unavailable(this.failure);
  }

  /** Resolves with the index. `urgent` is for what the log itself must note when the disk is full. */
  record(entry: AuditEntry, urgent = false): Promise<number> {
    const refusal = this.#refusal(this.#counts.recorded);
    if (refusal !== undefined) return Promise.reject(this.#count(refusal));
    return new Promise((resolve, reject) => {
      this.#push(entry, false, urgent, (outcome) => {
        if (typeof outcome === 'number') resolve(outcome);
        else reject(this.#count(outcome));
      });
    });
  }

  offer(entry: AuditEntry): void {
    if (this.#refusal(this.#counts.offered) === undefined) {
      this.#push(entry, true, false, (outcome) => {
        if (typeof outcome !== 'number') this.#drop(1);
      });
    } else {
      this.#drop(1);
    }
  }

  fail(reason: string): void {
    this.#failed ??= reason;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#probe?.cancel();
    while (this.#running !== undefined) await this.#running;
    if (this.#failed === undefined && this.#unreported > 0) {
      this.#reportDropped();
      await this.#running;
    }
    while (this.#flushing !== undefined) await this.#flushing.catch((error: unknown) => this.#judge(error));
  }

  #refusal(waiting: number): RonError | undefined {
    if (this.#closed) return unavailable('it is closed');
    if (this.#failed !== undefined) return unavailable(this.#failed);
    return waiting >= queueMax ? unavailable('too many entries wait already') : undefined;
  }

  #count(refusal: RonError): RonError {
    this.events.refused?.();
    return refusal;
  }

  #drop(count: number): void {
    this.dropped += count;
    this.#unreported += count;
    this.events.dropped?.(count);
  }

  #push(entry: AuditEntry, offered: boolean, urgent: boolean, settle: Waiting['settle']): void {
    const { clock } = this.#parts;
    const bytes = encodeLeaf(entry, clock.wallMs());
    this.#counts[offered ? 'offered' : 'recorded'] += 1;
    this.#queue.push({ bytes, offered, urgent, sinceMs: clock.monotonicMs(), settle });
    this.#start();
  }

  #start(): void {
    // A microtask later, so that what is recorded in the same turn shares the batch.
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .finally(() => {
        this.#running = undefined;
        if (this.#queue.length > 0) this.#start();
      });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#take();
      try {
        if (this.#failed !== undefined) throw new StoreError('failed', this.#failed);
        await this.#append(batch);
      } catch (error) {
        const refusal = this.#judge(error);
        for (const { settle } of batch) settle(refusal);
      }
      if (this.#unreported > 0 && this.failure === undefined && !this.#closed) this.#reportDropped();
    }
  }

  /** Urgent entries and others do not share a batch: the disk's reserve is for the former only. */
  #take(): Waiting[] {
    const urgent = this.#queue[0]?.urgent;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      bytes += waiting.bytes.byteLength;
      if (count === batchMax || (count > 0 && bytes > batchBytesMax) || waiting.urgent !== urgent) break;
      count += 1;
    }
    const batch = this.#queue.splice(0, count);
    for (const { offered } of batch) this.#counts[offered ? 'offered' : 'recorded'] -= 1;
    return batch;
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    const { body, store, clock, onGrown } = this.#parts;
    if (body.unstoredBundles >= unstoredBundlesMax) await this.#flush();
    const first = body.size;
    const entries = batch.map(({ bytes }) => bytes);
    const durable = store.append(first, entries, batch[0]?.urgent === true);
    const hashes = entries.map((entry) => treeHasher.leaf(entry));
    await durable;
    this.#full = undefined;
    for (const [at, entry] of entries.entries()) body.append(entry, hashes[at] as Uint8Array);
    const nowMs = clock.monotonicMs();
    for (const [at, { settle, sinceMs }] of batch.entries()) {
      settle(first + at);
      this.events.appended?.((nowMs - sinceMs) / 1_000);
    }
    onGrown();
    this.#flushRest();
  }

  #flushRest(): void {
    if (this.#parts.body.unstoredBundles > 0) void this.#flush().catch((error: unknown) => this.#judge(error));
  }

  #flush(): Promise<void> {
    // Cleared and begun again in one step, so that a close never finds a gap in between.
    this.#flushing ??= this.#parts.body.flush().then(
      () => {
        this.#flushing = undefined;
        this.#parts.onStored();
        this.#flushRest();
      },
      (error: unknown) => {
        this.#flushing = undefined;
        throw error;
      },
    );
    return this.#flushing;
  }

  #judge(error: unknown): RonError {
    if (error instanceof StoreError && error.reason === 'full') {
      this.#full = error.message;
      if (!this.#closed) this.#probe ??= this.#parts.clock.after(probeMs, () => void this.#tryAgain());
    } else {
      this.fail((error as Error).message);
    }
    return unavailable(this.failure ?? 'it cannot be written', error);
  }

  /** So that the gate turns green again without anybody having to try. */
  async #tryAgain(): Promise<void> {
    this.#probe = undefined;
    if (this.#closed || this.#failed !== undefined) return;
    // Retention may free what is missing.
    this.#parts.onStored();
    try {
      await this.#parts.store.makeRoom(probeBytes);
      // Closed in between: the folder may be somebody else's already.
      if (this.#closed) return;
      await this.#flush();
      this.#full = undefined;
      if (this.#unreported > 0) this.#reportDropped();
      this.#parts.onGrown();
    } catch (error) {
      this.#judge(error);
    }
  }

  #reportDropped(): void {
    const count = this.#unreported;
    this.#unreported = 0;
    this.#push(ownEntry('audit.dropped', { count: String(count) }), false, false, (outcome) => {
      // Not a drop of its own: the same count waits for the next chance.
      if (typeof outcome !== 'number') this.#unreported += count;
    });
  }
}

function unavailable(reason: string, cause?: unknown): RonError {
  return new RonError('unavailable', `the audit log cannot be written: ${reason}`, {
    details: { gate: 'audit' },
    ...(cause === undefined ? {} : { cause }),
  });
}
