/** One line of the table: a job, an anchor, and what we reached, measured in the same run. */
export interface Row {
  readonly id: string;
  readonly job: string;
  readonly anchor: string;
  /** The bar as a ratio to the anchor, or undefined where the bar is absolute and stands in `job`. */
  readonly bar: number | undefined;
  /** The absolute bar in the row's unit: at least this much where more is better, at most this much otherwise. */
  readonly limit?: number;
  /** Programs that must be installed; what is missing is named in the table. */
  readonly needs: readonly string[];
  run(options: RunOptions): Promise<Measured>;
}

export interface RunOptions {
  /** Interleaved rounds; the median counts. */
  readonly rounds: number;
  readonly secondsPerRound: number;
  /** An empty folder that is removed afterwards. */
  readonly folder: string;
}

export interface Measured {
  readonly unit: string;
  readonly ours: readonly number[];
  /** Empty when the anchor could not be had. */
  readonly anchor: readonly number[];
  /** Whether more is better; a time is not. */
  readonly higherIsBetter: boolean;
  /** What proves that the measured thing happened: bytes hashed, syncs counted. */
  readonly evidence: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function ratioOf({ ours, anchor, higherIsBetter }: Measured): number {
  const ratio = median(ours) / median(anchor);
  return higherIsBetter ? ratio : 1 / ratio;
}

/** The value below which `share` of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** `p50 0.2, p99 1.3 ms` */
export function spread(samples: readonly number[], unit: string, shares: readonly number[] = [0.5, 0.99]): string {
  const parts = shares.map((share) => `p${100 * share} ${percentile(samples, share).toPrecision(3)}`);
  return `${parts.join(', ')} ${unit}`;
}
