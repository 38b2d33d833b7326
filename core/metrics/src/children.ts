import type { Child, Sample } from './family.ts';

/** Only grows; resets to zero when the process starts. */
export interface Counter {
  /** Adds `by` (default 1, not negative). */
  inc(by?: number): void;
  readonly value: number;
}

export interface Gauge {
  set(value: number): void;
  inc(by?: number): void;
  dec(by?: number): void;
  readonly value: number;
}

export interface Histogram {
  /** For the latency histogram: seconds. */
  observe(value: number): void;
  readonly count: number;
  readonly sum: number;
  /** The upper bound of the bucket that holds the quantile `q` (0 to 1); undefined while empty, Infinity past the last bound. */
  quantile(q: number): number | undefined;
}

type Labels = Readonly<Record<string, string>>;

export class CounterChild implements Counter, Child {
  value = 0;

  inc(by = 1): void {
    if (!(by >= 0)) throw new RangeError(`a counter cannot grow by ${by}`);
    this.value += by;
  }

  collect(_name: string, labels: Labels): readonly Sample[] {
    return [{ labels, value: this.value }];
  }
}

export class GaugeChild implements Gauge, Child {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  inc(by = 1): void {
    this.value += by;
  }

  dec(by = 1): void {
    this.value -= by;
  }

  collect(_name: string, labels: Labels): readonly Sample[] {
    return [{ labels, value: this.value }];
  }
}

/** Seconds. 250 µs to 60 s: the longest deadline that a request can have is 60 s. */
export const latencyBuckets: readonly number[] = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

export class HistogramChild implements Histogram, Child {
  readonly #bounds: readonly number[];
  /** One more than the bounds: the last is +Inf. Not cumulative, so that an observation touches one cell. */
  readonly #counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    if (Number.isNaN(value)) return;
    const bounds = this.#bounds;
    let i = 0;
    // Most observations end in the first few buckets: a walk beats a binary search.
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    (this.#counts[i] as number)++;
    this.sum += value;
    this.count++;
  }

  quantile(q: number): number | undefined {
    if (this.count === 0) return undefined;
    let seen = 0;
    for (let i = 0; i < this.#bounds.length; i++) {
      seen += this.#counts[i] as number;
      if (seen >= q * this.count) return this.#bounds[i];
    }
    return Number.POSITIVE_INFINITY;
  }

  collect(name: string, labels: Labels): readonly Sample[] {
    const samples: Sample[] = [];
    let total = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      total += this.#counts[i] as number;
      const le = i < this.#bounds.length ? String(this.#bounds[i]) : '+Inf';
      samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total });
    }
    samples.push({ metricName: `${name}_sum`, labels, value: this.sum });
    samples.push({ metricName: `${name}_count`, labels, value: this.count });
    return samples;
  }
}
