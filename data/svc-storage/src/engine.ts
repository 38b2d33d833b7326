import type { Address } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';

/**
 * Where the bytes of objects live. One compliance suite (`tests/contract/engines`) holds for every implementation.
 *
 * Bytes are identified by their address only; identical bytes are stored once. The engine keeps the metadata of all
 * objects in RAM, so that look-ups are synchronous; it knows nothing of names, pins' meaning, policy or collection.
 */
export interface BlobEngine extends AsyncDisposable {
  /** What a resolved `commit`, `setState`, `setPin` or `purge` guarantees: nothing past the process, or stable storage. */
  readonly durability: 'memory' | 'fsync';

  /**
   * Begins an object of unknown address. Rejects with `insufficient_storage` when `sizeBytes` (if known) cannot fit
   * the budget, and with `unavailable` when the engine became read-only after an I/O error.
   */
  create(sizeBytes: number | undefined): Promise<BlobWriter>;

  /** Undefined when unknown. Trash and quarantined objects are reported with their state. */
  stat(address: Address): StoredObject | undefined;

  /**
   * The bytes `[start, start + length)`, which must lie inside the object. Every 64 KiB group is verified before any
   * byte of it is yielded; a bad one throws `integrity` after the object was quarantined and `onCorrupt` called.
   * Live and trashed objects can be read; others reject with `not_found` or `integrity`.
   */
  read(address: Address, start: number, length: number): ByteStream;

  /**
   * The same span as one piece, when it lies in memory now: the engine's own bytes, which never change, at once and
   * without I/O. Undefined otherwise, also for what cannot be read: `read` then says why.
   */
  resident?(address: Address, start: number, length: number): Uint8Array | undefined;

  /** The outboard at group log 6, header included (docs/specs/verified-bytes.md). */
  outboard(address: Address): Promise<Uint8Array>;

  /**
   * Present where `read` does not look at the stored bytes each time (in RAM, or behind a cache): checks the stored
   * groups that the range touches, and the only group of an empty object. A bad one rejects with `integrity` after the object was quarantined and `onCorrupt` called. Scrubbing calls it instead of reading.
   */
  verify?(address: Address, start: number, length: number): Promise<void>;

  /** Moves between `live` and `trash`; the time is kept with it. `stat` shows the new state from the call on. */
  setState(address: Address, state: 'live' | 'trash', atMs: number): Promise<void>;

  /**
   * Drops the bytes of a trashed or quarantined object for good and gives their space back; a live one is refused with
   * `conflict`. `stat` no longer knows it from the call on, so that an equal put in the meantime stores it anew.
   */
  purge(address: Address): Promise<void>;

  setPin(address: Address, holder: string, pinned: boolean): Promise<void>;
  pins(address: Address): readonly string[];

  /** All objects, in an order that stays stable for those present during the whole walk. */
  entries(): IterableIterator<StoredObject>;

  usage(): EngineUsage;

  /** Present where there is a journal: what was written to it since the engine was opened. */
  journalCounts?(): JournalCounts;

  /** Long-lived, resumable writes. */
  readonly stagings: StagingStore;

  /** Not ok while read-only, recovering, or past the write reserve. */
  gates(): readonly { readonly gate: string; readonly ok: boolean; readonly reason?: string }[];
}

export interface StoredObject {
  readonly address: Address;
  readonly sizeBytes: number;
  /** Wall clock when it was first stored. */
  readonly createdMs: number;
  readonly state: 'live' | 'trash' | 'quarantined';
  /** Wall clock when the state was entered. */
  readonly stateMs: number;
}

export interface JournalCounts {
  /** One sync covers all that gathered while the one before ran. */
  readonly syncs: number;
  readonly bytes: number;
}

export interface EngineUsage {
  readonly objects: number;
  /** Bytes of live, trashed and quarantined objects, plus what open writers and stagings hold. */
  readonly bytes: number;
  readonly objectsMax: number;
  readonly bytesMax: number;
  readonly trashObjects: number;
  readonly trashBytes: number;
  readonly quarantined: number;
}

/** One object being written. Either `commit` or `abort` ends it; an unended one is aborted by dispose. */
export interface BlobWriter extends AsyncDisposable {
  /**
   * Takes any split of the bytes; the engine may keep the array until the next call resolves. Rejects with
   * `insufficient_storage` when the budget is reached; nothing then remains of the object after `abort`.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Resolves once the object is as durable as the engine says. `expected` that differs: `bad_digest`, nothing stored.
   * `stored` is false when the same bytes were already live (trashed ones come back to life, quarantined ones are
   * replaced by these good bytes: both answer true).
   */
  commit(expected: Address | undefined): Promise<{ readonly object: StoredObject; readonly stored: boolean }>;
  abort(): Promise<void>;
}

/**
 * Staged bytes that outlive a connection and, on disk, a restart: the ground of resumable uploads. Ids are 32 lower
 * case hex digits. What was written is kept after a crash up to what `sync` covered.
 */
export interface StagingStore {
  create(id: string, sizeBytes: number, meta: StagingMeta): Promise<Staging>;
  /** Undefined when there is none. */
  open(id: string): Promise<Staging | undefined>;
  list(): Promise<readonly string[]>;
}

/** Kept beside the bytes. */
export interface StagingMeta {
  readonly tenant: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** The address announced by the client, when it did. */
  readonly address?: Address;
  /** Present for verified uploads: already checked against `address`. */
  readonly outboard?: Uint8Array;
}

export interface Staging {
  readonly id: string;
  readonly sizeBytes: number;
  readonly meta: StagingMeta;
  /** Bytes from the start that are known to be there (plain uploads: the resume offset after a restart). */
  readonly contiguousBytes: number;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Makes what was written so far survive a crash. */
  sync(): Promise<void>;
  /** Turns the staged bytes into an object without writing them twice where the engine can. The staging is gone after it. */
  commit(expected: Address | undefined): Promise<{ readonly object: StoredObject; readonly stored: boolean }>;
  remove(): Promise<void>;
}

/** What an engine needs from its owner. */
export interface EngineEvents {
  /** A stored group failed verification; the object is quarantined by the time this is called. */
  onCorrupt(address: Address, detail: string): void;
  /** Stored bytes were damaged in a way that may have cost a change of an object that cannot be named. */
  onDamage?(detail: string): void;
}
