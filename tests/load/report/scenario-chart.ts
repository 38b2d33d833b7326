import { type Color, type Panel, renderChart, type Series } from '../../support/svg-chart.ts';
import type { TimelinePoint } from '../generator/plan.ts';
import type { ProbeResult } from '../measure/health-probe.ts';
import type { ProcessSample } from '../measure/process-samples.ts';
import { mergedTimeline, totalOf } from '../measure/summary.ts';
import type { Run } from '../scenario.ts';

export interface ChartInput {
  readonly title: string;
  readonly subtitle: string;
  /** Wall clock of the scenario's first and last moment. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly runs: readonly Run[];
  readonly health: ProbeResult;
  readonly control: ProbeResult;
  readonly samples: readonly ProcessSample[];
  readonly healthBarMs: number;
}

const refusalColors: readonly Color[] = ['red', 'orange', 'purple', 'gold', 'gray'];

/** Goodput, latency, refusals, health and memory over the time of one scenario. */
export function scenarioChart(input: ChartInput): string {
  const { title, subtitle, fromMs, toMs, runs, samples } = input;
  const xMax = Math.max(1, (toMs - fromMs) / 1_000);
  const offsets = runs.map(({ result }) => (result.startedAtMs - fromMs) / 1_000);
  const pieces = runs.map(({ result }, index) => {
    const points = mergedTimeline(Object.values(result.timelines));
    const bucketMs = points.length < 2 ? 1_000 : points[1]!.atMs - points[0]!.atMs;
    return { points, bucketMs, offset: offsets[index]! };
  });
  // Each load starts and ends with a gap in the line.
  const series = (of: (point: TimelinePoint, perSecond: number) => number): Series['points'] =>
    pieces.flatMap(({ points, bucketMs, offset }) => [
      ...points.map(
        (point) => [offset + (point.atMs + bucketMs / 2) / 1_000, of(point, 1_000 / bucketMs)] as [number, number],
      ),
      [offset, Number.NaN] as [number, number],
    ]);
  const reasons = new Map<string, number>();
  for (const { points } of pieces) {
    for (const { refused } of points) {
      for (const [reason, count] of Object.entries(refused)) reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    }
  }
  const shown = [...reasons].sort(([, a], [, b]) => b - a).slice(0, refusalColors.length);
  const throughput: Panel = {
    title: 'Requests',
    yLabel: 'requests/s',
    series: [
      { name: 'offered', color: 'gray', dashed: true, points: series(({ offered }, each) => offered * each) },
      { name: 'goodput', color: 'green', points: series(({ good }, each) => good * each) },
      { name: 'refused', color: 'orange', points: series(({ refused }, each) => totalOf(refused) * each) },
      { name: 'late or failed', color: 'red', points: series(({ late, failed }, each) => (late + failed) * each) },
    ],
  };
  const latency: Panel = {
    title: 'Latency of what was served, from the intended time',
    yLabel: 'ms (log)',
    log: true,
    series: [
      { name: 'p50', color: 'blue', points: series(({ p50Ms }) => p50Ms) },
      { name: 'p99', color: 'purple', points: series(({ p99Ms }) => p99Ms) },
    ],
  };
  const refusals: Panel = {
    title: shown.length === 0 ? 'Refusals by code and gate: none' : 'Refusals by code and gate',
    yLabel: 'requests/s',
    series: shown.map(([name], index) => ({
      name,
      color: refusalColors[index]!,
      points: series(({ refused }, each) => (refused[name] ?? 0) * each),
    })),
  };
  const panels = [throughput, latency, refusals, healthPanel(input), memoryPanel(samples, fromMs)];
  const spans = runs.flatMap(({ result, label }, index) => spansOf(result.phases, offsets[index]!, label));
  return renderChart({ title, subtitle, xLabel: 'seconds since the start', xMax, panels, spans });
}

function spansOf(phases: Run['result']['phases'], offset: number, label: string) {
  const first = phases[0]?.lane;
  let from = offset;
  return phases
    .filter(({ lane }) => lane === first)
    .map(({ phase, seconds }) => {
      const span = { from, to: from + seconds, name: phase === label ? label : `${label}: ${phase}` };
      from += seconds;
      return span;
    });
}

function healthPanel({ health, control, fromMs, healthBarMs }: ChartInput): Panel {
  const points = (probe: ProbeResult) =>
    probe.points.map(({ atMs, tookMs }) => [(atMs - fromMs) / 1_000, tookMs] as [number, number]);
  return {
    title: 'GET /healthz each 100 ms',
    yLabel: 'ms (log)',
    log: true,
    line: { at: healthBarMs, text: `bar ${healthBarMs} ms` },
    series: [
      { name: 'an idle server beside it', color: 'gray', points: points(control) },
      { name: 'healthz', color: 'blue', points: points(health) },
    ],
  };
}

function memoryPanel(samples: readonly ProcessSample[], fromMs: number): Panel {
  const names = [...new Set(samples.flatMap(({ rssBytes }) => Object.keys(rssBytes)))];
  const order: readonly Color[] = ['blue', 'green', 'orange', 'purple', 'gold', 'gray', 'red'];
  return {
    title: 'Resident memory',
    yLabel: 'MiB',
    series: names.map((name, index) => ({
      name,
      color: order[index % order.length]!,
      points: samples.map(
        ({ atMs, rssBytes }) =>
          [(atMs - fromMs) / 1_000, (rssBytes[name] ?? Number.NaN) / 1_048_576] as [number, number],
      ),
    })),
  };
}
