import { CHUNK_BYTES, CV_BYTES, GROUP_LOG_DEFAULT, HEADER_BYTES, PARENT_BYTES } from './constants.ts';
import { type Kernel, SUBTREE_BYTES_MAX, threadKernel } from './kernel.ts';
import { encodeHeader, groupBytes, groupCount, outboardSize, preorderIndex } from './tree.ts';

/** The BLAKE3-256 root (32 bytes) of a whole object that lies in memory. */
export function hash(bytes: Uint8Array): Uint8Array {
  const root = new Uint8Array(CV_BYTES);
  const kernel = threadKernel();
  if (bytes.length <= SUBTREE_BYTES_MAX) {
    kernel.subtree(bytes, 0, true, root, 0);
    return root;
  }
  const count = groupCount(bytes.length);
  const cvs = new Uint8Array(count * CV_BYTES);
  for (let index = 0; index < count; index++) writeGroupCv(kernel, bytes, index, SUBTREE_BYTES_MAX, cvs);
  return reduceLevels(kernel, cvs, count);
}

/**
 * The chaining value (32 bytes) of one group. It depends on the group's place in the object. A one-group object's
 * root is *not* its group's chaining value: use `hash`.
 */
export function groupCv(index: number, bytes: Uint8Array, groupLog: number = GROUP_LOG_DEFAULT): Uint8Array {
  const full = groupBytes(groupLog);
  if (bytes.length > full) throw new RangeError(`a group has at most ${full} bytes`);
  const cv = new Uint8Array(CV_BYTES);
  threadKernel().subtree(bytes, index * 2 ** groupLog, false, cv, 0);
  return cv;
}

export interface Tree {
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Bytes of the object. */
  readonly size: number;
  /** 8-byte length, then 64-byte parents in pre-order. */
  readonly outboard: Uint8Array;
}

/**
 * Builds root and outboard from the chaining values of all groups (32 bytes each, in order), as `onGroup` and
 * `groupCv` give them. For objects of at least two groups: from the one value of a smaller object no root follows.
 * Throws `RangeError` when the number of values does not fit the size.
 */
export function treeFromGroupCvs(cvs: Uint8Array, size: number, groupLog: number = GROUP_LOG_DEFAULT): Tree {
  const groups = groupCount(size, groupLog);
  if (groups < 2) throw new RangeError('an object of one group has no tree above its groups');
  if (cvs.length !== groups * CV_BYTES) throw new RangeError(`${groups} chaining values are needed`);
  const outboard = new Uint8Array(outboardSize(size, groupLog));
  outboard.set(encodeHeader(size));
  const root = reduceLevels(threadKernel(), cvs, groups, (parent, first, span) =>
    outboard.set(parent, HEADER_BYTES + PARENT_BYTES * preorderIndex(groups, first, span)),
  );
  return { root, size, outboard };
}

export interface TreeHasherOptions {
  /** log2 of the 1 KiB chunks in a group, 0–6; default 6. */
  readonly groupLog?: number;
  /**
   * Called for each group in order, as soon as it is complete, with its chaining value and its bytes; the bytes are
   * valid during the call only. What it throws leaves `update` or `finish`, and ends the hasher.
   */
  readonly onGroup?: (index: number, cv: Uint8Array, bytes: Uint8Array) => void;
}

/** Hashes an object of unknown length that arrives in pieces of any size. */
export interface TreeHasher {
  /** Bytes so far. */
  readonly size: number;
  update(bytes: Uint8Array): void;
  /** Ends the object. Later calls of anything throw. */
  finish(): Tree;
}

/**
 * Memory: one group and, growing with the object, 32 bytes for each group (at most twice that while it grows);
 * `finish` adds the outboard. 5 GiB need 2.6 MB, then 5.2 MB for the outboard.
 */
export function createTreeHasher(options: TreeHasherOptions = {}): TreeHasher {
  return new GroupedHasher(options);
}

/** Root and outboard of an object that lies in memory. */
export function hashTree(bytes: Uint8Array, groupLog: number = GROUP_LOG_DEFAULT): Tree {
  const hasher = createTreeHasher({ groupLog });
  hasher.update(bytes);
  return hasher.finish();
}

class GroupedHasher implements TreeHasher {
  readonly #kernel: Kernel = threadKernel();
  readonly #groupLog: number;
  readonly #groupBytes: number;
  readonly #onGroup: TreeHasherOptions['onGroup'];
  readonly #pending: Uint8Array;
  #pendingBytes = 0;
  #cvs = new Uint8Array(64 * CV_BYTES);
  #groups = 0;
  #open = true;

  constructor({ groupLog = GROUP_LOG_DEFAULT, onGroup }: TreeHasherOptions) {
    this.#groupLog = groupLog;
    this.#groupBytes = groupBytes(groupLog);
    this.#onGroup = onGroup;
    this.#pending = new Uint8Array(this.#groupBytes);
  }

  get size(): number {
    return this.#groups * this.#groupBytes + this.#pendingBytes;
  }

  update(bytes: Uint8Array): void {
    this.#guard(() => {
      let offset = 0;
      while (offset < bytes.length) {
        // A full group waits for one more byte: the first may turn out to be the only one, and then is the root.
        if (this.#pendingBytes === this.#groupBytes) this.#closeGroup(this.#takePending());
        const left = bytes.length - offset;
        if (this.#pendingBytes === 0 && left > this.#groupBytes) {
          this.#closeGroup(bytes.subarray(offset, offset + this.#groupBytes));
          offset += this.#groupBytes;
        } else {
          const taken = Math.min(left, this.#groupBytes - this.#pendingBytes);
          this.#pending.set(bytes.subarray(offset, offset + taken), this.#pendingBytes);
          this.#pendingBytes += taken;
          offset += taken;
        }
      }
    });
  }

  finish(): Tree {
    return this.#guard(() => {
      const { size } = this;
      const last = this.#takePending();
      if (this.#groups === 0) {
        const root = new Uint8Array(CV_BYTES);
        this.#kernel.subtree(last, 0, true, root, 0);
        if (this.#onGroup !== undefined) this.#closeGroup(last);
        this.#open = false;
        return { root, size, outboard: encodeHeader(size) };
      }
      this.#closeGroup(last);
      this.#open = false;
      return treeFromGroupCvs(this.#cvs.subarray(0, this.#groups * CV_BYTES), size, this.#groupLog);
    });
  }

  #guard<T>(work: () => T): T {
    if (!this.#open) throw new Error('this hasher has ended');
    try {
      return work();
    } catch (error) {
      this.#open = false;
      throw error;
    }
  }

  #takePending(): Uint8Array {
    const bytes = this.#pending.subarray(0, this.#pendingBytes);
    this.#pendingBytes = 0;
    return bytes;
  }

  #closeGroup(bytes: Uint8Array): void {
    const index = this.#groups++;
    const at = index * CV_BYTES;
    if (at === this.#cvs.length) {
      const grown = new Uint8Array(at * 2);
      grown.set(this.#cvs);
      this.#cvs = grown;
    }
    this.#kernel.subtree(bytes, index * 2 ** this.#groupLog, false, this.#cvs, at);
    this.#onGroup?.(index, this.#cvs.slice(at, at + CV_BYTES), bytes);
  }
}

function writeGroupCv(kernel: Kernel, bytes: Uint8Array, index: number, full: number, cvs: Uint8Array): void {
  const group = bytes.subarray(index * full, (index + 1) * full);
  kernel.subtree(group, index * (full / CHUNK_BYTES), false, cvs, index * CV_BYTES);
}

type OnParent = (parent: Uint8Array, first: number, span: number) => void;

/** Pairs neighbours level by level, an odd last one moving up, which is the tree that BLAKE3 prescribes. */
function reduceLevels(kernel: Kernel, cvs: Uint8Array, count: number, onParent?: OnParent): Uint8Array {
  let values = cvs;
  let left = count;
  for (let span = 2; left > 1; span *= 2) {
    const pairs = Math.floor(left / 2);
    const next = new Uint8Array((left - pairs) * CV_BYTES);
    kernel.parents(values, pairs, left === 2, next, 0);
    if (left > pairs * 2) next.set(values.subarray(pairs * PARENT_BYTES, left * CV_BYTES), pairs * CV_BYTES);
    for (let pair = 0; onParent !== undefined && pair < pairs; pair++) {
      onParent(values.subarray(pair * PARENT_BYTES, (pair + 1) * PARENT_BYTES), pair * span, span);
    }
    values = next;
    left -= pairs;
  }
  return values;
}
