import type { TimelinePoint } from '../load/generator/plan.ts';
import { totalOf } from '../load/measure/summary.ts';
import { renderChart, type Series } from '../support/svg-chart.ts';
import type { SoakSample, Tracked } from './sampler.ts';
import { bucketMs } from './traffic.ts';

/** Load, latency, memory and counts over the minutes of a soak. */
export function soakChart(
  title: string,
  subtitle: string,
  samples: readonly SoakSample[],
  load: readonly TimelinePoint[],
) {
  const of = (what: Tracked, each = 1): Series['points'] =>
    samples
      .filter((sample) => !Number.isNaN(sample[what]))
      .map((sample) => [sample.atS / 60, sample[what] / each] as const);
  const at = (value: (point: TimelinePoint) => number): Series['points'] =>
    load.map((point) => [(point.atMs + bucketMs / 2) / 60_000, value(point)] as const);
  const perSecond = 1_000 / bucketMs;
  const MiB = 1_048_576;
  const xMax = Math.max(0.1, ...samples.map(({ atS }) => atS / 60));
  return renderChart({
    title,
    subtitle,
    xLabel: 'minutes since the start',
    xMax,
    spans: [],
    panels: [
      {
        title: 'Requests, edge included',
        yLabel: 'requests/s',
        series: [
          { name: 'goodput', color: 'green', points: at(({ good }) => good * perSecond) },
          { name: 'refused', color: 'orange', points: at(({ refused }) => totalOf(refused) * perSecond) },
          { name: 'late or failed', color: 'red', points: at(({ late, failed }) => (late + failed) * perSecond) },
        ],
      },
      {
        title: 'Latency, the worst lane of each 10 s',
        yLabel: 'ms (log)',
        log: true,
        series: [
          { name: 'p50', color: 'blue', points: at(({ p50Ms }) => p50Ms) },
          { name: 'p99', color: 'purple', points: at(({ p99Ms }) => p99Ms) },
        ],
      },
      {
        title: 'Memory of the node',
        yLabel: 'MiB',
        series: [
          { name: 'RSS', color: 'blue', points: of('rssBytes', MiB) },
          { name: 'heap and buffers, collected', color: 'orange', points: of('heapBytes', MiB) },
        ],
      },
      {
        title: 'Descriptors, timers and other resources of the node',
        yLabel: 'count',
        series: [
          { name: 'descriptors', color: 'blue', points: of('descriptors') },
          { name: 'timers', color: 'orange', points: of('timers') },
          { name: 'other resources', color: 'green', points: of('resources') },
        ],
      },
      {
        title: 'Series of /metrics',
        yLabel: 'series',
        series: [{ name: 'series', color: 'purple', points: of('series') }],
      },
    ],
  });
}
