import type { Clock } from '@ron/kernel';
import type { Postgres, Session } from '@ron/postgres';
import { RonError } from '@ron/proto/errors';
import type { BoxKey } from '../state/command.ts';
import type { MachineCounters } from '../state/lifecycle.ts';
import { enter, leave } from './statements.ts';

/** As many as the migration made rows in `mailbox_partitions`. */
export const partitionCount = 64;
/** Commands of one partition that share a transaction, and so its sync. */
const batchMax = 64;
/** Commands of this process that wait. */
const waitingMax = 16_384;

/** What is to be done in a partition at a time of the mailbox clock. It may be run again, from the start, before it counts. */
export type PartitionTask<T> = (session: Session, nowMs: number) => Promise<T>;

interface Waiting {
  readonly task: PartitionTask<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Counted {
  readonly expired: number;
  readonly died_attempts: number;
  readonly died_expired: number;
  readonly died_damaged: number;
}

/**
 * Runs commands one partition at a time: what arrives while a transaction of that partition runs shares the next one. The
 * mailbox clock is that of this process, set forward to what any process has reached in the database: it goes on while
 * somebody runs, stands still while nobody does, and follows no wall clock.
 */
export class Partitions {
  readonly #database: Postgres;
  readonly #clock: Clock;
  readonly #counters: MachineCounters;
  readonly #queues = new Map<number, Waiting[]>();
  #originMs: number;
  #waiting = 0;

  constructor(database: Postgres, clock: Clock, counters: MachineCounters) {
    this.#database = database;
    this.#clock = clock;
    this.#counters = counters;
    this.#originMs = -clock.monotonicMs();
  }

  /** The mailbox time, as far as this process knows it. */
  get nowMs(): number {
    return Math.floor(this.#originMs + this.#clock.monotonicMs());
  }

  in<T>(key: BoxKey, task: PartitionTask<T>): Promise<T> {
    return this.run(partitionOf(key), task);
  }

  run<T>(partition: number, task: PartitionTask<T>): Promise<T> {
    if (this.#waiting >= waitingMax) {
      return Promise.reject(new RonError('unavailable', 'too much waits to be written', { retryAfterMs: 250 }));
    }
    this.#waiting += 1;
    return new Promise<T>((resolve, reject) => {
      const waiting = { task, resolve: resolve as (result: unknown) => void, reject };
      const queue = this.#queues.get(partition);
      if (queue !== undefined) queue.push(waiting);
      else {
        this.#queues.set(partition, [waiting]);
        // A microtask later, so that what comes in the same turn shares the transaction.
        queueMicrotask(() => void this.#drain(partition));
      }
    });
  }

  async #drain(partition: number): Promise<void> {
    const queue = this.#queues.get(partition)!;
    while (queue.length > 0) {
      const batch = queue.splice(0, batchMax);
      await this.#commit(partition, batch);
      this.#waiting -= batch.length;
    }
    this.#queues.delete(partition);
  }

  async #commit(partition: number, batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#database.transact((session) => this.#decide(session, partition, batch));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index]);
    } catch (error) {
      // One that the server cannot take must not take the others with it.
      if (batch.length > 1 && !(error instanceof RonError))
        for (const one of batch) await this.#commit(partition, [one]);
      else for (const { reject } of batch) reject(error);
    }
  }

  async #decide(session: Session, partition: number, batch: readonly Waiting[]): Promise<readonly unknown[]> {
    const values = [partition, this.nowMs, this.#clock.wallMs()];
    const [before] = await session.query<Counted & { readonly now_ms: number }>(enter, values);
    const nowMs = before!.now_ms;
    this.#originMs += Math.max(0, nowMs - this.nowMs);
    const results: unknown[] = [];
    for (const { task } of batch) results.push(await task(session, nowMs));
    const [after] = await session.query<Counted>(leave, [partition]);
    this.#count(before!, after!);
    return results;
  }

  #count(before: Counted, after: Counted): void {
    this.#counters.expired += after.expired - before.expired;
    const { dead } = this.#counters;
    dead.attempts += after.died_attempts - before.died_attempts;
    dead.expired += after.died_expired - before.died_expired;
    dead.damaged += after.died_damaged - before.died_damaged;
  }
}

/** FNV-1a over both names. All processes must agree: never change it. */
export function partitionOf({ tenant, box }: BoxKey): number {
  let hash = 0x811c9dc5;
  const text = `${tenant}\n${box}`;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % partitionCount;
}
