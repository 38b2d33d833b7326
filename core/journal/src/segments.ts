import type { Disk, File } from '@ron/kernel';
import { JournalError } from './errors.ts';
import { decodeRecordHead, recordHeadBytes, recordHolds } from './format.ts';
import type { RecordPlace } from './options.ts';

/** Pieces up to here are read on the spot (see the port's `readSync`). */
const syncReadBytes = 65_536;
const syncReadsMax = 2;

export interface Segment {
  readonly id: number;
  readonly salt: Uint8Array;
  /** Start value of the checksums. */
  readonly salted: number;
  readonly firstSequence: number;
  /** End of the last record. */
  endBytes: number;
  sealed: boolean;
  file: File | undefined;
  /** Asynchronous uses of `file` that run. */
  users: number;
}

function segmentName(id: number): string {
  return id.toString(16).padStart(8, '0');
}

/** The segments of a journal and their descriptors, of which a bounded number stays open. */
export class SegmentSet {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #openMax: number;
  readonly #byId = new Map<number, Segment>();
  /** Sealed segments with an open file, least recently used first. */
  readonly #open = new Set<Segment>();

  constructor(disk: Disk, folder: string, openMax: number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#openMax = openMax;
  }

  path(id: number, suffix: 'log' | 'idx' | 'new'): string {
    return `${this.#folder}/${segmentName(id)}.${suffix}`;
  }

  get(id: number): Segment | undefined {
    return this.#byId.get(id);
  }

  all(): IterableIterator<Segment> {
    return this.#byId.values();
  }

  add(segment: Segment): void {
    this.#byId.set(segment.id, segment);
  }

  /** From now on the descriptor may be closed when others need the room. */
  async seal(segment: Segment): Promise<void> {
    segment.sealed = true;
    if (segment.file !== undefined) this.#open.add(segment);
    await this.#evict();
  }

  /** The payload at `place`, at once where the file is open and the record small. Throws or rejects `corrupt`. */
  read(place: RecordPlace): Uint8Array | Promise<Uint8Array> {
    const segment = this.#byId.get(place.segment);
    if (segment === undefined) throw new JournalError('unknown', `there is no segment ${place.segment}`);
    const length = recordHeadBytes + place.payloadBytes;
    if (segment.file === undefined || length > syncReadBytes * syncReadsMax) return this.#readAsync(segment, place);
    if (segment.sealed) this.#touch(segment);
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length; at += syncReadBytes) {
      const part = bytes.subarray(at, Math.min(at + syncReadBytes, length));
      if (segment.file.readSync(part, place.offsetBytes + at) !== part.byteLength) throw corrupt(place);
    }
    return checked(segment, place, bytes);
  }

  /** Runs `work` with the open file; the descriptor is not closed meanwhile. */
  async using<T>(segment: Segment, work: (file: File) => Promise<T>): Promise<T> {
    segment.users += 1;
    try {
      if (segment.file === undefined) {
        const file = await this.#disk.open(this.path(segment.id, 'log'), 'read');
        // Another reader may have been quicker.
        if (segment.file === undefined) segment.file = file;
        else await file.close();
      }
      if (segment.sealed) this.#touch(segment);
      return await work(segment.file as File);
    } finally {
      segment.users -= 1;
      await this.#evict();
    }
  }

  /** Removes a sealed segment for good; resolves when that is durable. */
  async drop(id: number): Promise<void> {
    const segment = this.#byId.get(id);
    if (segment === undefined) throw new JournalError('unknown', `there is no segment ${id}`);
    if (!segment.sealed) throw new JournalError('invalid', 'the segment being written cannot be dropped');
    await this.#disk.remove(this.path(id, 'log'));
    await this.#disk.remove(this.path(id, 'idx'));
    await this.#disk.syncDirectory(this.#folder);
    this.#byId.delete(id);
    await this.#evict();
  }

  async close(): Promise<void> {
    for (const segment of this.#byId.values()) {
      const { file } = segment;
      segment.file = undefined;
      await file?.close();
    }
    this.#byId.clear();
    this.#open.clear();
  }

  async #readAsync(segment: Segment, place: RecordPlace): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(recordHeadBytes + place.payloadBytes);
    const read = await this.using(segment, (file) => file.read(bytes, place.offsetBytes));
    if (read !== bytes.byteLength) throw corrupt(place);
    return checked(segment, place, bytes);
  }

  #touch(segment: Segment): void {
    this.#open.delete(segment);
    this.#open.add(segment);
  }

  async #evict(): Promise<void> {
    for (const segment of this.#open) {
      const dropped = !this.#byId.has(segment.id);
      if (this.#open.size <= this.#openMax && !dropped) continue;
      if (segment.users > 0) continue;
      this.#open.delete(segment);
      const { file } = segment;
      segment.file = undefined;
      await file?.close();
    }
  }
}

function checked(segment: Segment, place: RecordPlace, bytes: Buffer): Uint8Array {
  const { payloadBytes } = decodeRecordHead(bytes, 0);
  if (payloadBytes !== place.payloadBytes || !recordHolds(bytes, 0, payloadBytes, segment.salted)) throw corrupt(place);
  return bytes.subarray(recordHeadBytes);
}

function corrupt(place: RecordPlace): JournalError {
  return new JournalError('corrupt', `the record at ${segmentName(place.segment)}:${place.offsetBytes} is damaged`);
}
