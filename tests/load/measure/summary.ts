import { Histogram } from '../generator/histogram.ts';
import type { GeneratorHealth, LoadResult, PhaseResult, TimelinePoint } from '../generator/plan.ts';

/** One line of the table: some lanes in one phase, a second. */
export interface Summary {
  readonly offered: number;
  readonly goodput: number;
  readonly late: number;
  readonly refused: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

export function summarize(phases: readonly PhaseResult[]): Summary {
  const seconds = phases[0]?.seconds ?? 1;
  const latency = new Histogram();
  const refusals: Record<string, number> = {};
  const failures: Record<string, number> = {};
  let offered = 0;
  let good = 0;
  let late = 0;
  for (const phase of phases) {
    latency.add(Histogram.unpack(phase.latency));
    addInto(refusals, phase.refused);
    addInto(failures, phase.failed);
    offered += phase.offered;
    good += phase.good;
    late += phase.late;
  }
  return {
    offered: offered / seconds,
    goodput: good / seconds,
    late: late / seconds,
    refused: totalOf(refusals) / seconds,
    failed: totalOf(failures) / seconds,
    p50Ms: latency.percentileMs(50),
    p99Ms: latency.percentileMs(99),
    p999Ms: latency.percentileMs(99.9),
    refusals,
    failures,
  };
}

/** All lanes, or one, in the phase of that name. */
export function phaseOf({ phases }: LoadResult, phase: string, lane?: string): Summary {
  const chosen = phases.filter((each) => each.phase === phase && (lane === undefined || each.lane === lane));
  if (chosen.length === 0) throw new RangeError(`no phase ${phase} of ${lane ?? 'any lane'}`);
  return summarize(chosen);
}

/** All lanes on one line of time; of percentiles the worst. */
export function mergedTimeline(timelines: readonly (readonly TimelinePoint[])[]): TimelinePoint[] {
  const length = Math.max(0, ...timelines.map((points) => points.length));
  return Array.from({ length }, (_, index) => {
    const points = timelines.flatMap((each) => each[index] ?? []);
    const sum = (of: (point: TimelinePoint) => number) => points.reduce((all, point) => all + of(point), 0);
    const worst = (of: (point: TimelinePoint) => number) => {
      const known = points.map(of).filter((value) => !Number.isNaN(value));
      return known.length === 0 ? Number.NaN : Math.max(...known);
    };
    const refused: Record<string, number> = {};
    for (const point of points) addInto(refused, point.refused);
    return {
      atMs: points[0]!.atMs,
      offered: sum(({ offered }) => offered),
      good: sum(({ good }) => good),
      late: sum(({ late }) => late),
      refused,
      failed: sum(({ failed }) => failed),
      p50Ms: worst(({ p50Ms }) => p50Ms),
      p99Ms: worst(({ p99Ms }) => p99Ms),
    };
  });
}

const lagP99MsMax = 50;
const saturatedShareMax = 0.25;

/**
 * Why a generator may have been the bottleneck; undefined when it was not. On two cores it shares them with the server,
 * so some lag is normal: 50 ms at p99 is a twentieth of the deadline.
 */
export function unfitness({ lag, saturated, busy }: GeneratorHealth): string | undefined {
  const p99Ms = Histogram.unpack(lag).percentileMs(99);
  if (saturated > saturatedShareMax) {
    return `the generator's loop was full in ${Math.round(100 * saturated)} % of the seconds (busy ${Math.round(100 * busy)} % on average)`;
  }
  if (p99Ms > lagP99MsMax) return `the generator was ${Math.round(p99Ms)} ms behind at p99, at most ${lagP99MsMax}`;
  return undefined;
}

export function totalOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, each) => sum + each, 0);
}

function addInto(sum: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(counts)) sum[key] = (sum[key] ?? 0) + count;
}
