/** What an item carries to stand in a wheel, so that scheduling allocates nothing. Only the wheel writes these. */
export interface TimerNode {
  /** Means something only while scheduled. */
  wheelDueMs: number;
  /** Place among the overdue; means something only there. */
  wheelOrder: number;
  wheelPrev: TimerNode | undefined;
  wheelNext: TimerNode | undefined;
  /** -1: not scheduled. */
  wheelSlot: number;
}

const levels = 5;
const slotBits = 8;
const slotsPerLevel = 1 << slotBits;
const wordsPerLevel = slotsPerLevel / 32;
/** Slot of all that is due in another span of `spanMs` than the present. */
const farSlot = levels * slotsPerLevel;
/** From here on `wheelSlot` is a place in the heap of the overdue. */
const overdueSlot = farSlot + 1;
const wordMs = 2 ** 32;
/** What the levels cover: 2^40 ms, about 34.8 years. */
const spanMs = slotsPerLevel ** levels;

/**
 * A hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987) on integer
 * milliseconds, 0 to 2^53 - 1. Scheduling and cancelling take constant time; a timer moves down at most five times.
 *
 * A timer stands at the level of the highest base-256 digit in which its due time differs from now, in the slot of that
 * digit. So a level has nothing before the digit of now, all of a lower level is due before all of a higher one, and
 * timers of the same due time are always in the same list. They enter it, and move down, in the order of scheduling:
 * that order is exact without being stored. Only what is scheduled for the past needs more: a heap of its own, in
 * which scheduling and cancelling take logarithmic time.
 *
 * A node belongs to one wheel at a time.
 */
export class TimerWheel<T extends TimerNode> {
  #nowMs: number;
  #size = 0;
  #firing = false;
  readonly #heads: (TimerNode | undefined)[] = new Array<TimerNode | undefined>(farSlot + 1).fill(undefined);
  readonly #tails: (TimerNode | undefined)[] = new Array<TimerNode | undefined>(farSlot + 1).fill(undefined);
  /** A bit for each slot of the levels: something is in it. */
  readonly #occupied = new Int32Array(levels * wordsPerLevel);
  readonly #overdue: TimerNode[] = [];
  #order = 0;

  constructor(startMs: number) {
    assertTime(startMs);
    this.#nowMs = startMs;
  }

  get size(): number {
    return this.#size;
  }

  /** How far the wheel has come. Inside `fire` this is at least the due time of the node, and may be behind the goal. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Also moves what is scheduled already. What is due in the past fires with the next `advance`. */
  schedule(node: T, dueMs: number): void {
    assertTime(dueMs);
    this.cancel(node);
    node.wheelDueMs = dueMs;
    this.#size += 1;
    if (dueMs >= this.#nowMs) {
      this.#append(node, this.#slotOf(dueMs));
      return;
    }
    node.wheelOrder = this.#order++;
    this.#overdue.push(node);
    this.#rise(node, this.#overdue.length - 1);
  }

  /** Nothing happens to a node that is not scheduled. */
  cancel(node: T): void {
    const slot = node.wheelSlot;
    if (slot === -1) return;
    if (slot >= overdueSlot) this.#dropOverdue(slot - overdueSlot);
    else this.#unlink(node, slot);
    node.wheelSlot = -1;
    this.#size -= 1;
  }

  /** Never later than the earliest due time, and past `nowMs` unless something is due; Infinity when empty. */
  nextMs(): number {
    if (this.#size === 0) return Infinity;
    const overdue = this.#overdue[0];
    if (overdue !== undefined) return overdue.wheelDueMs;
    const slot = this.#firstSlot();
    return slot === farSlot ? (Math.floor(this.#nowMs / spanMs) + 1) * spanMs : this.#startOf(slot);
  }

  /**
   * Fires everything with due <= nowMs in order of due time, ties in order of scheduling. The node is no longer
   * scheduled when `fire` gets it, and `fire` may schedule and cancel any node: what is due fires in the same call, so
   * one that always schedules for the past never ends. A time before the present is ignored. When `fire` throws, the
   * rest fires with the next call. At most `max` fire: the others with the next calls. Empty stretches cost nothing,
   * however long.
   */
  advance(nowMs: number, fire: (node: T, dueMs: number) => void, max = Number.POSITIVE_INFINITY): void {
    assertTime(nowMs);
    if (this.#firing) throw new Error('the wheel is already advancing');
    if (nowMs < this.#nowMs) return;
    this.#firing = true;
    try {
      for (let left = max; left > 0; left -= 1) {
        const node = this.#takeDue(nowMs);
        if (node === undefined) break;
        fire(node as T, node.wheelDueMs);
        if (left === 1) return;
      }
      // Every slot that starts by then was emptied, so all that is left keeps its level.
      this.#nowMs = nowMs;
    } finally {
      this.#firing = false;
    }
  }

  /** Unschedules the first of all that are due, and comes to its time. */
  #takeDue(goalMs: number): TimerNode | undefined {
    while (this.#size > 0) {
      const node = this.#overdue[0];
      if (node !== undefined) {
        this.cancel(node as T);
        return node;
      }
      const slot = this.#firstSlot();
      const startMs = slot === farSlot ? this.#farStart(goalMs) : this.#startOf(slot);
      if (startMs > goalMs) return undefined;
      this.#nowMs = startMs;
      if (slot < slotsPerLevel) {
        const first = this.#heads[slot]!;
        this.cancel(first as T);
        return first;
      }
      this.#moveDown(slot);
    }
    return undefined;
  }

  /** Deals the timers of a slot anew, in their order, now that the present has come to it. */
  #moveDown(slot: number): void {
    let node = this.#heads[slot];
    this.#heads[slot] = undefined;
    this.#tails[slot] = undefined;
    this.#mark(slot, false);
    while (node !== undefined) {
      const next: TimerNode | undefined = node.wheelNext;
      this.#append(node, this.#slotOf(node.wheelDueMs));
      node = next;
    }
  }

  #slotOf(dueMs: number): number {
    const highDigits = Math.floor(dueMs / wordMs);
    const highDifference = highDigits ^ Math.floor(this.#nowMs / wordMs);
    if (highDifference >= slotsPerLevel) return farSlot;
    if (highDifference !== 0) return (levels - 1) * slotsPerLevel + (highDigits & (slotsPerLevel - 1));
    // `| 0` takes the low 32 bits of any safe integer.
    const low = dueMs | 0;
    const difference = low ^ (this.#nowMs | 0);
    const level = difference === 0 ? 0 : (31 - Math.clz32(difference)) >>> 3;
    return level * slotsPerLevel + ((low >>> (level * slotBits)) & (slotsPerLevel - 1));
  }

  /** The first slot in order of time that holds something; right only while something is in the lists. */
  #firstSlot(): number {
    const occupied = this.#occupied;
    for (let word = 0; word < occupied.length; word += 1) {
      const bits = occupied[word]!;
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits);
    }
    return farSlot;
  }

  #startOf(slot: number): number {
    const level = Math.floor(slot / slotsPerLevel);
    const slotMs = slotsPerLevel ** level;
    const turnMs = slotMs * slotsPerLevel;
    return Math.floor(this.#nowMs / turnMs) * turnMs + (slot - level * slotsPerLevel) * slotMs;
  }

  /** Where the span of the earliest far timer starts. Looks at each of them, but only once in a span. */
  #farStart(goalMs: number): number {
    if ((Math.floor(this.#nowMs / spanMs) + 1) * spanMs > goalMs) return Infinity;
    let earliestMs = Infinity;
    for (let node = this.#heads[farSlot]; node !== undefined; node = node.wheelNext) {
      if (node.wheelDueMs < earliestMs) earliestMs = node.wheelDueMs;
    }
    return Math.floor(earliestMs / spanMs) * spanMs;
  }

  #append(node: TimerNode, slot: number): void {
    const tail = this.#tails[slot];
    node.wheelSlot = slot;
    node.wheelPrev = tail;
    node.wheelNext = undefined;
    this.#tails[slot] = node;
    if (tail !== undefined) {
      tail.wheelNext = node;
      return;
    }
    this.#heads[slot] = node;
    this.#mark(slot, true);
  }

  #unlink(node: TimerNode, slot: number): void {
    const { wheelPrev, wheelNext } = node;
    if (wheelPrev === undefined) this.#heads[slot] = wheelNext;
    else wheelPrev.wheelNext = wheelNext;
    if (wheelNext === undefined) this.#tails[slot] = wheelPrev;
    else wheelNext.wheelPrev = wheelPrev;
    node.wheelPrev = undefined;
    node.wheelNext = undefined;
    if (this.#heads[slot] === undefined) this.#mark(slot, false);
  }

  #mark(slot: number, occupied: boolean): void {
    if (slot === farSlot) return;
    const bit = 1 << (slot & 31);
    if (occupied) this.#occupied[slot >>> 5]! |= bit;
    else this.#occupied[slot >>> 5]! &= ~bit;
  }

  #dropOverdue(place: number): void {
    const last = this.#overdue.pop()!;
    if (place === this.#overdue.length) return;
    this.#rise(last, place);
    this.#sink(last, last.wheelSlot - overdueSlot);
  }

  #rise(node: TimerNode, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = this.#overdue[(place - 1) >>> 1]!;
      if (!isBefore(node, parent)) break;
      this.#put(parent, place);
      place = (place - 1) >>> 1;
    }
    this.#put(node, place);
  }

  #sink(node: TimerNode, from: number): void {
    const heap = this.#overdue;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, node)) break;
      this.#put(heap[child]!, place);
      place = child;
    }
    this.#put(node, place);
  }

  #put(node: TimerNode, place: number): void {
    this.#overdue[place] = node;
    node.wheelSlot = overdueSlot + place;
  }
}

function isBefore(left: TimerNode, right: TimerNode): boolean {
  return left.wheelDueMs === right.wheelDueMs ? left.wheelOrder < right.wheelOrder : left.wheelDueMs < right.wheelDueMs;
}

function assertTime(timeMs: number): void {
  if (!(Number.isSafeInteger(timeMs) && timeMs >= 0)) throw new RangeError(`${timeMs} is not a time in milliseconds`);
}
