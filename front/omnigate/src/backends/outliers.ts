export interface Measured {
  /** Moving average of its answers; undefined with too few. */
  readonly latencyMs: number | undefined;
  readonly failsCalls: boolean;
  readonly takesCalls: boolean;
  readonly ejectedByStatistics: boolean;
}

export interface Outlier<B> {
  readonly backend: B;
  readonly reason: string;
}

/** Answers that take this many times the median of the others, and this much longer, stand out. */
const latencyFactor = 4;
const latencyMsMin = 100;

/**
 * Who stands out, the worst first; never so many that more than half of all would be out by statistics, and never the
 * last that takes calls: when all are slow, something else is wrong.
 */
export function outliersOf<B extends Measured>(backends: readonly B[]): readonly Outlier<B>[] {
  let room = Math.floor(backends.length / 2) - backends.filter((one) => one.ejectedByStatistics).length;
  let taking = backends.filter((one) => one.takesCalls).length;
  const found: Outlier<B>[] = [];
  const worstFirst = [...backends].sort((a, b) => badness(b) - badness(a));
  for (const backend of worstFirst) {
    if (room <= 0 || taking <= 1) break;
    if (!backend.takesCalls) continue;
    const reason = backend.failsCalls
      ? 'its calls fail'
      : isSlow(backend, backends)
        ? 'its answers take long'
        : undefined;
    if (reason === undefined) continue;
    found.push({ backend, reason });
    room -= 1;
    taking -= 1;
  }
  return found;
}

function badness({ failsCalls, latencyMs = 0 }: Measured): number {
  return failsCalls ? Number.MAX_VALUE : latencyMs;
}

function isSlow(backend: Measured, all: readonly Measured[]): boolean {
  const { latencyMs } = backend;
  if (latencyMs === undefined) return false;
  const others = all.flatMap((one) =>
    one !== backend && one.takesCalls && one.latencyMs !== undefined ? one.latencyMs : [],
  );
  if (others.length === 0) return false;
  others.sort((a, b) => a - b);
  const median = others[(others.length - 1) >> 1]!;
  return latencyMs > latencyFactor * median && latencyMs > median + latencyMsMin;
}
