import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BundleEntry, BundleSource, RonClient } from '@ron/app-sdk';
import { connect } from '@ron/app-sdk/node';
import { startNode } from '../start-node.ts';
import { startEdge } from './edge-process.ts';
import { difference, type Histogram, histogramOf, percentilesOf, quantileMs } from './latency.ts';
import { tilesDownTo, writeMap } from './pyramid.ts';
import { checkOneTile, type Loaded, loadAll, readers } from './readers.ts';

/**
 * A map of a generated world: painted into a folder, packed into one bundle, named `maps/demo`, and read back by 32
 * readers from the node and through `ron edge`, every byte checked against the manifest. `--serve` keeps it running.
 */
const { values: flags } = parseArgs({
  options: { serve: { type: 'boolean' }, zoom: { type: 'string' }, folder: { type: 'string' } },
});
const zoomMax = Number(flags.zoom ?? (flags.serve ? 5 : 3));
assert.ok(Number.isInteger(zoomMax) && zoomMax >= 0 && zoomMax <= 5, '--zoom is 0 to 5');

const name = 'maps/demo';
/** Only ends a wait for what was not counted. */
const countedMsMax = 20_000;
const folder = flags.folder ?? mkdtempSync(join(tmpdir(), 'ron-tiles-'));
mkdirSync(folder, { recursive: true });
const settings = [
  // Everyone may read the map, a cache in front may keep it, and its sandboxed page may see how its tiles arrive.
  `gateway.public_prefixes=n/${name}`,
  'gateway.name_max_age_s=300',
  'gateway.cors_origins=*',
  // All readers at once are no crowd, also where the machine has other work.
  `gateway.pressure_queued_min=${2 * readers}`,
  // What is counted is looked at right away.
  'server.metrics_per_second=1000',
];
await using node = await startNode(settings.flatMap((setting) => ['--set', setting]));
await using ron = connect({ url: node.url, capability: node.capability });
try {
  const entries = await pack(ron);
  const tiles = entries.filter(({ path }) => path.endsWith('.png'));
  assert.equal(tiles.length, tilesDownTo(zoomMax).length);
  await readFromNode(tiles);
  await using edge = await startEdge(node.url);
  await readThroughEdge(edge.url, tiles);
  if (flags.serve) {
    console.log(`\n  ${node.url}/n/${name}/       from the node\n  ${edge.url}/n/${name}/       through the edge\n`);
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
} finally {
  if (flags.folder === undefined) rmSync(folder, { recursive: true });
}

async function pack(client: RonClient): Promise<readonly BundleEntry[]> {
  const began = performance.now();
  if (!readdirSync(folder).includes('tiles')) await writeMap(folder, zoomMax);
  const painted = performance.now();
  const bundle = await client.bundles.put(filesOf(folder));
  await client.names.set(name, bundle.address);
  const megabytes = bundle.entries.reduce((sum, { size }) => sum + size, 0) / 1e6;
  const seconds = [painted - began, performance.now() - painted].map((ms) => (ms / 1_000).toFixed(1));
  console.log(
    `${bundle.entries.length} files, ${megabytes.toFixed(1)} MB: painted in ${seconds[0]} s, packed in ${seconds[1]} s`,
  );
  // As anybody would who was given the address: the manifest is verified against it.
  return (await client.bundles.open(bundle.address)).entries;
}

function* filesOf(root: string): Generator<BundleSource> {
  for (const item of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const path = join(item.parentPath, item.name);
    yield { path: path.slice(root.length + 1), source: readFileSync(path) };
  }
}

async function readFromNode(tiles: readonly BundleEntry[]): Promise<void> {
  const site = `${node.url}/n/${name}/`;
  const before = await viewsSoFar();
  const loaded = await loadAll(site, tiles);
  const seen = difference(await viewsSoFar(before.count + tiles.length), before);
  assert.equal(seen.count, tiles.length, 'the histogram of the node grew by the number of requests');
  report('node, as clients see it', loaded);
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantileMs(seen, share));
  console.log(row('node, by its /metrics', seen.count, p50!, p95!, p99!));
  await checkOneTile(site, tiles.at(-1)!);
}

async function readThroughEdge(url: string, tiles: readonly BundleEntry[]): Promise<void> {
  const site = `${url}/n/${name}/`;
  const cold = await loadAll(site, tiles);
  assert.deepEqual([...cold.xCache], [['MISS', tiles.length]]);
  report('edge, cold', cold);
  const before = await viewsSoFar();
  const warm = await loadAll(site, tiles);
  assert.deepEqual([...warm.xCache], [['HIT', tiles.length]]);
  assert.equal((await viewsSoFar()).count, before.count, 'a warm edge asks the node nothing');
  report('edge, warm: X-Cache HIT', warm);
  await checkOneTile(site, tiles.at(-1)!);
}

/** The node counts a reply when it has ended, which its reader may learn a moment sooner. */
async function viewsSoFar(expected = 0): Promise<Histogram> {
  const untilMs = performance.now() + countedMsMax;
  for (;;) {
    const histogram = histogramOf(await ron.node.metrics(), 'view');
    if (histogram.count >= expected || performance.now() > untilMs) return histogram;
  }
}

function report(what: string, { timesMs, bytes, seconds }: Loaded): void {
  const at = percentilesOf(timesMs);
  const rate = `${Math.round(timesMs.length / seconds)} tiles/s, ${(bytes / seconds / 1e6).toFixed(0)} MB/s, ${readers} readers`;
  console.log(`${row(what, timesMs.length, at(0.5), at(0.95), at(0.99))}  ${rate}`);
}

function row(what: string, count: number, ...timesMs: readonly number[]): string {
  const [p50, p95, p99] = timesMs.map((ms) => ms.toFixed(1).padStart(6));
  return `${what.padEnd(26)} ${String(count).padStart(5)} tiles  p50 ${p50} ms  p95 ${p95} ms  p99 ${p99} ms`;
}
