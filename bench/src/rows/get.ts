import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startNode } from '../node-process.ts';
import { startNginx } from '../peers/nginx.ts';
import { wrk } from '../peers/wrk.ts';
import type { Row } from '../row.ts';

interface GetCase {
  readonly id: string;
  readonly label: string;
  readonly sizeBytes: number;
  readonly bar: number;
  readonly connections: number;
  readonly persist: boolean;
}

const cases: readonly GetCase[] = [
  { id: 'get-1k', label: 'GET 1 KiB, hot', sizeBytes: 1_024, bar: 0.55, connections: 32, persist: false },
  { id: 'get-64k', label: 'GET 64 KiB, hot', sizeBytes: 65_536, bar: 0.55, connections: 32, persist: false },
  { id: 'get-1m', label: 'GET 1 MiB, hot', sizeBytes: 1_048_576, bar: 0.9, connections: 16, persist: false },
  {
    id: 'get-64m',
    label: 'GET 64 MiB, disk, every group verified',
    sizeBytes: 67_108_864,
    bar: 0.75,
    connections: 4,
    persist: true,
  },
];

export const getRows: readonly Row[] = cases.map((one) => ({
  id: one.id,
  job: one.label,
  anchor: 'nginx sendfile, one worker',
  bar: one.bar,
  needs: ['nginx', 'wrk'],
  async run({ rounds, secondsPerRound, folder }) {
    const bytes = randomFillSync(new Uint8Array(one.sizeBytes));
    await using nginx = await startNginx(join(folder, 'nginx'));
    await writeFile(join(nginx.root, 'object'), bytes);
    await using node = await startNode(one.persist ? { persist: join(folder, 'node') } : {});
    const headers = { authorization: `Bearer ${node.capability}` };
    const put = await fetch(`${node.url}/put`, { method: 'PUT', body: bytes, headers });
    const { address } = (await put.json()) as { address: string };
    const url = `${node.url}/o/${address}`;
    const ours: number[] = [];
    const anchor: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      anchor.push(await rate(`${nginx.url}/object`, one, secondsPerRound, {}));
      ours.push(await rate(url, one, secondsPerRound, headers));
    }
    const sent = await metric(node.url, 'bytes_out_total{service="gateway"}');
    return {
      unit: one.sizeBytes >= 1_048_576 ? 'MB/s' : 'requests/s',
      ours,
      anchor,
      higherIsBetter: true,
      evidence: `the node counted ${(sent / 1e9).toFixed(1)} GB of verified bytes out`,
    };
  },
}));

async function rate(
  url: string,
  { connections, sizeBytes }: GetCase,
  seconds: number,
  headers: Record<string, string>,
): Promise<number> {
  const load = await wrk(url, { seconds, connections, headers });
  return sizeBytes >= 1_048_576 ? load.bytesPerSecond / 1e6 : load.requestsPerSecond;
}

export async function metric(url: string, name: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((reply) => reply.text());
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}
