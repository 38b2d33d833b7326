/** Counters for each power of two: a value is told to within 1/128 of itself. */
const subBits = 7;
const perOctave = 1 << subBits;
/** Values are whole microseconds below 2^32, which is 71 minutes; larger ones count as that. */
const valueMax = 2 ** 32 - 1;
const counters = perOctave + (32 - subBits) * perOctave;

/**
 * Counts of durations with a bounded relative error and a fixed size, as HdrHistogram has it (Tene): linear
 * counters inside each power of two. Percentiles come out as the upper end of a counter, so never too low.
 */
export class Histogram {
  readonly #counts: Float64Array;
  #total = 0;
  #max = 0;

  constructor(counts?: Float64Array) {
    this.#counts = counts ?? new Float64Array(counters);
    if (counts === undefined) return;
    if (counts.length !== counters) throw new RangeError(`a histogram has ${counters} counters`);
    for (let index = 0; index < counters; index += 1) {
      const count = counts[index]!;
      if (count > 0) this.#max = upperOf(index);
      this.#total += count;
    }
  }

  get total(): number {
    return this.#total;
  }

  /** The largest recorded, in milliseconds; 0 when there is none. */
  get maxMs(): number {
    return this.#max / 1_000;
  }

  recordMs(ms: number): void {
    const value = Math.min(valueMax, Math.max(0, Math.round(ms * 1_000)));
    const index = indexOf(value);
    this.#counts[index] = this.#counts[index]! + 1;
    this.#total += 1;
    if (value > this.#max) this.#max = value;
  }

  /** The smallest value that at least `percent` of all do not exceed, in milliseconds; NaN when nothing is recorded. */
  percentileMs(percent: number): number {
    if (this.#total === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#total));
    let seen = 0;
    for (let index = 0; index < counters; index += 1) {
      seen += this.#counts[index]!;
      if (seen >= rank) return Math.min(upperOf(index), this.#max) / 1_000;
    }
    return this.maxMs;
  }

  add(other: Histogram): this {
    for (let index = 0; index < counters; index += 1)
      this.#counts[index] = this.#counts[index]! + other.#counts[index]!;
    this.#total += other.#total;
    this.#max = Math.max(this.#max, other.#max);
    return this;
  }

  /** Index and count of the counters that are not empty, for another process. */
  pack(): PackedHistogram {
    const indexes: number[] = [];
    const counts: number[] = [];
    for (let index = 0; index < counters; index += 1) {
      if (this.#counts[index] === 0) continue;
      indexes.push(index);
      counts.push(this.#counts[index]!);
    }
    return { indexes, counts, maxUs: this.#max };
  }

  static unpack({ indexes, counts, maxUs }: PackedHistogram): Histogram {
    const all = new Float64Array(counters);
    for (const [at, index] of indexes.entries()) all[index] = counts[at]!;
    const histogram = new Histogram(all);
    histogram.#max = maxUs;
    return histogram;
  }
}

export interface PackedHistogram {
  readonly indexes: readonly number[];
  readonly counts: readonly number[];
  readonly maxUs: number;
}

function indexOf(value: number): number {
  if (value < perOctave) return value;
  const octave = 31 - Math.clz32(value);
  const shift = octave - subBits;
  return perOctave + shift * perOctave + ((value >>> shift) - perOctave);
}

/** The largest value that the counter holds. */
function upperOf(index: number): number {
  if (index < perOctave) return index;
  const shift = Math.floor((index - perOctave) / perOctave);
  const mantissa = ((index - perOctave) % perOctave) + perOctave;
  return (mantissa + 1) * 2 ** shift - 1;
}
