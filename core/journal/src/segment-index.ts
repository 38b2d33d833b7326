import { crc32 } from 'node:zlib';
import type { Disk } from '@ron/kernel';
import type { RecordHead } from './format.ts';

/**
 * What a start-up needs of a sealed segment, so that it does not read the payloads: the head and the first bytes of
 * each record. Beside the segment, written once, replaced never. A file that does not hold is ignored: the segment
 * itself has everything.
 *
 * `magic "RONX" | version u8 | zero ×3 | salt ×8 | end u32 | records u32`, then for each record
 * `offset u32 | payload length u32 | sequence u64 | kind u16 | kept u16 | bytes`, then a CRC-32 of all before it.
 */
export interface IndexedRecord extends Omit<RecordHead, 'batchStart'> {
  readonly offsetBytes: number;
  /** The first bytes of the payload, as many as were kept. */
  readonly kept: Uint8Array;
}

export interface SegmentIndex {
  readonly endBytes: number;
  readonly lastSequence: number;
  readonly records: number;
  visit(each: (record: IndexedRecord) => void | Promise<void>): Promise<void>;
}

const magic = 0x584e_4f52; // "RONX"
const version = 1;
const headBytes = 24;
const entryBytes = 20;
/** Bytes kept of one payload at most. */
export const keptBytesMax = 4096;

/** Collects entries while a segment is read. */
export class SegmentIndexBuilder {
  #bytes = Buffer.alloc(64 * 1024);
  #length = headBytes;
  #records = 0;

  add(record: RecordHead & { readonly offsetBytes: number; readonly payload: Uint8Array }, keptBytes: number): void {
    const kept = Math.min(keptBytes, keptBytesMax, record.payload.byteLength);
    const at = this.#length;
    this.#room(at + entryBytes + kept + 4);
    const bytes = this.#bytes;
    bytes.writeUInt32LE(record.offsetBytes, at);
    bytes.writeUInt32LE(record.payloadBytes, at + 4);
    bytes.writeUInt32LE(record.sequence >>> 0, at + 8);
    bytes.writeUInt32LE(Math.floor(record.sequence / 2 ** 32), at + 12);
    bytes.writeUInt16LE(record.kind, at + 16);
    bytes.writeUInt16LE(kept, at + 18);
    bytes.set(record.payload.subarray(0, kept), at + entryBytes);
    this.#length = at + entryBytes + kept;
    this.#records += 1;
  }

  finish(salt: Uint8Array, endBytes: number): Uint8Array {
    const bytes = this.#bytes;
    bytes.writeUInt32LE(magic, 0);
    bytes.writeUInt8(version, 4);
    bytes.set(salt, 8);
    bytes.writeUInt32LE(endBytes, 16);
    bytes.writeUInt32LE(this.#records, 20);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, this.#length)), this.#length);
    return bytes.subarray(0, this.#length + 4);
  }

  #room(needed: number): void {
    if (needed <= this.#bytes.byteLength) return;
    const grown = Buffer.alloc(Math.max(needed, this.#bytes.byteLength * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Undefined when the file is absent, unreadable, of another segment or damaged. */
export async function readSegmentIndex(disk: Disk, path: string, salt: Uint8Array): Promise<SegmentIndex | undefined> {
  const stat = await disk.stat(path);
  if (stat?.kind !== 'file' || stat.sizeBytes < headBytes + 4) return undefined;
  const bytes = Buffer.allocUnsafe(stat.sizeBytes);
  const file = await disk.open(path, 'read');
  try {
    if ((await file.read(bytes, 0)) !== bytes.byteLength) return undefined;
  } catch {
    // A bad sector under an index costs time, not records.
    return undefined;
  } finally {
    await file.close();
  }
  const end = bytes.byteLength - 4;
  if (bytes.readUInt32LE(0) !== magic || bytes.readUInt8(4) !== version) return undefined;
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) return undefined;
  if (bytes.compare(salt, 0, 8, 8, 16) !== 0) return undefined;
  return parse(bytes, end);
}

function parse(bytes: Buffer, end: number): SegmentIndex | undefined {
  const records = bytes.readUInt32LE(20);
  const offsets: number[] = [];
  let lastSequence = 0;
  for (let at = headBytes; at < end; ) {
    if (at + entryBytes > end) return undefined;
    offsets.push(at);
    lastSequence = bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 2 ** 32;
    at += entryBytes + bytes.readUInt16LE(at + 18);
  }
  if (offsets.length !== records) return undefined;
  return {
    endBytes: bytes.readUInt32LE(16),
    lastSequence,
    records,
    async visit(each) {
      for (const at of offsets) {
        const seen = each({
          offsetBytes: bytes.readUInt32LE(at),
          payloadBytes: bytes.readUInt32LE(at + 4),
          sequence: bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 2 ** 32,
          kind: bytes.readUInt16LE(at + 16),
          kept: bytes.subarray(at + entryBytes, at + entryBytes + bytes.readUInt16LE(at + 18)),
        });
        if (seen !== undefined) await seen;
      }
    },
  };
}
