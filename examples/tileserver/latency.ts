/** Requests that a histogram of the node has seen, by upper bounds in seconds, each with all that is below it. */
export interface Histogram {
  readonly count: number;
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
}

/** The series of one operation of the gateway in the text of `/metrics`. */
export function histogramOf(exposition: string, op: string): Histogram {
  const buckets: { le: number; count: number }[] = [];
  let count = 0;
  for (const line of exposition.split('\n')) {
    const match = /^latency_seconds_(bucket|count)\{([^}]*)\} ([0-9]+)$/.exec(line);
    if (match === null) continue;
    const [, kind, labels = '', value] = match;
    if (!labels.includes('service="gateway"') || !labels.includes(`op="${op}"`)) continue;
    if (kind === 'count') count = Number(value);
    else buckets.push({ le: boundOf(/le="([^"]*)"/.exec(labels)![1]!), count: Number(value) });
  }
  return { count, buckets };
}

export function difference(after: Histogram, before: Histogram): Histogram {
  const earlier = new Map(before.buckets.map(({ le, count }) => [le, count]));
  const buckets = after.buckets.map(({ le, count }) => ({ le, count: count - (earlier.get(le) ?? 0) }));
  return { count: after.count - before.count, buckets };
}

/** Milliseconds below which the share of requests stayed: interpolated in its bucket, as Prometheus does. */
export function quantileMs({ count, buckets }: Histogram, share: number): number {
  const rank = share * count;
  const at = buckets.findIndex((bucket) => bucket.count >= rank);
  const bucket = buckets[at];
  if (bucket === undefined || count === 0) return Number.NaN;
  const below = buckets[at - 1] ?? { le: 0, count: 0 };
  if (bucket.le === Number.POSITIVE_INFINITY) return below.le * 1_000;
  const part = (rank - below.count) / Math.max(1, bucket.count - below.count);
  return (below.le + (bucket.le - below.le) * part) * 1_000;
}

export function percentilesOf(timesMs: readonly number[]): (share: number) => number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

function boundOf(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
}
