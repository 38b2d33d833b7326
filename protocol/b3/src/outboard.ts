import { CV_BYTES, GROUP_LOG_DEFAULT, HEADER_BYTES, PARENT_BYTES } from './constants.ts';
import { VerificationError } from './errors.ts';
import { threadKernel } from './kernel.ts';
import {
  decodeHeader,
  encodeHeader,
  equalBytes,
  type GroupRange,
  groupCount,
  groupLength,
  groupsForRange,
  leftGroups,
  outboardSize,
  requireBytes,
  requireRoot,
} from './tree.ts';

export interface ParsedOutboard {
  /** Bytes of the object, as the outboard claims. */
  readonly size: number;
  /** 64-byte parents in pre-order: a view, nothing is copied. */
  readonly parents: Uint8Array;
}

/** Checks the form only: that the length of the outboard fits the size in its header. Proves nothing by itself. */
export function parseOutboard(outboard: Uint8Array, groupLog: number = GROUP_LOG_DEFAULT): ParsedOutboard {
  if (outboard.length < HEADER_BYTES) throw new VerificationError('truncated', 'the outboard has no whole header');
  const size = decodeHeader(outboard);
  const expected = outboardSize(size, groupLog);
  if (outboard.length !== expected) {
    const reason = outboard.length < expected ? 'truncated' : 'trailing';
    throw new VerificationError(reason, `an outboard for ${size} bytes has ${expected} bytes, not ${outboard.length}`);
  }
  return { size, parents: outboard.subarray(HEADER_BYTES) };
}

/** The parents alone, as implementations that store the size elsewhere keep them. */
export function stripOutboardHeader(outboard: Uint8Array, groupLog: number = GROUP_LOG_DEFAULT): Uint8Array {
  return parseOutboard(outboard, groupLog).parents.slice();
}

/** Puts the length in front of header-less parents. Throws `VerificationError` when they do not fit the size. */
export function addOutboardHeader(parents: Uint8Array, size: number, groupLog: number = GROUP_LOG_DEFAULT): Uint8Array {
  const outboard = new Uint8Array(HEADER_BYTES + parents.length);
  outboard.set(encodeHeader(size));
  outboard.set(parents, HEADER_BYTES);
  parseOutboard(outboard, groupLog);
  return outboard;
}

export interface OutboardVerifierOptions {
  /** 32 bytes: the address. */
  readonly root: Uint8Array;
  /** Kept, not copied: it must not change while the verifier lives. */
  readonly outboard: Uint8Array;
  /** log2 of the 1 KiB chunks in a group, 0–6; default 6. */
  readonly groupLog?: number;
  /** Bytes of the object where the caller knows them from a trusted place; another size is refused. */
  readonly size?: number;
}

/** Checks groups in any order against an address, with an outboard from anywhere. */
export interface OutboardVerifier {
  /** As the outboard claims; true once `sizeProven`. */
  readonly size: number;
  readonly groupCount: number;
  /** Whether the last group was verified, or the caller gave the size. Until then only content is proven. */
  readonly sizeProven: boolean;
  groupLength(index: number): number;
  /** The groups that a byte range needs, by the rules of slices. */
  groupsFor(start: number, length?: number): GroupRange;
  /**
   * Returns when `bytes` are group `index`; throws `VerificationError` otherwise, also when a parent on the way is
   * wrong. Parents are checked from the root down, each one once. A failure changes nothing: another copy may be tried.
   */
  verifyGroup(index: number, bytes: Uint8Array): void;
  /** Checks the parents above `count` groups from `first` on that were not needed yet; those of all by default. */
  verifyParents(first?: number, count?: number): void;
}

/** Throws `VerificationError` when the outboard's form is wrong. Memory: one bit for each parent. */
export function createOutboardVerifier(options: OutboardVerifierOptions): OutboardVerifier {
  return new LazyVerifier(options);
}

/** Checks a whole outboard, and the whole object when its bytes are given. Throws `VerificationError`. */
export function verifyOutboard(options: OutboardVerifierOptions & { readonly bytes?: Uint8Array }): ParsedOutboard {
  const verifier = createOutboardVerifier(options);
  verifier.verifyParents();
  const { bytes } = options;
  if (bytes !== undefined) {
    if (bytes.length !== verifier.size) throw new VerificationError('size', 'the object has another length');
    for (let index = 0, at = 0; index < verifier.groupCount; index++) {
      const end = at + verifier.groupLength(index);
      verifier.verifyGroup(index, bytes.subarray(at, end));
      at = end;
    }
  }
  return parseOutboard(options.outboard, options.groupLog);
}

class LazyVerifier implements OutboardVerifier {
  readonly size: number;
  readonly groupCount: number;
  readonly #root: Uint8Array;
  readonly #parents: Uint8Array;
  readonly #groupLog: number;
  readonly #checked: Uint8Array;
  readonly #cv = new Uint8Array(CV_BYTES);
  #sizeProven: boolean;

  constructor({ root, outboard, groupLog = GROUP_LOG_DEFAULT, size }: OutboardVerifierOptions) {
    this.#root = requireRoot(root);
    const parsed = parseOutboard(outboard, groupLog);
    if (size !== undefined && requireBytes(size, 'size') !== parsed.size) {
      throw new VerificationError('size', `the outboard is for ${parsed.size} bytes, not ${size}`);
    }
    this.size = parsed.size;
    this.groupCount = groupCount(parsed.size, groupLog);
    this.#parents = parsed.parents;
    this.#groupLog = groupLog;
    this.#checked = new Uint8Array(Math.ceil(this.groupCount / 8));
    this.#sizeProven = size !== undefined;
  }

  get sizeProven(): boolean {
    return this.#sizeProven;
  }

  groupLength(index: number): number {
    return groupLength(this.size, index, this.#groupLog);
  }

  groupsFor(start: number, length?: number): GroupRange {
    return groupsForRange(this.size, start, length, this.#groupLog);
  }

  verifyGroup(index: number, bytes: Uint8Array): void {
    const expectedBytes = this.groupLength(index);
    const expected = this.#descend(index);
    if (bytes.length !== expectedBytes) {
      const reason = bytes.length < expectedBytes ? 'truncated' : 'trailing';
      throw new VerificationError(reason, `group ${index} has ${expectedBytes} bytes, not ${bytes.length}`, index);
    }
    const only = this.groupCount === 1;
    threadKernel().subtree(bytes, index * 2 ** this.#groupLog, only, this.#cv, 0);
    if (!equalBytes(this.#cv, expected)) {
      throw new VerificationError('group', `group ${index} does not belong to the address`, index);
    }
    if (index === this.groupCount - 1) this.#sizeProven = true;
  }

  verifyParents(first = 0, count = this.groupCount): void {
    const end = Math.min(first + count, this.groupCount);
    // Every parent lies on the way to the group at which its right side starts; the walk skips what is checked.
    for (let index = first; index < end; index++) this.#descend(index);
  }

  /** Walks to a group, checking what was not checked yet; returns the chaining value that the group must have. */
  #descend(index: number): Uint8Array {
    let expected = this.#root;
    let first = 0;
    let groups = this.groupCount;
    let position = 0;
    while (groups > 1) {
      const parent = this.#parents.subarray(position * PARENT_BYTES, (position + 1) * PARENT_BYTES);
      this.#check(parent, position, expected, first);
      const left = leftGroups(groups);
      if (index < first + left) {
        expected = parent.subarray(0, CV_BYTES);
        groups = left;
        position += 1;
      } else {
        expected = parent.subarray(CV_BYTES);
        first += left;
        groups -= left;
        position += left;
      }
    }
    return expected;
  }

  #check(parent: Uint8Array, position: number, expected: Uint8Array, first: number): void {
    const bit = 1 << (position & 7);
    const byte = Math.floor(position / 8);
    if ((this.#checked[byte]! & bit) !== 0) return;
    threadKernel().parents(parent, 1, position === 0, this.#cv, 0);
    if (!equalBytes(this.#cv, expected)) {
      throw new VerificationError('parent', `parent ${position} does not belong to the address`, first);
    }
    this.#checked[byte]! |= bit;
  }
}
