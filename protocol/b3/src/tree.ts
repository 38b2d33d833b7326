import { CHUNK_BYTES, CV_BYTES, GROUP_LOG_DEFAULT, GROUP_LOG_MAX, HEADER_BYTES, PARENT_BYTES } from './constants.ts';
import { VerificationError } from './errors.ts';

/** Bytes of a group: 1 KiB · 2^groupLog, by default 64 KiB. Throws `RangeError` for a group log outside 0–6. */
export function groupBytes(groupLog: number = GROUP_LOG_DEFAULT): number {
  if (!Number.isInteger(groupLog) || groupLog < 0 || groupLog > GROUP_LOG_MAX) {
    throw new RangeError(`the group log is an integer from 0 to ${GROUP_LOG_MAX}`);
  }
  return CHUNK_BYTES * 2 ** groupLog;
}

/** Groups of an object of `size` bytes: at least one, also for the empty object. */
export function groupCount(size: number, groupLog: number = GROUP_LOG_DEFAULT): number {
  const bytes = groupBytes(groupLog);
  return Math.max(1, Math.ceil(requireBytes(size, 'size') / bytes));
}

/** Bytes of group `index`: a full group, or what is left for the last one. Throws `RangeError` past the last. */
export function groupLength(size: number, index: number, groupLog: number = GROUP_LOG_DEFAULT): number {
  const count = groupCount(size, groupLog);
  if (!Number.isInteger(index) || index < 0 || index >= count) throw new RangeError('no such group');
  const bytes = groupBytes(groupLog);
  return Math.min(bytes, size - index * bytes);
}

/** Bytes of the outboard of an object: 8 + 64 · (groups − 1), about 0.1 % at 64 KiB groups. */
export function outboardSize(size: number, groupLog: number = GROUP_LOG_DEFAULT): number {
  return HEADER_BYTES + PARENT_BYTES * (groupCount(size, groupLog) - 1);
}

/** Groups `first` to `last`, both included. */
export interface GroupRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The groups that prove the bytes from `start` on. As the slice format has it: a length of 0 counts as 1, and a
 * start at or past the end means the last group (which proves that the object ends there). Without `length`: to the end.
 */
export function groupsForRange(
  size: number,
  start: number,
  length: number = Number.MAX_SAFE_INTEGER,
  groupLog: number = GROUP_LOG_DEFAULT,
): GroupRange {
  requireBytes(start, 'start');
  requireBytes(length, 'length');
  const last = groupCount(size, groupLog) - 1;
  if (start >= size) return { first: last, last };
  const bytes = groupBytes(groupLog);
  const end = start + Math.min(Math.max(length, 1), size - start);
  return { first: Math.floor(start / bytes), last: Math.floor((end - 1) / bytes) };
}

/** Groups on the left side of a node over `groups` ≥ 2: the largest power of two strictly below. */
export function leftGroups(groups: number): number {
  let left = 1;
  while (left * 2 < groups) left *= 2;
  return left;
}

/**
 * Position among the parents in pre-order of the node that starts at group `first` and whose width, rounded up to a
 * power of two, is `span`. The parents that end before `first`, and the ancestors that have it on their right side,
 * make `first` together; the ancestors that have it on their left side are counted here.
 */
export function preorderIndex(groups: number, first: number, span: number): number {
  let index = first;
  for (let wider = span * 2; wider / 2 < groups; wider *= 2) {
    const offset = first % wider;
    if (offset < wider / 2 && first - offset + wider / 2 < groups) index++;
  }
  return index;
}

/** `root` must have 32 bytes; returns a copy, so that later changes of the caller's array change nothing. */
export function requireRoot(root: Uint8Array): Uint8Array {
  if (root.length !== CV_BYTES) throw new RangeError(`a root has ${CV_BYTES} bytes`);
  return root.slice();
}

export function requireBytes(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} is a whole number of bytes below 2^53`);
  return value;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** The 8-byte little-endian length in front of outboards and slices. */
export function encodeHeader(size: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  new DataView(header.buffer).setBigUint64(0, BigInt(requireBytes(size, 'size')), true);
  return header;
}

/** Reads the header at the start of `bytes` (at least 8). Sizes past 2^53 − 1 are refused as `malformed`. */
export function decodeHeader(bytes: Uint8Array): number {
  const size = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES).getBigUint64(0, true);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new VerificationError('malformed', 'the length is impossible');
  return Number(size);
}
