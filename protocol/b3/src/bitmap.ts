import type { GroupRange } from './tree.ts';

/**
 * Which groups of an object are there: what a server answers when an upload begins or resumes.
 * On the wire: bit g is bit g mod 8 (lowest first) of byte ⌊g / 8⌋; bits past the last group are zero.
 */
export class GroupBitmap {
  readonly groupCount: number;
  readonly #bits: Uint8Array;
  #present = 0;

  /** All groups missing. Throws `RangeError` unless there is at least one. */
  constructor(groupCount: number) {
    if (!Number.isSafeInteger(groupCount) || groupCount < 1) throw new RangeError('an object has at least one group');
    this.groupCount = groupCount;
    this.#bits = new Uint8Array(Math.ceil(groupCount / 8));
  }

  /** Reads the wire form. Throws `RangeError` for another length or a bit past the last group. */
  static fromBytes(groupCount: number, bytes: Uint8Array): GroupBitmap {
    const bitmap = new GroupBitmap(groupCount);
    if (bytes.length !== bitmap.#bits.length) throw new RangeError(`the bitmap has ${bitmap.#bits.length} bytes`);
    const past = groupCount % 8;
    if (past !== 0 && bytes[bytes.length - 1]! >> past !== 0) throw new RangeError('a bit past the last group is set');
    bitmap.#bits.set(bytes);
    for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) bitmap.#present++;
    return bitmap;
  }

  toBytes(): Uint8Array {
    return this.#bits.slice();
  }

  has(index: number): boolean {
    return (this.#bits[this.#byteOf(index)]! & (1 << (index & 7))) !== 0;
  }

  /** Marks a group as there. Returns false when it was already. */
  add(index: number): boolean {
    if (this.has(index)) return false;
    this.#bits[this.#byteOf(index)]! |= 1 << (index & 7);
    this.#present++;
    return true;
  }

  get missingCount(): number {
    return this.groupCount - this.#present;
  }

  get complete(): boolean {
    return this.missingCount === 0;
  }

  /** Runs of missing groups, ascending. */
  *missingRanges(): Generator<GroupRange, void, undefined> {
    let first = -1;
    for (let index = 0; index < this.groupCount; index++) {
      if (!this.has(index)) {
        if (first < 0) first = index;
      } else if (first >= 0) {
        yield { first, last: index - 1 };
        first = -1;
      }
    }
    if (first >= 0) yield { first, last: this.groupCount - 1 };
  }

  #byteOf(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.groupCount) throw new RangeError('no such group');
    return Math.floor(index / 8);
  }
}
