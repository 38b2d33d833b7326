import { join } from 'node:path';
import { startNode } from '../node-process.ts';
import { startNginx } from '../peers/nginx.ts';
import { putScript, wrk } from '../peers/wrk.ts';
import type { Row } from '../row.ts';
import { metric } from './get.ts';

const cases = [
  { id: 'put-1k', label: 'PUT 1 KiB, durable, 32 clients', sizeBytes: 1_024, bar: 1 },
  { id: 'put-64k', label: 'PUT 64 KiB, durable, 32 clients', sizeBytes: 65_536, bar: 0.8 },
  { id: 'put-1m', label: 'PUT 1 MiB, durable, 32 clients', sizeBytes: 1_048_576, bar: 0.8 },
] as const;

export const putRows: readonly Row[] = cases.map(({ id, label, sizeBytes, bar }) => ({
  id,
  job: label,
  anchor: 'nginx dav, without sync or hash',
  bar,
  needs: ['nginx', 'wrk'],
  async run({ rounds, secondsPerRound, folder }) {
    await using nginx = await startNginx(join(folder, 'nginx'));
    await using node = await startNode({ persist: join(folder, 'node') });
    const toNginx = await putScript(folder, sizeBytes, (counter) => `"/dav/${counter}"`);
    const toNode = await putScript(folder, sizeBytes, () => '"/put"');
    const headers = { authorization: `Bearer ${node.capability}` };
    const ours: number[] = [];
    const anchor: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const load = { seconds: secondsPerRound, connections: 32 };
      anchor.push((await wrk(nginx.url, { ...load, script: toNginx })).requestsPerSecond);
      ours.push((await wrk(node.url, { ...load, script: toNode, headers })).requestsPerSecond);
    }
    const stored = await metric(node.url, 'storage_objects');
    const syncs = await metric(node.url, 'journal_syncs_total');
    return {
      unit: 'requests/s',
      ours,
      anchor,
      higherIsBetter: true,
      evidence: `${stored} objects stored, ${syncs} syncs`,
    };
  },
}));
