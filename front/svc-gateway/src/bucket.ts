/** Longest wait that is told, in milliseconds: 10 days. Rates come from capabilities too and may be absurdly small. */
export const waitMsMax = 864_000_000;

/**
 * A token bucket whose rate and capacity are given on each use, so that a new configuration holds at once. It starts
 * full.
 */
export class Bucket {
  #level = Number.POSITIVE_INFINITY;
  #missing = 0;
  #atMs = 0;

  /** Tokens at `nowMs`; negative after debts. */
  levelAt(nowMs: number, perSecond: number, capacity: number): number {
    const level = this.#level === Number.POSITIVE_INFINITY ? capacity - this.#missing : this.#level;
    return Math.min(capacity, level + ((nowMs - this.#atMs) * perSecond) / 1_000);
  }

  /** Of a fresh bucket: so many tokens were gone when it was last seen. */
  restore(missing: number, nowMs: number): void {
    this.#missing = missing;
    this.#atMs = nowMs;
  }

  /** Takes tokens whether they are there or not; a negative count gives some back. */
  spend(tokens: number, nowMs: number, perSecond: number, capacity: number): void {
    this.#level = this.levelAt(nowMs, perSecond, capacity) - tokens;
    this.#atMs = nowMs;
  }

  /**
   * The least whole milliseconds after which `tokens` (at most `capacity`) are there if nothing else is spent;
   * 0 = now, and never more than `waitMsMax`.
   */
  waitMs(tokens: number, nowMs: number, perSecond: number, capacity: number): number {
    const enough = tokens - roundingOf(capacity);
    const missing = enough - this.levelAt(nowMs, perSecond, capacity);
    if (missing <= 0) return 0;
    const estimate = Math.ceil((missing / perSecond) * 1_000);
    if (!(estimate < waitMsMax)) return waitMsMax;
    // The two formulas round differently; what counts is what `levelAt` will say then.
    const first = Math.max(1, estimate - 1);
    for (let wait = first; wait <= first + 2; wait += 1) {
      if (this.levelAt(nowMs + wait, perSecond, capacity) >= enough) return wait;
    }
    return first + 3;
  }
}

/** What sums of fractions may be off by: a token that is there but for its fifteenth digit is there. */
function roundingOf(capacity: number): number {
  return 1e-9 * Math.max(1, capacity);
}

/** How many entries one admission looks at to find room; the rest of the table waits for the next one. */
const sweepMax = 64;

/**
 * Buckets by key, `capacityMax` at most. A key beyond that takes the place of one whose bucket is full (forgetting it
 * changes nothing); while none of the least recently placed is, all further keys share one bucket, so that no
 * number of keys buys more than one more share.
 */
export class BucketTable<B> {
  readonly #entries = new Map<string, B>();
  readonly #create: (key: string) => B;
  readonly #isFull: (bucket: B) => boolean;
  #shared: B | undefined;

  constructor(create: (key: string) => B, isFull: (bucket: B) => boolean) {
    this.#create = create;
    this.#isFull = isFull;
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): Iterable<readonly [string, B]> {
    return this.#entries;
  }

  of(key: string, entriesMax: number): B {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    if (this.#entries.size >= entriesMax && !this.#makeRoom(entriesMax)) {
      this.#shared ??= this.#create(key);
      return this.#shared;
    }
    const fresh = this.#create(key);
    this.#entries.set(key, fresh);
    return fresh;
  }

  #makeRoom(entriesMax: number): boolean {
    let looks = sweepMax;
    for (const [key, bucket] of this.#entries) {
      if (this.#entries.size < entriesMax) return true;
      if (looks === 0) return false;
      looks -= 1;
      this.#entries.delete(key);
      // A busy one moves to the end, so that the next sweep begins with others.
      if (!this.#isFull(bucket)) this.#entries.set(key, bucket);
    }
    return this.#entries.size < entriesMax;
  }
}
