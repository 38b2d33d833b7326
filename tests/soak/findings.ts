import type { LoadResult, TimelinePoint } from '../load/generator/plan.ts';
import { mergedTimeline } from '../load/measure/summary.ts';
import { number } from '../load/report/format.ts';
import type { Verdict } from '../load/scenario.ts';
import type { Chores } from './chores.ts';
import { type SoakSample, type Tracked, tracked } from './sampler.ts';
import { medians, robustSlope, type Slope } from './slope.ts';
import { limitedLane } from './traffic.ts';

const MiB = 1_048_576;
const hourS = 3_600;
/** Below this many seconds a slope per hour says nothing. */
const judgedFromS = 1_500;
/** Of the typical p99. */
const driftPerHourMax = 0.1;

/** Growth that is allowed in an hour. The first is a published bar; the others are counts that do not grow at all. */
const growthMax: Readonly<Record<Tracked, { readonly perHour: number; readonly unit: string; readonly each: number }>> =
  {
    rssBytes: { perHour: 1, unit: 'MiB', each: MiB },
    heapBytes: { perHour: 1, unit: 'MiB', each: MiB },
    descriptors: { perHour: 2, unit: 'descriptors', each: 1 },
    timers: { perHour: 2, unit: 'timers', each: 1 },
    resources: { perHour: 2, unit: 'resources', each: 1 },
    series: { perHour: 2, unit: 'series', each: 1 },
  };

/** `warmS`: seconds at the start that are left out, in which caches fill. */
export function growthVerdicts(samples: readonly SoakSample[], warmS: number): Verdict[] {
  return tracked.map((what) => {
    const { perHour, unit, each } = growthMax[what];
    const points = samples
      .filter((sample) => sample.atS >= warmS && !Number.isNaN(sample[what]))
      .map((sample) => [sample.atS / hourS, sample[what] / each] as const);
    const bar = `${what} grows by ${perHour} ${unit}/h at most`;
    const lengthS = points.length === 0 ? 0 : (points.at(-1)![0] - points[0]![0]) * hourS;
    const slope = robustSlope(lengthS < judgedFromS ? points : medians(points, 60 / hourS));
    if (slope === undefined) return { bar, found: 'too few samples', met: undefined };
    const found = slopeText(slope, unit);
    if (lengthS < judgedFromS) return { bar, found: `${found}; too short to judge`, met: undefined };
    return withinBar(bar, found, slope, perHour);
  });
}

/** The p99 of each stretch of the realistic lane against the median of the first ones. */
export function driftVerdict(results: readonly LoadResult[], startedAtMs: number, warmS: number): Verdict {
  const bar = 'p99 drifts by 10 % of itself an hour at most';
  const points = results
    .flatMap((result) =>
      (result.timelines['realistic'] ?? []).map(
        ({ atMs, p99Ms }) => [(result.startedAtMs - startedAtMs + atMs) / 1_000 / hourS, p99Ms] as const,
      ),
    )
    .filter(([at, p99Ms]) => at * hourS >= warmS && !Number.isNaN(p99Ms));
  const slope = robustSlope(medians(points, 60 / hourS));
  if (slope === undefined) return { bar, found: 'too short to judge', met: undefined };
  const typical = medians(points, Number.MAX_SAFE_INTEGER)[0]![1];
  const share = (value: number) => `${((100 * value) / typical).toFixed(1)} %`;
  const found = `${share(slope.estimate)} an hour (95 %: ${share(slope.low)} to ${share(slope.high)}) of ${typical.toFixed(1)} ms`;
  const lengthS = (points.at(-1)![0] - points[0]![0]) * hourS;
  if (lengthS < judgedFromS) return { bar, found: `${found}; too short to judge`, met: undefined };
  return withinBar(bar, found, slope, driftPerHourMax * typical);
}

/** Met when the whole interval is within the bar, missed when it is above it; between the two only the estimate can tell that it is met. */
function withinBar(bar: string, found: string, { estimate, low, high }: Slope, most: number): Verdict {
  if (high <= most) return { bar, found, met: true };
  if (low > most) return { bar, found, met: false };
  return { bar, found: `${found}; not told apart from the bar`, met: estimate <= most ? true : undefined };
}

/** All that is no success, but for the quota of the lane that is to meet it. */
export function errorVerdicts(results: readonly LoadResult[], chores: Chores): Verdict[] {
  const unexpected: string[] = [];
  let limited = 0;
  let offered = 0;
  const sums = new Map<string, number>();
  for (const { phases } of results) {
    for (const phase of phases) {
      offered += phase.offered;
      for (const [reason, count] of Object.entries({ ...phase.refused, ...phase.failed })) {
        const isExpected = phase.lane === limitedLane && reason.startsWith('429 quota_exhausted');
        if (isExpected) limited += count;
        else sums.set(`${phase.lane}: ${reason}`, (sums.get(`${phase.lane}: ${reason}`) ?? 0) + count);
      }
    }
  }
  for (const [reason, count] of sums) unexpected.push(`${reason} ${number(count)}`);
  for (const [reason, count] of Object.entries(chores.errors)) unexpected.push(`${reason} ${number(count)}`);
  const done = Object.entries(chores.done).map(([name, count]) => `${name} ${number(count)}`);
  return [
    {
      bar: 'no error other than expected ones',
      found:
        unexpected.length === 0 ? `none in ${number(offered)} requests; ${done.join(', ')}` : unexpected.join('; '),
      met: unexpected.length === 0,
    },
    { bar: 'who asks for more than the quota is refused', found: `${number(limited)} times`, met: limited > 0 },
  ];
}

/** The loads of a round, which run at once, on one line. */
export function timelineOf(rounds: readonly (readonly LoadResult[])[], startedAtMs: number): readonly TimelinePoint[] {
  return rounds.flatMap((results) => {
    const offsetMs = results[0]!.startedAtMs - startedAtMs;
    const merged = mergedTimeline(results.flatMap(({ timelines }) => Object.values(timelines)));
    return merged.map((point) => ({ ...point, atMs: point.atMs + offsetMs }));
  });
}

function slopeText({ estimate, low, high }: Slope, unit: string): string {
  return `${number(estimate)} ${unit}/h (95 %: ${number(low)} to ${number(high)})`;
}
