import { randomFillSync } from 'node:crypto';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CacheProcess,
  type OriginProcess,
  startNginxCache,
  startOrigin,
  startRonEdge,
  startVarnish,
} from '../peers/http-caches.ts';
import { wrk } from '../peers/wrk.ts';
import type { Row, RunOptions } from '../row.ts';

interface HitCase {
  readonly id: string;
  readonly label: string;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly peer: 'nginx' | 'varnish';
  readonly bar: number;
}

const size64k = 65_536;
const size1m = 1_048_576;

/** Bars of the edge: nginx is the anchor, and varnish is to be passed. */
const cases: readonly HitCase[] = [
  { id: 'edge-hit-64k', label: 'hit 64 KiB', sizeBytes: size64k, connections: 32, peer: 'nginx', bar: 0.75 },
  { id: 'edge-hit-1m', label: 'hit 1 MiB', sizeBytes: size1m, connections: 16, peer: 'nginx', bar: 0.9 },
  { id: 'edge-varnish-64k', label: 'hit 64 KiB', sizeBytes: size64k, connections: 32, peer: 'varnish', bar: 1 },
];

const anchors = { nginx: 'nginx proxy_cache, one worker', varnish: 'varnish, malloc, its own threads' } as const;

export const edgeHitRows: readonly Row[] = cases.map((one) => ({
  id: one.id,
  job: `\`ron edge\`, ${one.label}, cached`,
  anchor: anchors[one.peer],
  bar: one.bar,
  needs: one.peer === 'nginx' ? ['nginx', 'wrk'] : ['nginx', 'varnishd', 'wrk'],
  async run(options) {
    const { rounds, secondsPerRound, folder } = options;
    await using origin = await startOrigin(join(folder, 'origin'));
    await writeFile(join(origin.root, 'object'), randomFillSync(new Uint8Array(one.sizeBytes)));
    await using store = await fastFolder(folder);
    await using peer = await startPeer(one.peer, options, store.path, origin);
    await using edge = await startRonEdge(origin);
    const ours: number[] = [];
    const anchor: number[] = [];
    // Not counted: a compiler that has seen nothing yet is no property of a cache.
    await hitRate(edge, one, 1);
    for (let round = 0; round < rounds; round += 1) {
      anchor.push(await hitRate(peer, one, secondsPerRound));
      ours.push(await hitRate(edge, one, secondsPerRound));
    }
    const metrics = await fetch(`${edge.adminUrl}/metrics`).then((reply) => reply.text());
    const read = (name: string) =>
      Number(
        metrics
          .split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.split(' ')[1],
      );
    const fetches = read('edge_origin_fetches_total');
    if (fetches !== 1) throw new Error(`the edge asked the origin ${fetches} times for one object`);
    const hits = read('requests_total{service="edge",op="read",code="hit"}');
    return {
      unit: one.sizeBytes === size1m ? 'MB/s' : 'requests/s',
      ours,
      anchor,
      higherIsBetter: true,
      evidence: `both say HIT before and after each round; the edge counted ${hits} hits and 1 fetch`,
    };
  },
}));

function startPeer(
  peer: HitCase['peer'],
  { folder }: RunOptions,
  store: string,
  origin: OriginProcess,
): Promise<CacheProcess> {
  if (peer === 'nginx') return startNginxCache(join(folder, 'nginx'), store, origin);
  return startVarnish(join(folder, 'varnish'), origin);
}

async function hitRate(cache: CacheProcess, { connections, sizeBytes }: HitCase, seconds: number): Promise<number> {
  const url = `${cache.url}/object`;
  await mustHit(cache, url, true);
  const load = await wrk(url, { seconds, connections });
  await mustHit(cache, url, false);
  return sizeBytes === size1m ? load.bytesPerSecond / 1e6 : load.requestsPerSecond;
}

async function mustHit(cache: CacheProcess, url: string, mayMissFirst: boolean): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const reply = await fetch(url);
    await reply.arrayBuffer();
    if (reply.status === 200 && cache.isHit(reply.headers)) return;
    if (!mayMissFirst || attempt === 3) throw new Error(`${url} was no hit`);
  }
}

/** In memory where the system has such a place: the peer is not measured against a slow disk. */
export async function fastFolder(otherwise: string): Promise<AsyncDisposable & { readonly path: string }> {
  const shared = await access('/dev/shm').then(
    () => '/dev/shm',
    () => otherwise,
  );
  const path = await mkdtemp(join(shared, 'ron-bench-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
