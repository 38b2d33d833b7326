import { type ProcessSample, totalRss } from '../load/measure/process-samples.ts';
import { type NodeProcess, openDescriptors } from '../support/node-process.ts';

/** What must not grow. */
export interface SoakSample {
  /** Seconds since the load began. */
  readonly atS: number;
  readonly rssBytes: number;
  readonly descriptors: number;
  /** Lines of `/metrics` that are no comment. */
  readonly series: number;
  /** Heap and buffers after a collection of garbage; NaN in samples that did not look inside. */
  readonly heapBytes: number;
  /** Timers that are set; NaN as above. */
  readonly timers: number;
  /** Sockets, requests and what else keeps the loop alive; NaN as above. */
  readonly resources: number;
}

export const tracked = ['rssBytes', 'heapBytes', 'descriptors', 'timers', 'resources', 'series'] as const;
export type Tracked = (typeof tracked)[number];

const metricsMsMax = 10_000;

/** `inside`: collects garbage first, which costs the node tens of milliseconds; once a minute is enough. */
export async function takeSample(
  node: NodeProcess,
  parts: { readonly atS: number; readonly processes: ProcessSample; readonly inside: boolean },
): Promise<SoakSample> {
  const { atS, processes, inside } = parts;
  const exposition = await fetch(`${node.url}/metrics`, { signal: AbortSignal.timeout(metricsMsMax) });
  if (!exposition.ok) throw new Error(`/metrics: ${exposition.status}`);
  const lines = (await exposition.text()).split('\n');
  const seen = inside ? await node.observe() : undefined;
  const { Timeout: timers = 0, ...others } = seen?.resources ?? {};
  return {
    atS,
    rssBytes: totalRss(processes, ['node']),
    descriptors: openDescriptors(node.pid) ?? Number.NaN,
    series: lines.filter((line) => line !== '' && !line.startsWith('#')).length,
    heapBytes: seen?.heapBytes ?? Number.NaN,
    timers: seen === undefined ? Number.NaN : timers,
    resources: seen === undefined ? Number.NaN : Object.values(others).reduce((sum, count) => sum + count, 0),
  };
}
