import type { Env } from '@ron/kernel';

export interface JournalOptions {
  readonly env: Pick<Env, 'disk' | 'random'>;
  /** Made when absent. One journal a folder; nothing else may live in it. */
  readonly folder: string;
  /** A segment past this many bytes is sealed and the next begun. Default 64 MiB, at most 1 GiB. */
  readonly segmentBytes?: number;
  /** Disk space is taken in steps of this many bytes, ahead of the records. Default 4 MiB. */
  readonly preallocateBytes?: number;
  /** Space kept ahead of the records for urgent appends when the disk is full. Default 64 KiB. */
  readonly reserveBytes?: number;
  /** Largest payload. Default 1 MiB, at most 16 MiB. */
  readonly recordBytesMax?: number;
  /** Payload bytes that may wait for their turn; past it appends are refused (`busy`). Default 32 MiB. */
  readonly queueBytesMax?: number;
  /** Bytes that one write and sync take from the queue. Default 4 MiB. */
  readonly batchBytesMax?: number;
  /** Sealed segments that are kept open for reads. Default 64. */
  readonly openSegmentsMax?: number;
  /**
   * Leading bytes of a payload that visitors of sealed segments need. Present: sealed segments get an index file with
   * these bytes, and replay reads it instead of the segment.
   */
  readonly keptBytes?: (kind: number, payloadBytes: number) => number;
  /** Sees every record found at opening, in order, before `openJournal` resolves. */
  readonly visit?: JournalVisitor;
  /** Called once when the journal becomes read-only. */
  readonly onFailed?: (reason: Error) => void;
}

/** A record to be appended. */
export interface NewRecord {
  /** 1 to 32 767. */
  readonly kind: number;
  /** Must not change until the append is over. */
  readonly payload: readonly Uint8Array[];
}

/** Where a record lies. Plain numbers, so that millions can be kept in whatever form suits. */
export interface RecordPlace {
  readonly segment: number;
  readonly offsetBytes: number;
  readonly payloadBytes: number;
}

export interface RecordLocation extends RecordPlace {
  readonly sequence: number;
}

export interface JournalRecord extends RecordLocation {
  readonly kind: number;
  /** All of it, or its leading `keptBytes` when it comes from an index. Valid during the call only. */
  readonly payload: Uint8Array;
}

export type JournalVisitor = (record: JournalRecord) => void | Promise<void>;

/** Bytes in which records were, or may have been, and are no more. Nothing else of the journal is affected. */
export interface JournalDamage {
  readonly segment: number;
  readonly startBytes: number;
  readonly endBytes: number;
  /**
   * `record`: acknowledged bytes went bad. `last-write`: whole records follow, but within the last write, which a
   * power cut may have torn before it was acknowledged. `header`: one copy of a segment header is bad, nothing is
   * lost. `segment`: both are, the segment cannot be read. `tail`: what followed the last whole record was cut off.
   */
  readonly kind: 'record' | 'last-write' | 'header' | 'segment' | 'tail';
}

export interface SegmentInfo {
  readonly segment: number;
  /** Up to the end of the last record. */
  readonly bytes: number;
  readonly sealed: boolean;
}

export type Limits = Required<
  Pick<
    JournalOptions,
    | 'segmentBytes'
    | 'preallocateBytes'
    | 'reserveBytes'
    | 'recordBytesMax'
    | 'queueBytesMax'
    | 'batchBytesMax'
    | 'openSegmentsMax'
  >
>;

const MiB = 1024 * 1024;

export function limitsOf(options: JournalOptions): Limits {
  const limits = {
    segmentBytes: options.segmentBytes ?? 64 * MiB,
    preallocateBytes: options.preallocateBytes ?? 4 * MiB,
    reserveBytes: options.reserveBytes ?? 65_536,
    recordBytesMax: options.recordBytesMax ?? MiB,
    queueBytesMax: options.queueBytesMax ?? 32 * MiB,
    batchBytesMax: options.batchBytesMax ?? 4 * MiB,
    openSegmentsMax: options.openSegmentsMax ?? 64,
  };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer`);
  }
  if (limits.segmentBytes > 1024 * MiB) throw new RangeError('segmentBytes is at most 1 GiB');
  if (limits.recordBytesMax > 16 * MiB) throw new RangeError('recordBytesMax is at most 16 MiB');
  return limits;
}
