import { Histogram } from './histogram.ts';
import type { Counts, PhaseResult, TimelinePoint } from './plan.ts';

/** Reasons that are told apart in one table; further ones are counted together. */
const reasonsMax = 32;

export function count(reasons: Record<string, number>, reason: string): void {
  const known = reason in reasons || Object.keys(reasons).length < reasonsMax ? reason : 'others';
  reasons[known] = (reasons[known] ?? 0) + 1;
}

/** What happened to the requests that were due in one phase of one lane. */
export class PhaseTally implements Counts {
  offered = 0;
  good = 0;
  late = 0;
  refused: Record<string, number> = {};
  failed: Record<string, number> = {};
  repeated = 0;
  readonly latency = new Histogram();
  readonly refusal = new Histogram();

  result(lane: string, phase: string, seconds: number): PhaseResult {
    const { offered, good, late, refused, failed, repeated } = this;
    const histograms = { latency: this.latency.pack(), refusal: this.refusal.pack() };
    return { lane, phase, seconds, offered, good, late, refused, failed, repeated, ...histograms };
  }
}

interface Bucket {
  offered: number;
  good: number;
  late: number;
  refused: Record<string, number>;
  failed: number;
  latency: Histogram | undefined;
}

/** Points of time of one lane. What is answered after the end counts in the last one. */
export class Timeline {
  readonly #bucketMs: number;
  readonly #buckets: Bucket[];

  constructor(bucketMs: number, lengthMs: number) {
    this.#bucketMs = bucketMs;
    this.#buckets = Array.from({ length: Math.ceil(lengthMs / bucketMs) }, () => ({
      offered: 0,
      good: 0,
      late: 0,
      refused: {},
      failed: 0,
      latency: undefined,
    }));
  }

  at(ms: number): Bucket {
    const index = Math.floor(ms / this.#bucketMs);
    return this.#buckets[Math.min(this.#buckets.length - 1, Math.max(0, index))]!;
  }

  served(ms: number, latencyMs: number, isGood: boolean): void {
    const bucket = this.at(ms);
    if (isGood) bucket.good += 1;
    else bucket.late += 1;
    bucket.latency ??= new Histogram();
    bucket.latency.recordMs(latencyMs);
  }

  points(): TimelinePoint[] {
    return this.#buckets.map(({ offered, good, late, refused, failed, latency }, index) => ({
      atMs: index * this.#bucketMs,
      offered,
      good,
      late,
      refused,
      failed,
      p50Ms: latency?.percentileMs(50) ?? Number.NaN,
      p99Ms: latency?.percentileMs(99) ?? Number.NaN,
    }));
  }
}
