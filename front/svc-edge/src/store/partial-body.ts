import type { ByteRange } from '../fields/range.ts';
import { addRange, covers, missingRanges } from '../rules/parts.ts';

/** Pieces of one body: each costs more than its bytes, which may be a single one. */
export const partsMax = 1024;

interface Part extends ByteRange {
  readonly bytes: Uint8Array;
}

/**
 * Parts of one representation, each of them complete. `total` is what the origin says its length is; `end` is the last
 * byte that it has: of an origin that says more than it sends, the bytes that came count and not what was said.
 */
export class PartialBody {
  readonly total: number;
  readonly end: number;
  #parts: Part[] = [];
  #held: ByteRange[] = [];
  #bytes = 0;

  constructor(total: number, end: number) {
    this.total = total;
    this.end = end;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Holds as many pieces as it may: another part is not to be added. */
  get isFull(): boolean {
    return this.#parts.length >= partsMax;
  }

  get held(): readonly ByteRange[] {
    return this.#held;
  }

  /** What is held already is not replaced. */
  add(first: number, bytes: Uint8Array): void {
    for (const gap of missingRanges(this.#held, { first, last: first + bytes.byteLength - 1 })) {
      const piece = bytes.subarray(gap.first - first, gap.last - first + 1);
      this.#parts.push({ ...gap, bytes: piece });
      this.#held = addRange(this.#held, gap);
      this.#bytes += piece.byteLength;
    }
    this.#parts.sort((a, b) => a.first - b.first);
  }

  covers(wanted: ByteRange): boolean {
    return covers(this.#held, wanted);
  }

  missing(wanted: ByteRange): ByteRange[] {
    return missingRanges(this.#held, wanted);
  }

  /** `wanted` must be covered. */
  async *read(first: number, last: number): AsyncGenerator<Uint8Array> {
    // A copy: parts may be added while this is read.
    for (const part of this.#parts.filter((each) => each.last >= first && each.first <= last)) {
      const start = Math.max(first, part.first) - part.first;
      yield part.bytes.subarray(start, Math.min(last, part.last) - part.first + 1);
    }
  }
}
