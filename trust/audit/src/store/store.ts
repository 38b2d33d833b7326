/** `full`: nothing was kept, a later try may succeed. `failed`: what is on the disk is unknown; nothing more is written. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly reason: 'full' | 'failed';

  constructor(reason: 'full' | 'failed', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

export interface StoredBundle {
  readonly number: number;
  readonly bytes: Uint8Array;
}

export interface StoredTile extends StoredBundle {
  readonly level: number;
}

/**
 * Where a log is kept: entries as they come, full tiles and bundles, the last checkpoint. One writer. Every promise
 * resolves when its change is as durable as `durability` says, and rejects with a `StoreError`.
 */
export interface AuditStore extends AsyncDisposable {
  readonly durability: 'memory' | 'fsync';
  /** Full bundles from this number on are kept. */
  readonly bundlesFrom: number;
  readonly bundleBytes: number;
  /** All or none of them, and none before those of earlier calls. At most 256. `urgent` may use the disk's reserve. */
  append(first: number, entries: readonly Uint8Array[], urgent: boolean): Promise<void>;
  /** In order: the bundles, then the tiles, lowest level first; entries in a stored bundle need no other copy. */
  putTiles(bundles: readonly StoredBundle[], tiles: readonly StoredTile[]): Promise<void>;
  readTile(level: number, number: number): Promise<Uint8Array | undefined>;
  readBundle(number: number): Promise<Uint8Array | undefined>;
  dropBundles(below: number): Promise<void>;
  /** Replaces the one before, whole or not at all. */
  putCheckpoint(text: string): Promise<void>;
  /** Resolves when an append of that many bytes would find room. */
  makeRoom(bytes: number): Promise<void>;
}

/** What a store held when it was opened. */
export interface FoundLog {
  /** Full hash tiles at level 0. */
  readonly tiles: number;
  /** Entries behind those of the full tiles, contiguous. */
  readonly tail: readonly Uint8Array[];
  readonly checkpoint: string | undefined;
  /** Written after it, for the case that it goes bad: of the same size, or of the one before after a crash. */
  readonly checkpointCopy?: string | undefined;
  /** Why what is there cannot be gone on with. */
  readonly damage: string | undefined;
}
