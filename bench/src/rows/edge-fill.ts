import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CacheProcess, startNginxCache, startOrigin, startRonEdge } from '../peers/http-caches.ts';
import { wrk } from '../peers/wrk.ts';
import type { Row } from '../row.ts';
import { fastFolder } from './edge-hit.ts';

const sizeBytes = 65_536;

/** Every request names another resource: fetched, stored and sent. */
export const edgeFillRow: Row = {
  id: 'edge-fill',
  job: '`ron edge`, cold fill of 64 KiB responses',
  anchor: 'nginx proxy_cache on tmpfs, one worker',
  bar: 0.7,
  needs: ['nginx', 'wrk'],
  async run({ rounds, secondsPerRound, folder }) {
    await using origin = await startOrigin(join(folder, 'origin'));
    await writeFile(join(origin.root, 'object'), randomFillSync(new Uint8Array(sizeBytes)));
    await using store = await fastFolder(folder);
    await using nginx = await startNginxCache(join(folder, 'nginx'), store.path, origin);
    await using edge = await startRonEdge(origin);
    const ours: number[] = [];
    const anchor: number[] = [];
    // Not counted: a compiler that has seen nothing yet is no property of a cache.
    await fill(nginx, folder, rounds, secondsPerRound);
    let asked = (await fill(edge, folder, rounds, secondsPerRound)).requests;
    for (let round = 0; round < rounds; round += 1) {
      anchor.push((await fill(nginx, folder, round, secondsPerRound)).requestsPerSecond);
      const load = await fill(edge, folder, round, secondsPerRound);
      asked += load.requests;
      ours.push(load.requestsPerSecond);
    }
    const metrics = await fetch(`${edge.adminUrl}/metrics`).then((reply) => reply.text());
    const fetches = Number(/^edge_origin_fetches_total (\d+)$/m.exec(metrics)?.[1]);
    if (!(fetches >= asked)) throw new Error(`${asked} requests, and only ${fetches} to the origin`);
    const evidence = `the edge asked its origin ${fetches} times for ${asked} requests; a repeated one is a hit on both`;
    return { unit: 'requests/s', ours, anchor, higherIsBetter: true, evidence };
  },
};

async function fill(cache: CacheProcess, folder: string, round: number, seconds: number): ReturnType<typeof wrk> {
  const script = join(folder, `fill-${round}-${new URL(cache.url).port}.lua`);
  const lua = `
local counter = 0
request = function()
  counter = counter + 1
  return wrk.format("GET", "/object?${round}-" .. counter)
end
`;
  await writeFile(script, lua);
  const load = await wrk(`${cache.url}/object`, { seconds, connections: 32, script });
  // The newest of a fill is still there: what was measured was stored, and not just passed on.
  const url = `${cache.url}/object?fresh-${round}`;
  for (const expected of [false, true]) {
    const reply = await fetch(url);
    await reply.arrayBuffer();
    if (cache.isHit(reply.headers) !== expected) throw new Error(`${url} was ${expected ? 'no' : 'a'} hit`);
  }
  return load;
}
