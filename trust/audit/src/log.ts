import type { AuditEntry, AuditReceipt, AuditStage } from '@ron/service';
import type { HashReader, TileName } from '@ron/tlog';
import type { LogSigner } from './signer.ts';

export interface SignedHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed note. */
  readonly text: string;
}

export interface StoredEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  /** Undefined when retention has taken it. */
  readonly entry: Uint8Array | undefined;
}

export interface LogEvents {
  /** Seconds from the call to stable storage. */
  readonly appended?: (seconds: number) => void;
  readonly dropped?: (count: number) => void;
  readonly refused?: () => void;
}

/**
 * The evidence of a node: an append-only Merkle tree of entries with signed checkpoints. An entry is as durable as the
 * engine says (`memory`: gone with the process; `fsync`: on stable storage) before `record` resolves, and a checkpoint is
 * signed only over such entries, and published only once it is stored.
 */
export interface AuditLog extends AuditStage, AsyncDisposable {
  readonly durability: 'memory' | 'fsync';
  readonly signer: LogSigner;
  /** Entries that are durable. */
  readonly size: number;
  /** Entries below this index are not kept; their hashes are. */
  readonly keptFrom: number;
  /** Why nothing can be recorded at this moment. */
  readonly failure: string | undefined;
  /** Offered entries that were dropped since the log was opened. */
  readonly dropped: number;
  /** Rejects with `unavailable` when the log cannot be written, `details.gate` being `audit`. */
  record(entry: AuditEntry): Promise<AuditReceipt>;
  offer(entry: AuditEntry): void;
  /**
   * The newest published checkpoint, over at least `covering` entries; one is made when there are newer entries. Without
   * `covering`, the last one when no newer can be made. Rejects with `unavailable`.
   */
  checkpoint(covering?: number): Promise<SignedHead>;
  /** At most 256 entries from `from`, each checked against its hash. Rejects with `integrity`, `details.index` the first bad one. */
  read(from: number, to: number): Promise<readonly StoredEntry[]>;
  /** A tile or bundle, of exactly the width asked for; undefined when there is no such one (any more). */
  tile(name: TileName): Promise<Uint8Array | undefined>;
  readonly hashes: HashReader;
  /** Resolves with the size once it is above `size`, or after `waitMs`, or when the signal aborts. */
  grown(size: number, waitMs: number, signal?: AbortSignal): Promise<number>;
  /** For the metrics of whoever holds the log; the last call counts. */
  observe(events: LogEvents): void;
}
