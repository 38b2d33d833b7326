import type { Clock, Log, Timer } from '@ron/kernel';
import { type RouteClass, routeClasses } from '@ron/proto/contract';
import type { LiveConfig } from '@ron/service';
import type { GatewayConfig } from './config.ts';
import type { Quota } from './quota.ts';

/** One tenant's, one class's or one capability's buckets: how many tokens are gone. */
export interface QuotaRow {
  readonly requests?: number;
  readonly bytes?: number;
  /** Of a capability: its rate, without which nobody could tell when its bucket is full. */
  readonly per_second?: number;
  readonly classes?: Readonly<Partial<Record<RouteClass, QuotaRow>>>;
}

type Change = readonly [key: string, row: QuotaRow | undefined];

/** What is stored now. */
interface Stored {
  get(key: string): QuotaRow | undefined;
  entries(): Iterable<readonly [string, QuotaRow]>;
}

/** `openTable<QuotaRow>` of @ron/journal with `quotaRowsMax` entries; whoever opened it closes it. */
export interface QuotaStore {
  entries(): Iterable<readonly [string, QuotaRow]>;
  transact<T>(decide: (table: Stored) => { readonly changes: readonly Change[]; readonly result: T }): Promise<T>;
}

/** Rows that are stored at all, and that one snapshot writes; what does not fit comes with the next one. */
export const quotaRowsMax = 65_536;
const changesMax = 4_096;

export interface SnapshotOptions {
  readonly store: QuotaStore;
  readonly quota: Quota;
  readonly config: LiveConfig<GatewayConfig>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Stores what the quota remembers, every `quota_snapshot_s` and at the end. A crash forgets what was spent since the last
 * time, and nothing is refilled for the time between two processes. The bucket that all share for whom there is no room
 * is not stored.
 */
export class QuotaSnapshots implements AsyncDisposable {
  readonly #options: SnapshotOptions;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Rows of the last snapshot that were looked at: the next one begins behind them when there were too many changes. */
  #skip = 0;

  constructor(options: SnapshotOptions) {
    this.#options = options;
    for (const [key, row] of options.store.entries()) options.quota.restore(key, row);
    this.#arm();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    // Nothing is spent any more, so one pass over all rows is the last word, and a pass that began in the middle is none.
    this.#skip = 0;
    // More changes than one snapshot takes: as many as there can be.
    for (let round = 0; round <= quotaRowsMax / changesMax; round += 1) if (await this.#store()) break;
  }

  #arm(): void {
    const { clock, config } = this.#options;
    this.#timer = clock.after(config.current().quota_snapshot_s * 1_000, () => {
      this.#running = this.#store().then(() => {
        if (!this.#stopped) this.#arm();
      });
    });
  }

  /** True when there is nothing left to store, or no way to. */
  async #store(): Promise<boolean> {
    const { store, log } = this.#options;
    try {
      return await store.transact((table) => {
        const changes = this.#changes(table);
        return { changes, result: changes.length < changesMax };
      });
    } catch (err) {
      log.warn({ err }, 'the quotas were not stored: a restart would forget what was spent since the last time');
      return true;
    }
  }

  #changes(table: Stored): readonly Change[] {
    const rows = new Map(this.#options.quota.rows());
    const changes: Change[] = [];
    let kept = 0;
    for (const [key] of table.entries()) {
      if (rows.has(key)) kept += 1;
      else if (changes.length < changesMax) changes.push([key, undefined]);
      else kept += 1;
    }
    let looked = 0;
    for (const [key, row] of rows) {
      looked += 1;
      if (looked <= this.#skip) continue;
      const stored = table.get(key);
      if (stored !== undefined && isSameRow(stored, row)) continue;
      if (changes.length >= changesMax) {
        this.#skip = looked - 1;
        return changes;
      }
      if (stored === undefined && kept >= quotaRowsMax) continue;
      if (stored === undefined) kept += 1;
      changes.push([key, row]);
    }
    this.#skip = 0;
    return changes;
  }
}

/** Thousands of rows are compared with each snapshot, between two requests. */
function isSameRow(one: QuotaRow, other: QuotaRow): boolean {
  if (one.requests !== other.requests || one.bytes !== other.bytes || one.per_second !== other.per_second) return false;
  return routeClasses.every((name) => {
    const [mine, yours] = [one.classes?.[name], other.classes?.[name]];
    return mine === undefined || yours === undefined ? mine === yours : isSameRow(mine, yours);
  });
}
