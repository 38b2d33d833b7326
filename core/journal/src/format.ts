import { crc32 } from 'node:zlib';

/**
 * Segment file: two equal 32-byte headers (so that one flipped bit there does not take the segment's secret with
 * it), then records, then zeros. Little-endian.
 *
 * Header: `magic "RONJ" | version u8 | zero ×3 | segment u32 | salt ×8 | first sequence u64 | checksum u32`.
 * Record: `length u32 | checksum u32 | sequence u64 | kind u16 | payload`; `length` counts what follows the checksum.
 * The CRC-32 runs over salt, length and everything after the checksum. The random salt keeps a payload from posing
 * as a record when the search for the next whole record passes through it.
 */
const segmentVersion = 1;
const headerBytes = 32;
export const recordsStart = 2 * headerBytes;
export const recordHeadBytes = 18;
/** What a record takes of a segment, for `room` and `makeRoom`. */
export function recordBytes(payloadBytes: number): number {
  return recordHeadBytes + payloadBytes;
}
/** `length` of a record without payload. */
export const recordLengthMin = 10;
const magic = 0x4a4e_4f52; // "RONJ"
/** Bit of `kind`: the first record that one write put down. Everything before it was synced before it was written. */
export const batchStartFlag = 0x8000;
export const kindMax = 0x7fff;
/** Kind of the record that an orderly close leaves; never handed to visitors. */
export const closeKind = 0;

export interface SegmentHeader {
  readonly segment: number;
  readonly salt: Uint8Array;
  readonly firstSequence: number;
}

export function encodeSegmentHeader({ segment, salt, firstSequence }: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(recordsStart);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint8(4, segmentVersion);
  view.setUint32(8, segment, true);
  bytes.set(salt, 12);
  view.setBigUint64(20, BigInt(firstSequence), true);
  view.setUint32(28, crc32(bytes.subarray(0, 28)), true);
  bytes.copyWithin(headerBytes, 0, headerBytes);
  return bytes;
}

/** Undefined when neither copy holds. */
export function decodeSegmentHeader(bytes: Uint8Array): (SegmentHeader & { readonly damaged: boolean }) | undefined {
  const first = decodeCopy(bytes, 0);
  const second = decodeCopy(bytes, headerBytes);
  const header = first ?? second;
  return header && { ...header, damaged: first === undefined || second === undefined };
}

function decodeCopy(bytes: Uint8Array, at: number): SegmentHeader | undefined {
  if (bytes.byteLength < at + headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes);
  if (view.getUint32(0, true) !== magic || view.getUint8(4) !== segmentVersion) return undefined;
  if (view.getUint32(28, true) !== crc32(bytes.subarray(at, at + 28))) return undefined;
  const firstSequence = Number(view.getBigUint64(20, true));
  return { segment: view.getUint32(8, true), salt: bytes.slice(at + 12, at + 20), firstSequence };
}

/** The checksum's start value for all records of a segment. */
export function saltChecksum(salt: Uint8Array): number {
  return crc32(salt);
}

/** Writes the head of a record at `at` of `into`; the payload's pieces are only read for the checksum. */
export function encodeRecordHead(
  into: Buffer,
  at: number,
  record: { readonly sequence: number; readonly kind: number; readonly payload: readonly Uint8Array[] },
  payloadBytes: number,
  salted: number,
): void {
  into.writeUInt32LE(recordLengthMin + payloadBytes, at);
  into.writeUInt32LE(record.sequence >>> 0, at + 8);
  into.writeUInt32LE(Math.floor(record.sequence / 2 ** 32), at + 12);
  into.writeUInt16LE(record.kind, at + 16);
  let sum = crc32(into.subarray(at, at + 4), salted);
  sum = crc32(into.subarray(at + 8, at + recordHeadBytes), sum);
  for (const piece of record.payload) sum = crc32(piece, sum);
  into.writeUInt32LE(sum, at + 4);
}

export interface RecordHead {
  readonly payloadBytes: number;
  readonly sequence: number;
  readonly kind: number;
  readonly batchStart: boolean;
}

/** Reads a head without judging it; `bytes` holds at least `recordHeadBytes` from `at`. */
export function decodeRecordHead(bytes: Buffer, at: number): RecordHead {
  const kind = bytes.readUInt16LE(at + 16);
  return {
    payloadBytes: bytes.readUInt32LE(at) - recordLengthMin,
    sequence: readSequence(bytes, at),
    kind: kind & kindMax,
    batchStart: (kind & batchStartFlag) !== 0,
  };
}

export function readSequence(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 2 ** 32;
}

/** Whether the whole record at `at` has its checksum. */
export function recordHolds(bytes: Buffer, at: number, payloadBytes: number, salted: number): boolean {
  const sum = crc32(bytes.subarray(at, at + 4), salted);
  return crc32(bytes.subarray(at + 8, at + recordHeadBytes + payloadBytes), sum) === bytes.readUInt32LE(at + 4);
}
