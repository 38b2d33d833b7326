import { GROUP_LOG_DEFAULT, HEADER_BYTES, PARENT_BYTES } from './constants.ts';
import { parseOutboard } from './outboard.ts';
import {
  encodeHeader,
  type GroupRange,
  groupBytes,
  groupCount,
  groupLength,
  groupsForRange,
  leftGroups,
} from './tree.ts';

/** Media type of one slice as a body. */
export const SLICE_MEDIA_TYPE = 'application/vnd.ron.b3-slice';

/**
 * Exact bytes of the slice for a range: header, the parents on the way, whole groups. Without `length`: to the end.
 * Throws `RangeError` for numbers that are not whole bytes.
 */
export function sliceSize(size: number, start: number, length?: number, groupLog: number = GROUP_LOG_DEFAULT): number {
  const range = groupsForRange(size, start, length, groupLog);
  const full = groupBytes(groupLog);
  const content = Math.min((range.last + 1) * full, size) - range.first * full;
  return HEADER_BYTES + PARENT_BYTES * parentsAbove(0, groupCount(size, groupLog), range) + content;
}

/** Parents of the node over `groups` groups from `first` on that have a group of the range below them. */
function parentsAbove(first: number, groups: number, range: GroupRange): number {
  if (groups === 1 || range.last < first || range.first >= first + groups) return 0;
  if (range.first <= first && range.last >= first + groups - 1) return groups - 1;
  const left = leftGroups(groups);
  return 1 + parentsAbove(first, left, range) + parentsAbove(first + left, groups - left, range);
}

export interface EncodeSliceOptions {
  readonly outboard: Uint8Array;
  /** Bytes of the object; must be what the outboard says. */
  readonly size: number;
  /** First byte of the range. At or past the end: the slice holds the last group. */
  readonly start: number;
  /** Bytes of the range; 0 counts as 1; default: to the end. */
  readonly length?: number;
  /** log2 of the 1 KiB chunks in a group, 0–6; default 6. */
  readonly groupLog?: number;
  /** Gives exactly the bytes of a group, `bytes` long; called in ascending order, one at a time. */
  readonly readGroup: (index: number, bytes: number) => Uint8Array | Promise<Uint8Array>;
  /**
   * Present: pieces of `pieceBytes` but the last, copied together, because each piece costs its reader a turn. A group
   * is looked at no more when the next is read. `room` gives the memory of a piece, which is not touched once it was
   * handed out. Absent: each group as it was read, and the parents before it as a piece of their own.
   */
  readonly gather?: { readonly pieceBytes: number; readonly room: () => Uint8Array };
}

/**
 * The combined pre-order encoding of a range, piece by piece: `sliceSize` bytes in all. Holds one group, and one piece
 * where they are gathered. The bytes are not verified here: readers verify them, and an engine verifies what it reads
 * from its disk.
 * Throws `VerificationError` for an outboard of the wrong form, `RangeError` for wrong arguments or a group of the
 * wrong length; what `readGroup` throws passes through.
 */
export async function* encodeSlice(options: EncodeSliceOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { gather } = options;
  let piece: Uint8Array | undefined;
  let filled = 0;
  for (const part of sliceParts(options)) {
    const bytes = part instanceof Uint8Array ? part : await part;
    if (gather === undefined) {
      if (bytes.length > 0) yield bytes;
      continue;
    }
    for (let at = 0; at < bytes.length; ) {
      piece ??= gather.room();
      const taken = bytes.subarray(at, at + gather.pieceBytes - filled);
      piece.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < gather.pieceBytes) continue;
      yield piece.subarray(0, filled);
      piece = undefined;
      filled = 0;
    }
  }
  if (piece !== undefined) yield piece.subarray(0, filled);
}

/** Parents that travel together, ahead of the group that they prove, and groups. */
function* sliceParts(options: EncodeSliceOptions): Generator<Uint8Array | Promise<Uint8Array>, void, undefined> {
  const { outboard, size, start, length, groupLog = GROUP_LOG_DEFAULT, readGroup } = options;
  const parsed = parseOutboard(outboard, groupLog);
  if (parsed.size !== size) throw new RangeError(`the outboard is for ${parsed.size} bytes, not ${size}`);
  let waiting: Uint8Array[] = [encodeHeader(size)];
  for (const step of sliceSteps(groupCount(size, groupLog), groupsForRange(size, start, length, groupLog))) {
    if (step.parent !== undefined) {
      waiting.push(parsed.parents.subarray(step.parent * PARENT_BYTES, (step.parent + 1) * PARENT_BYTES));
      continue;
    }
    if (waiting.length > 0) yield join(waiting);
    waiting = [];
    const bytes = groupLength(size, step.group, groupLog);
    const checked = (group: Uint8Array) => {
      if (group.length !== bytes) throw new RangeError(`group ${step.group} has another length`);
      return group;
    };
    const group = readGroup(step.group, bytes);
    yield group instanceof Uint8Array ? checked(group) : group.then(checked);
  }
}

type SliceStep =
  | { readonly parent: number; readonly group?: undefined }
  | { readonly parent?: undefined; readonly group: number };

/** What a slice holds, in order: parents by their pre-order position, groups by their index. */
function* sliceSteps(total: number, range: GroupRange): Generator<SliceStep, void, undefined> {
  const stack = [{ first: 0, groups: total, position: 0 }];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { first, groups, position } = node;
    if (range.last < first || range.first >= first + groups) continue;
    if (groups === 1) {
      yield { group: first };
      continue;
    }
    yield { parent: position };
    const left = leftGroups(groups);
    stack.push({ first: first + left, groups: groups - left, position: position + left });
    stack.push({ first, groups: left, position: position + 1 });
  }
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
