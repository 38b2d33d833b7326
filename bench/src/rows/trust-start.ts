import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startNode } from '../node-process.ts';
import { median, type Row, type RunOptions } from '../row.ts';

const startBarMs = 500;
const rssBarMb = 130;
const idleMs = 2_000;
/** More than the usual rounds: a start is short and noisy. */
const startsEach = 3;

interface StartCase {
  readonly id: string;
  readonly job: string;
  readonly persist: boolean;
  /** Undefined: as Node does without being told. */
  readonly cache: 'cold' | 'warm' | undefined;
}

const cases: readonly StartCase[] = [
  { id: 'ram', job: 'RAM', persist: false, cache: undefined },
  { id: 'ram-cold', job: 'RAM, compile cache cold', persist: false, cache: 'cold' },
  { id: 'ram-warm', job: 'RAM, compile cache warm', persist: false, cache: 'warm' },
  { id: 'disk-new', job: 'durable, a new folder each time', persist: true, cache: undefined },
  { id: 'disk-again', job: 'durable, the same folder again, compile cache warm', persist: true, cache: 'warm' },
];

async function startTimes(one: StartCase, { rounds, folder }: RunOptions): Promise<readonly number[]> {
  const times: number[] = [];
  const again = one.id === 'disk-again';
  for (let at = -1; at < rounds * startsEach; at += 1) {
    const cache = one.cache === undefined ? undefined : join(folder, one.cache === 'warm' ? 'cache' : `cache-${at}`);
    const persist = one.persist ? join(folder, again ? 'node' : `node-${at}`) : undefined;
    const env: Record<string, string> = cache === undefined ? {} : { NODE_COMPILE_CACHE: cache };
    await using node = await startNode({ env, ...(persist === undefined ? {} : { persist }) });
    // The first fills the cache, ours and the system's.
    if (at >= 0) times.push(node.readyMs);
  }
  return times;
}

const startRows: readonly Row[] = cases.map((one) => ({
  id: `trust-start-${one.id}`,
  job: `micronode: spawn to ready, ${one.job}`,
  anchor: '',
  bar: undefined,
  limit: startBarMs,
  needs: [],
  async run(options) {
    const ours = await startTimes(one, options);
    const evidence = `${ours.length} starts, ${Math.min(...ours).toFixed(0)} to ${Math.max(...ours).toFixed(0)} ms; polled every 20 ms`;
    return { unit: 'ms', ours, anchor: [], higherIsBetter: false, evidence };
  },
}));

const rssRows: readonly Row[] = [false, true].map((persist) => ({
  id: `trust-rss-${persist ? 'disk' : 'ram'}`,
  job: `micronode: idle RSS, ${persist ? 'durable' : 'RAM'}`,
  anchor: '',
  bar: undefined,
  limit: rssBarMb,
  needs: [],
  async run({ rounds, folder }) {
    const ours: number[] = [];
    const heaps: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await using node = await startNode(persist ? { persist: join(folder, `node-${round}`) } : {});
      await new Promise((resolve) => setTimeout(resolve, idleMs));
      const status = await readFile(`/proc/${node.pid}/status`, 'utf8');
      ours.push((Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024) / 1e6);
      heaps.push((Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) * 1_024) / 1e6);
    }
    const evidence = `VmRSS two seconds after ready, ${median(heaps).toFixed(0)} MB of it its own`;
    return { unit: 'MB', ours, anchor: [], higherIsBetter: false, evidence };
  },
}));

export const trustStartRows: readonly Row[] = [...startRows, ...rssRows];
