import { readFile } from 'node:fs/promises';
import { startNode } from '../node-process.ts';
import type { Row } from '../row.ts';

const idleMs = 2_000;

export const startRows: readonly Row[] = [
  {
    id: 'start',
    job: 'micronode: spawn to ready (bar < 500 ms)',
    anchor: '',
    bar: undefined,
    needs: [],
    async run({ rounds }) {
      const ours: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        await using node = await startNode();
        ours.push(node.readyMs);
      }
      return {
        unit: 'ms',
        ours,
        anchor: [],
        higherIsBetter: false,
        evidence: 'the banner was read; polled every 20 ms',
      };
    },
  },
  {
    id: 'rss',
    job: 'micronode: idle RSS (bar < 130 MB)',
    anchor: '',
    bar: undefined,
    needs: [],
    async run({ rounds }) {
      const ours: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        await using node = await startNode();
        await new Promise((resolve) => setTimeout(resolve, idleMs));
        const status = await readFile(`/proc/${node.pid}/status`, 'utf8');
        ours.push((Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024) / 1e6);
      }
      return { unit: 'MB', ours, anchor: [], higherIsBetter: false, evidence: 'VmRSS two seconds after ready' };
    },
  },
];
