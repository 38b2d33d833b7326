import type { TimelinePoint } from '../generator/plan.ts';

/** Length of the stretch that has to be good before a server counts as recovered. */
const stretchMs = 1_000;
/** Of what is offered. */
const goodShare = 0.95;

/**
 * Milliseconds after `fromMs` until a second begins in which goodput is at least 95 % of what is offered and no
 * point's p99 is above the bound. Undefined when that does not happen in the timeline.
 */
export function recoveryMs(points: readonly TimelinePoint[], fromMs: number, p99MsMax: number): number | undefined {
  const bucketMs = points.length < 2 ? stretchMs : points[1]!.atMs - points[0]!.atMs;
  const stretch = Math.max(1, Math.round(stretchMs / bucketMs));
  for (let from = 0; from + stretch <= points.length; from += 1) {
    const { atMs } = points[from]!;
    if (atMs < fromMs) continue;
    const part = points.slice(from, from + stretch);
    const sum = (of: (point: TimelinePoint) => number) => part.reduce((all, point) => all + of(point), 0);
    const offered = sum((point) => point.offered);
    // A second in which nobody asked says nothing.
    const isGood = offered > 0 && sum(({ good }) => good) >= goodShare * offered;
    if (isGood && part.every(({ p99Ms }) => Number.isNaN(p99Ms) || p99Ms <= p99MsMax)) return atMs - fromMs;
  }
  return undefined;
}
