import type { File } from '@ron/kernel';
import {
  decodeRecordHead,
  type RecordHead,
  readSequence,
  recordHeadBytes,
  recordHolds,
  recordLengthMin,
  recordsStart,
} from './format.ts';

/** Reads are done in steps of this size; a window also has room for one whole record. */
const stepBytes = 1024 * 1024;
/** A record further ahead than this is not believed to follow: a segment cannot hold more. */
const sequenceJumpMax = 2 ** 28;
const zeros = Buffer.alloc(65_536);

export interface ScannedRecord extends RecordHead {
  readonly offsetBytes: number;
  /** Valid during the call only. */
  readonly payload: Uint8Array;
}

/** Bytes that hold no whole record although whole records follow, or should. */
export interface BadRegion {
  readonly startBytes: number;
  readonly endBytes: number;
  /**
   * A later write exists, so these bytes had been synced and acknowledged. False: they belong to the last write of
   * the segment, which a power cut may have torn before anybody was told that it was safe.
   */
  readonly acknowledged: boolean;
  /** Of the record before. */
  readonly afterSequence: number;
}

export interface ScanResult {
  /** End of the last whole record. */
  readonly endBytes: number;
  /** 0 when there is no record. */
  readonly lastSequence: number;
  readonly bad: readonly BadRegion[];
  /** Bytes after the last whole record that are not zero: what a torn write left. */
  readonly tornBytes: number;
}

export interface ScanOptions {
  readonly file: File;
  readonly sizeBytes: number;
  readonly salted: number;
  readonly firstSequence: number;
  readonly recordBytesMax: number;
  readonly visit?: ((record: ScannedRecord) => void | Promise<void>) | undefined;
}

/** Visits all whole records of a segment in order and reports what lies between them. */
export async function scanSegment(options: ScanOptions): Promise<ScanResult> {
  const { salted, recordBytesMax, visit } = options;
  const window = new Window(options.file, options.sizeBytes, recordBytesMax);
  const gaps: Omit<BadRegion, 'acknowledged'>[] = [];
  const bad: BadRegion[] = [];
  let position = recordsStart;
  let lastSequence = options.firstSequence - 1;
  let records = 0;
  for (;;) {
    let head = await wholeRecord(window, position, lastSequence, salted, recordBytesMax);
    if (head === undefined) {
      const next = await findRecord(window, position + 1, lastSequence, salted, recordBytesMax);
      if (next === undefined) break;
      gaps.push({ startBytes: position, endBytes: next, afterSequence: lastSequence });
      position = next;
      head = await wholeRecord(window, position, lastSequence, salted, recordBytesMax);
      if (head === undefined) break;
    }
    if (head.batchStart) {
      for (const gap of gaps.splice(0)) bad.push({ ...gap, acknowledged: true });
    }
    const at = position - window.start + recordHeadBytes;
    const payload = window.bytes.subarray(at, at + head.payloadBytes);
    const seen = visit?.({ ...head, offsetBytes: position, payload });
    if (seen !== undefined) await seen;
    lastSequence = head.sequence;
    records += 1;
    position += recordHeadBytes + head.payloadBytes;
  }
  for (const gap of gaps) bad.push({ ...gap, acknowledged: false });
  const tornBytes = (await lastNonZero(window, position)) - position;
  return { endBytes: position, lastSequence: records === 0 ? 0 : lastSequence, bad, tornBytes };
}

async function wholeRecord(
  window: Window,
  position: number,
  lastSequence: number,
  salted: number,
  recordBytesMax: number,
): Promise<RecordHead | undefined> {
  if (!(window.has(position, recordHeadBytes) || (await window.load(position, recordHeadBytes)))) return undefined;
  const head = decodeRecordHead(window.bytes, position - window.start);
  if (head.payloadBytes < 0 || head.payloadBytes > recordBytesMax) return undefined;
  if (head.sequence <= lastSequence || head.sequence > lastSequence + sequenceJumpMax) return undefined;
  const length = recordHeadBytes + head.payloadBytes;
  if (!(window.has(position, length) || (await window.load(position, length)))) return undefined;
  return recordHolds(window.bytes, position - window.start, head.payloadBytes, salted) ? head : undefined;
}

/** The place of the next whole record at or after `from`. */
async function findRecord(
  window: Window,
  from: number,
  lastSequence: number,
  salted: number,
  recordBytesMax: number,
): Promise<number | undefined> {
  for (let position = from; ; ) {
    if (!(window.has(position, recordHeadBytes) || (await window.load(position, recordHeadBytes)))) return undefined;
    const { bytes } = window;
    const last = window.start + bytes.byteLength - recordHeadBytes;
    while (position <= last) {
      const at = position - window.start;
      if (bytes[at] === 0 && bytes.byteLength - at >= zeros.byteLength && isZero(bytes, at, at + zeros.byteLength)) {
        // Keeps the last bytes of the block: a record may begin with them.
        position += zeros.byteLength - recordHeadBytes;
        continue;
      }
      const payloadBytes = bytes.readUInt32LE(at) - recordLengthMin;
      if (payloadBytes >= 0 && payloadBytes <= recordBytesMax) {
        const sequence = readSequence(bytes, at);
        if (sequence > lastSequence && sequence <= lastSequence + sequenceJumpMax) {
          if (await wholeRecord(window, position, lastSequence, salted, recordBytesMax)) return position;
          if (window.bytes !== bytes) {
            // The look-ahead moved the window; go on from there.
            position += 1;
            break;
          }
        }
      }
      position += 1;
    }
  }
}

/** One past the last byte from `from` on that is not zero; `from` when there is none. */
async function lastNonZero(window: Window, from: number): Promise<number> {
  let end = from;
  for (let position = from; position < window.sizeBytes; ) {
    if (!(window.has(position, 1) || (await window.load(position, 1)))) break;
    const { bytes } = window;
    const start = position - window.start;
    for (let block = start; block < bytes.byteLength; block += zeros.byteLength) {
      const blockEnd = Math.min(block + zeros.byteLength, bytes.byteLength);
      if (isZero(bytes, block, blockEnd)) continue;
      for (let at = blockEnd - 1; at >= block; at -= 1) {
        if (bytes[at] !== 0) {
          end = window.start + at + 1;
          break;
        }
      }
    }
    position = window.start + bytes.byteLength;
  }
  return end;
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  return bytes.compare(zeros, 0, end - start, start, end) === 0;
}

/** A moving view of the file. */
class Window {
  readonly sizeBytes: number;
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  readonly #file: File;
  readonly #room: Buffer;

  constructor(file: File, sizeBytes: number, recordBytesMax: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.#room = Buffer.allocUnsafe(Math.max(1, Math.min(sizeBytes, stepBytes + recordBytesMax + recordHeadBytes)));
  }

  has(position: number, length: number): boolean {
    return position >= this.start && position + length <= this.start + this.bytes.byteLength;
  }

  /** False when the file ends before. Views of earlier bytes are dead afterwards. */
  async load(position: number, length: number): Promise<boolean> {
    if (position + length > this.sizeBytes) return false;
    const wanted = Math.min(this.#room.byteLength, this.sizeBytes - position);
    const read = await this.#file.read(this.#room.subarray(0, wanted), position);
    this.start = position;
    this.bytes = this.#room.subarray(0, read);
    return read >= length;
  }
}
