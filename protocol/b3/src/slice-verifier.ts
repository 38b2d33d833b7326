import { CV_BYTES, GROUP_LOG_DEFAULT, HEADER_BYTES, PARENT_BYTES } from './constants.ts';
import { VerificationError } from './errors.ts';
import { threadKernel } from './kernel.ts';
import {
  decodeHeader,
  equalBytes,
  type GroupRange,
  groupBytes,
  groupCount,
  groupLength,
  groupsForRange,
  leftGroups,
  requireBytes,
  requireRoot,
} from './tree.ts';

export interface SliceVerifierOptions {
  /** 32 bytes: the address. */
  readonly root: Uint8Array;
  /** First byte of the range that was asked for; default 0. */
  readonly start?: number;
  /** Bytes of the range that was asked for; default: to the end. */
  readonly length?: number;
  /** log2 of the 1 KiB chunks in a group, 0–6; default 6. */
  readonly groupLog?: number;
  /** Bytes of the object where the caller knows them from a trusted place; another size is refused. */
  readonly size?: number;
}

/** Turns the bytes of a slice into verified content. One group and one path of the tree in memory. */
export interface SliceVerifier {
  /** Bytes of the object as the slice claims, once its header is there. */
  readonly size: number | undefined;
  /**
   * Whether `size` can be relied on: the caller gave it, or the slice held the last group. A slice that does not reach
   * the last group proves its content but not where the object ends.
   */
  readonly sizeProven: boolean;
  /** Whether all that the range needs has been verified. */
  readonly done: boolean;
  /**
   * Takes the next bytes, split anywhere. Returns the content that they complete, trimmed to the range: views of
   * `bytes`, or fresh arrays. Throws `VerificationError` at the first wrong, and at the first superfluous, byte's
   * group; after that every call throws the same error.
   */
  push(bytes: Uint8Array): Uint8Array[];
  /** The input ended. Throws `VerificationError` (`truncated`) when something is missing. */
  finish(): void;
}

export function createSliceVerifier(options: SliceVerifierOptions): SliceVerifier {
  return new StreamingVerifier(options);
}

/** Verified content of a slice that arrives as a stream; ends by throwing `VerificationError` when it is not right. */
export async function* verifySlice(
  source: AsyncIterable<Uint8Array>,
  options: SliceVerifierOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const verifier = createSliceVerifier(options);
  for await (const bytes of source) yield* verifier.push(bytes);
  verifier.finish();
}

/** A subtree that is still to come, with the chaining value that it must have. */
interface Node {
  readonly first: number;
  readonly groups: number;
  readonly root: boolean;
  readonly cv: Uint8Array;
}

class StreamingVerifier implements SliceVerifier {
  readonly #root: Uint8Array;
  readonly #start: number;
  readonly #length: number;
  readonly #groupLog: number;
  readonly #trustedSize: number | undefined;
  readonly #computed = new Uint8Array(CV_BYTES);
  /** At most one node for each level of the tree: 53 − 10 of them. */
  readonly #stack: Node[] = [];
  #range: GroupRange = { first: 0, last: 0 };
  #size: number | undefined;
  #lastGroupSeen = false;
  /** The part of the next item that has come, and how long that item is. */
  #partial: Uint8Array | undefined;
  #partialBytes = 0;
  #itemBytes = HEADER_BYTES;
  #failure: unknown;

  constructor(options: SliceVerifierOptions) {
    this.#root = requireRoot(options.root);
    this.#start = requireBytes(options.start ?? 0, 'start');
    this.#length = requireBytes(options.length ?? Number.MAX_SAFE_INTEGER, 'length');
    this.#groupLog = options.groupLog ?? GROUP_LOG_DEFAULT;
    groupBytes(this.#groupLog);
    this.#trustedSize = options.size === undefined ? undefined : requireBytes(options.size, 'size');
  }

  get size(): number | undefined {
    return this.#size;
  }

  get sizeProven(): boolean {
    return this.#failure === undefined && (this.#trustedSize !== undefined || this.#lastGroupSeen);
  }

  get done(): boolean {
    return this.#failure === undefined && this.#size !== undefined && this.#stack.length === 0;
  }

  push(bytes: Uint8Array): Uint8Array[] {
    return this.#guard(() => {
      const content: Uint8Array[] = [];
      let offset = 0;
      while (offset < bytes.length) {
        if (this.done) throw new VerificationError('trailing', 'bytes after the end of the slice');
        const missing = this.#itemBytes - this.#partialBytes;
        const piece = bytes.subarray(offset, offset + missing);
        offset += piece.length;
        const item = this.#collect(piece);
        if (item !== undefined) this.#accept(item, content);
      }
      return content;
    });
  }

  finish(): void {
    this.#guard(() => {
      if (!this.done) throw new VerificationError('truncated', 'the slice ends too early', this.#stack.at(-1)?.first);
    });
  }

  #guard<T>(work: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return work();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Returns the whole item once it is there: the piece itself when it came in one, else an array of its own. */
  #collect(piece: Uint8Array): Uint8Array | undefined {
    if (piece.length === this.#itemBytes) return piece;
    this.#partial ??= new Uint8Array(this.#itemBytes);
    this.#partial.set(piece, this.#partialBytes);
    this.#partialBytes += piece.length;
    if (this.#partialBytes < this.#itemBytes) return undefined;
    const item = this.#partial;
    this.#partial = undefined;
    this.#partialBytes = 0;
    return item;
  }

  #accept(item: Uint8Array, content: Uint8Array[]): void {
    const node = this.#stack.pop();
    if (node === undefined) this.#acceptHeader(item);
    else if (node.groups > 1) this.#acceptParent(node, item);
    else this.#acceptGroup(node, item, content);
    this.#expectNext(content);
  }

  #acceptHeader(header: Uint8Array): void {
    const size = decodeHeader(header);
    if (this.#trustedSize !== undefined && size !== this.#trustedSize) {
      throw new VerificationError('size', `the slice is of ${size} bytes, not ${this.#trustedSize}`);
    }
    this.#size = size;
    this.#range = groupsForRange(size, this.#start, this.#length, this.#groupLog);
    this.#stack.push({ first: 0, groups: groupCount(size, this.#groupLog), root: true, cv: this.#root });
  }

  #acceptParent(node: Node, parent: Uint8Array): void {
    threadKernel().parents(parent, 1, node.root, this.#computed, 0);
    this.#demand(node, 'parent');
    const left = leftGroups(node.groups);
    const push = (first: number, groups: number, at: number) => {
      if (first > this.#range.last || first + groups <= this.#range.first) return;
      // A copy: the parent may be a view of what the caller pushed.
      this.#stack.push({ first, groups, root: false, cv: parent.slice(at, at + CV_BYTES) });
    };
    push(node.first + left, node.groups - left, CV_BYTES);
    push(node.first, left, 0);
  }

  #acceptGroup(node: Node, group: Uint8Array, content: Uint8Array[]): void {
    threadKernel().subtree(group, node.first * 2 ** this.#groupLog, node.root, this.#computed, 0);
    this.#demand(node, 'group');
    const size = this.#size!;
    if (node.first === groupCount(size, this.#groupLog) - 1) this.#lastGroupSeen = true;
    const offset = node.first * groupBytes(this.#groupLog);
    const from = Math.max(0, this.#start - offset);
    const to = Math.min(group.length, this.#start - offset + this.#length);
    if (to > from) content.push(group.subarray(from, to));
  }

  #demand(node: Node, kind: 'parent' | 'group'): void {
    if (equalBytes(this.#computed, node.cv)) return;
    throw new VerificationError(kind, `a ${kind} at group ${node.first} does not belong to the address`, node.first);
  }

  #expectNext(content: Uint8Array[]): void {
    const next = this.#stack.at(-1);
    if (next === undefined) return;
    if (next.groups > 1) this.#itemBytes = PARENT_BYTES;
    else this.#itemBytes = groupLength(this.#size!, next.first, this.#groupLog);
    // The one group of the empty object has no bytes to wait for.
    if (this.#itemBytes === 0) this.#accept(new Uint8Array(0), content);
  }
}
