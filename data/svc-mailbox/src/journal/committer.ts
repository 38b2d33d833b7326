import type { Journal } from '@ron/journal';
import { JournalError } from '@ron/journal';
import { RonError } from '@ron/proto/errors';
import type { Core } from '../engine/core.ts';
import type { Contents } from './contents.ts';
import { FairQueue } from './fair-queue.ts';
import { namesHeadBytes, type RecordBuffer } from './record-buffer.ts';

/** A decision that waits for its turn. */
export interface Task<T> {
  readonly tenant: string;
  /** Needs space that a full disk keeps for the others. */
  readonly storing: boolean;
  /** An upper bound of what it writes, record heads included. It counts against its tenant. */
  readonly bytesMax: number;
  /** May refuse with a `RonError`, as long as it has changed nothing. */
  run(): T;
}

/** Of tasks that nobody asked for. Not a tenant's name: those are ULIDs, UUIDs or nothing. */
export const ownTenant = ' ';

export interface CommitterPorts {
  readonly journal: Journal;
  readonly core: Core;
  readonly records: RecordBuffer;
  readonly contents: Contents;
  /** Of the log. */
  readonly segmentBytes: number;
  /** Disk space that the log takes at a time. */
  readonly stepBytes: number;
  readonly afterBatch: () => void;
  /** Of the file system; looked at before more of it is taken. */
  readonly freeBytes: () => Promise<number>;
}

/**
 * What the disk must have left for each message that is there: a lease and its end are about 140 bytes in the log. A
 * send that would leave less is refused, or else there would be messages that nobody can take out any more.
 */
const takingOutBytes = 192;

interface Waiting {
  readonly tenant: string;
  readonly cost: number;
  readonly task: Task<unknown>;
  resolve(outcome: unknown): void;
  reject(error: unknown): void;
}

/** What deciding anything costs, as bytes. */
const commandCost = 256;
/** What one write and sync takes on; a quarter of a segment where segments are small. */
const batchCostMax = 1_048_576;
const batchCountMax = 1_024;
const tenantWaitingMax = 4_096;
const waitingMax = 16_384;

/**
 * Decides and writes in batches: all decisions of a batch are made against a state that is on the disk already, and
 * are answered when they are too. Nothing is decided before there is room for its records, so a full disk never leaves
 * memory ahead of the log.
 */
export class Committer {
  readonly #ports: CommitterPorts;
  readonly #queue = new FairQueue<Waiting>(tenantWaitingMax, waitingMax);
  #running: Promise<void> | undefined;
  #failure: string | undefined;
  #closing = false;
  /** What is left of the disk is for those who take out. */
  #isTight = false;

  constructor(ports: CommitterPorts) {
    this.#ports = ports;
  }

  /** Why nothing is decided any more. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Rejects with `RonError`; nothing was changed then, unless the log failed under it. */
  submit<T>(task: Task<T>): Promise<T> {
    if (this.#failure !== undefined || this.#closing) return Promise.reject(failed());
    return new Promise<T>((resolve, reject) => {
      const { tenant, bytesMax } = task;
      const cost = commandCost + bytesMax;
      const waiting = { tenant, cost, task, resolve: resolve as (outcome: unknown) => void, reject };
      if (!this.#queue.push(waiting)) {
        reject(new RonError('unavailable', 'too much waits to be written', { retryAfterMs: 250 }));
        return;
      }
      // A microtask later, so that what comes in the same turn shares the write.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Refuses what comes from now on; resolves when what was taken before is written. */
  async close(): Promise<void> {
    this.#closing = true;
    while (this.#running !== undefined) await this.#running;
    this.fail('closed');
  }

  fail(reason: string): void {
    this.#failure ??= reason;
    // Who waits for a message must not wait for one that cannot come.
    this.#ports.core.watchers.wakeAll();
  }

  async #run(): Promise<void> {
    const costMax = Math.min(batchCostMax, this.#ports.segmentBytes / 4);
    while (this.#queue.size > 0) {
      const batch = this.#queue.take(costMax, batchCountMax);
      await this.#commit(batch).catch((error: unknown) => {
        // A defect of ours in the middle of a batch: memory and log may differ, so nothing more is decided.
        this.fail(`a batch failed: ${String(error)}`);
        for (const { reject } of batch) reject(failed(error));
      });
    }
    this.#running = undefined;
  }

  async #commit(taken: readonly Waiting[]): Promise<void> {
    const { journal, core, records, contents, afterBatch } = this.#ports;
    core.advance();
    const batch = await this.#withRoom(taken);
    if (batch.length === 0) return;
    // Time went on while room was made.
    records.nowMs = core.advance();
    const decided = this.#decide(batch);
    const pending = records.take();
    core.settle();
    if (pending.length > 0) {
      try {
        const places = await journal.appendAll(pending, { urgent: true });
        for (const [index, { message }] of pending.entries()) {
          if (message !== undefined) contents.placed(message, places[index]!);
        }
      } catch (error) {
        this.fail(error instanceof Error ? error.message : String(error));
        for (const { waiting } of decided) waiting.reject(failed(error));
        return;
      }
    }
    for (const { waiting, outcome } of decided) waiting.resolve(outcome);
    afterBatch();
  }

  #decide(batch: readonly Waiting[]): readonly { readonly waiting: Waiting; readonly outcome: unknown }[] {
    const decided: { waiting: Waiting; outcome: unknown }[] = [];
    for (const waiting of batch) {
      try {
        decided.push({ waiting, outcome: waiting.task.run() });
      } catch (error) {
        if (!(error instanceof RonError)) throw error;
        waiting.reject(error);
      }
    }
    return decided;
  }

  /** Those of the batch that there is room for; the others are refused. */
  async #withRoom(batch: readonly Waiting[]): Promise<readonly Waiting[]> {
    const { journal } = this.#ports;
    if (this.#failure !== undefined) return this.#refuse(batch, () => failed());
    const bytes = bytesOf(batch);
    const storing = batch.some(({ task }) => task.storing);
    // Room that was made for others is not for those who store.
    if (journal.room(bytes) && !(storing && this.#isTight)) return batch;
    try {
      if (storing) await this.#checkSpare(bytes);
      await journal.makeRoom(bytes);
      return batch;
    } catch (error) {
      if (isReason(error, 'invalid')) {
        return this.#refuse(
          batch,
          () => new RonError('payload_too_large', 'this is too much for one write of the log'),
        );
      }
      if (!isReason(error, 'full')) {
        this.fail(error instanceof Error ? error.message : String(error));
        return this.#refuse(batch, () => failed(error));
      }
    }
    const others = batch.filter(({ task }) => !task.storing);
    try {
      if (others.length > 0) await journal.makeRoom(bytesOf(others));
    } catch (error) {
      if (!isReason(error, 'full')) {
        this.fail(error instanceof Error ? error.message : String(error));
        return this.#refuse(batch, () => failed(error));
      }
    }
    const kept: Waiting[] = [];
    let keptBytes = namesHeadBytes;
    for (const waiting of batch) {
      const withThis = keptBytes + waiting.task.bytesMax;
      if (!waiting.task.storing && journal.room(withThis, true)) {
        kept.push(waiting);
        keptBytes = withThis;
      } else waiting.reject(new RonError('insufficient_storage', 'the disk is full'));
    }
    return kept;
  }

  async #checkSpare(bytes: number): Promise<void> {
    const { core, freeBytes, stepBytes } = this.#ports;
    const spareBytes = core.machine.life.ledger.messages * takingOutBytes;
    this.#isTight = (await freeBytes()) - stepBytes - bytes < spareBytes;
    if (this.#isTight) throw new JournalError('full', 'what is left is needed');
  }

  #refuse(batch: readonly Waiting[], reason: () => RonError): readonly Waiting[] {
    for (const { reject } of batch) reject(reason());
    return [];
  }
}

/** The names of what is sent are one record more. */
function bytesOf(batch: readonly Waiting[]): number {
  let bytes = namesHeadBytes;
  for (const { task } of batch) bytes += task.bytesMax;
  return bytes;
}

function isReason(error: unknown, reason: JournalError['reason']): boolean {
  return error instanceof JournalError && error.reason === reason;
}

function failed(cause?: unknown): RonError {
  return new RonError('unavailable', 'the mailbox log cannot be written; the node needs attention', {
    retryAfterMs: 5_000,
    ...(cause === undefined ? {} : { cause }),
  });
}
