import type { NameRecord } from './record.ts';

export type Awaitable<T> = T | Promise<T>;

/** The latest version of a name. A removed name keeps it, so that its versions go on counting. */
export interface Head {
  readonly record: NameRecord;
  readonly removed: boolean;
}

export interface Change {
  /** The version that must be the latest; 0 = the name was never set. */
  readonly expectedVersion: number;
  /** Whether that version must have been removed; false for a name that was never set. */
  readonly expectedRemoved: boolean;
  /** What the name becomes: its next version, or the latest one with `removed`. */
  readonly head: Head;
  /** Versions to keep, the latest included; older ones are forgotten with this change. */
  readonly versionsMax: number;
  /** Names to hold, removed ones included; the one past it is `full`. */
  readonly namesMax: number;
}

/** `stale`: another change came first. `full`: no room for one more name. In both cases nothing changed. */
export type Outcome = 'done' | 'stale' | 'full';

/** A position in the walk over all versions: the last one seen. */
export interface VersionPosition {
  readonly name: string;
  readonly version: number;
}

/** Tells that other processes changed names; without them, that any name may have changed. Only a hint: it may be late or lost. */
export type NamesChanged = (names: readonly string[] | undefined) => void;

/**
 * Where names are kept. `change` is atomic and the changes of one name are ordered: of two with the same
 * `expectedVersion` exactly one is `done`, whichever process asks. It resolves when the change is as durable as `durability` says and every
 * later read sees it; when it rejects, nothing of it is kept after a restart or all of it is.
 */
export interface NameEngine extends AsyncDisposable {
  /** `memory`: gone with the process. `fsync`: on stable storage when `change` resolves. */
  readonly durability: 'memory' | 'fsync';
  /** Why the engine takes no more changes; undefined while it does. */
  readonly failure: string | undefined;
  /** Present when other processes may change the same names: what was read before is out of date then. */
  readonly others?: { subscribe(changed: NamesChanged): Disposable };
  /** Names held, removed ones included. */
  size(): Awaitable<number>;
  head(name: string): Awaitable<Head | undefined>;
  change(change: Change): Promise<Outcome>;
  /** Versions below `belowVersion`, newest first. */
  history(name: string, belowVersion: number, limit: number): Awaitable<readonly NameRecord[]>;
  /** Heads whose names start with `prefix` and follow `after`, in the byte order of their UTF-8, removed ones included. */
  list(prefix: string, after: string | undefined, limit: number): Awaitable<readonly Head[]>;
  /** Every kept version of every name, removed ones included, in an order that changes do not disturb. */
  versions(after: VersionPosition | undefined, limit: number): Awaitable<readonly NameRecord[]>;
}
