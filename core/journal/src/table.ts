import type { Env } from '@ron/kernel';
import { RamTable } from './ram-table.ts';
import { openTableLog } from './table-log.ts';

/**
 * A durable map of small values, all of it in memory: for state of at most some hundred thousand entries that changes
 * some hundred times a second (passports, revocations, registry, policies). Values are plain JSON; what `get` returns
 * is frozen.
 */
export interface Table<V> extends AsyncDisposable {
  readonly size: number;
  /** Why nothing can be written any more; reading goes on. */
  readonly failed: string | undefined;
  get(key: string): V | undefined;
  /** Every entry whose key starts with `prefix`, in no particular order. Do not change the table while iterating. */
  entries(prefix?: string): Iterable<readonly [string, V]>;
  /**
   * The one way to change it. Transactions run one after the other: `decide` sees what all before it left, and its
   * changes are in the table, and as durable as the engine is, all or none, before the promise resolves. `decide` runs
   * once, in the order of the calls. What it throws is passed on and changes nothing. Rejects with `insufficient_storage` (too many entries or bytes, disk
   * full) and `unavailable` (closed, failed, 4,096 wait already). `urgent` may use a small reserve of a full disk.
   */
  transact<T>(decide: (table: TableView<V>) => Decision<V, T>, options?: { readonly urgent?: boolean }): Promise<T>;
}

export type TableView<V> = Pick<Table<V>, 'get' | 'entries' | 'size'>;

export interface Decision<V, T> {
  /** In order; `undefined` removes the entry. */
  readonly changes: readonly Change<V>[];
  readonly result: T;
}

export type Change<V> = readonly [key: string, value: V | undefined];

export interface TableLimits {
  readonly entriesMax: number;
  /** Of all keys and values as JSON, in characters. Default 64 Mi. */
  readonly charactersMax?: number;
}

export interface TableOptions extends TableLimits {
  readonly env: Pick<Env, 'disk' | 'random'>;
  /** Made when absent; nothing else may live in it. */
  readonly folder: string;
  /** A log below this many bytes is not made smaller. Default 1 MiB. */
  readonly logBytesMin?: number;
  /** Of one file of the log, beside a last record that may be larger. Default 4 MiB. */
  readonly segmentBytes?: number;
  /** Told at opening of each place where acknowledged bytes were lost, and once when the log becomes read-only. */
  readonly onDamage?: (detail: string) => void;
}

/** Gone with the process. */
export function createRamTable<V>(limits: TableLimits): Table<V> {
  return new RamTable<V>(limits);
}

/** On stable storage: a journal of transactions, which is rewritten when most of it is history. */
export async function openTable<V>(options: TableOptions): Promise<Table<V>> {
  const entries = new Map<string, string>();
  const log = await openTableLog(options, entries);
  return new RamTable<V>(options, log, entries);
}
