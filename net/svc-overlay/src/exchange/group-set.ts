/** A set of groups of one object, with searches that look at 32 groups at a time. One bit a group. */
export class GroupSet {
  readonly groupCount: number;
  readonly #words: Uint32Array;
  #size = 0;

  /** Empty. Throws `RangeError` unless there is at least one group. */
  constructor(groupCount: number) {
    if (!Number.isSafeInteger(groupCount) || groupCount < 1) throw new RangeError('an object has at least one group');
    this.groupCount = groupCount;
    this.#words = new Uint32Array(Math.ceil(groupCount / 32));
  }

  /** Reads a bitmap as it travels (docs/specs/verified-bytes.md, section 6). Throws `RangeError` for a wrong form. */
  static fromBytes(groupCount: number, bytes: Uint8Array): GroupSet {
    const set = new GroupSet(groupCount);
    if (bytes.length !== Math.ceil(groupCount / 8)) throw new RangeError('the bitmap has another length');
    const past = groupCount % 8;
    if (past !== 0 && bytes[bytes.length - 1]! >> past !== 0) throw new RangeError('a bit past the last group is set');
    for (const [index, byte] of bytes.entries()) {
      set.#words[index >> 2]! |= byte << ((index & 3) * 8);
      for (let bits = byte; bits !== 0; bits &= bits - 1) set.#size++;
    }
    return set;
  }

  toBytes(): Uint8Array {
    const length = Math.ceil(this.groupCount / 8);
    return Uint8Array.from({ length }, (_, index) => this.#words[index >> 2]! >>> ((index & 3) * 8));
  }

  get size(): number {
    return this.#size;
  }

  get complete(): boolean {
    return this.#size === this.groupCount;
  }

  /** False also for what is no group of the object. */
  has(index: number): boolean {
    return index >= 0 && index < this.groupCount && (this.#words[index >>> 5]! & (1 << (index & 31))) !== 0;
  }

  /** Returns false when it was in already. */
  add(index: number): boolean {
    if (!(index >= 0 && index < this.groupCount)) throw new RangeError('no such group');
    if (this.has(index)) return false;
    this.#words[index >>> 5]! |= 1 << (index & 31);
    this.#size++;
    return true;
  }

  /** Adds groups `first` up to but without `end`, 32 at a time; there are none past the object. */
  addRun(first: number, end: number): void {
    const stop = Math.min(end, this.groupCount);
    for (let at = first; at < stop; ) {
      const bit = at & 31;
      const count = Math.min(32 - bit, stop - at);
      const fresh = ((0xffffffff >>> (32 - count)) << bit) & ~this.#words[at >>> 5]!;
      this.#words[at >>> 5]! |= fresh;
      this.#size += onesOf(fresh);
      at += count;
    }
  }

  /** The same groups in a set of its own. */
  copy(): GroupSet {
    const copy = new GroupSet(this.groupCount);
    copy.#words.set(this.#words);
    copy.#size = this.#size;
    return copy;
  }

  delete(index: number): boolean {
    if (!this.has(index)) return false;
    this.#words[index >>> 5]! &= ~(1 << (index & 31));
    this.#size--;
    return true;
  }

  /** The first group from `from` on that is in; −1 when there is none. */
  nextPresent(from: number): number {
    return this.#search(from, 0);
  }

  /** The first group from `from` on that is not in; −1 when there is none. */
  nextAbsent(from: number): number {
    return this.#search(from, 0xffffffff);
  }

  #search(from: number, flip: number): number {
    if (from >= this.groupCount) return -1;
    let index = from >>> 5;
    let word = (this.#words[index]! ^ flip) & (0xffffffff << (from & 31));
    while (word === 0) {
      index += 1;
      if (index >= this.#words.length) return -1;
      word = this.#words[index]! ^ flip;
    }
    const found = index * 32 + (31 - Math.clz32(word & -word));
    return found < this.groupCount ? found : -1;
  }
}

function onesOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
