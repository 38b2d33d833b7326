import { createMetrics } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { gather, objectOf, ScriptedSource, testEnv } from '../fixtures/objects.ts';
import { DiskTier } from '../tiers/disk-tier.ts';
import { GroupCache } from './group-cache.ts';

const MiB = 1024 * 1024;
const hot = objectOf(20 * 65_536, 1);
const scanned = Array.from({ length: 20 }, (_, seed) => objectOf(16 * 65_536, seed + 10));

async function start() {
  const sim = createSimEnv({ seed: 'tiers' });
  const metrics = createMetrics();
  const env = { ...testEnv(), disk: sim.disk };
  const disk = await DiskTier.open({ env, folder: 'groups', bytesMax: 32 * MiB, metrics });
  const source = new ScriptedSource('origin', [hot, ...scanned]);
  const cache = new GroupCache({ env, sources: [source], bytesMax: 4 * MiB, disk, metrics });
  const read = async (address: string) => gather((await cache.open(address, { start: 0 })).body);
  return { sim, disk, source, cache, read };
}

test('what was read twice goes to disk when RAM is short and is read from there; what was read once does not', async () => {
  const { disk, source, read } = await start();
  for (let round = 0; round < 3; round += 1) await read(hot.address);
  for (let round = 0; round < 4; round += 1) {
    for (const { address } of scanned) await read(address);
    await disk.settled();
    if (round === 0) for (const { address } of scanned) expect(disk.has(address, 3)).toBe(false);
  }
  source.asked.length = 0;
  expect(Buffer.compare(await read(hot.address), hot.bytes)).toBe(0);
  // All but the outboard and what proves the length, at most.
  expect(source.groupsAsked.every((run) => run === 'groups 19+1')).toBe(true);
});

test('a disk that gives wrong bytes, fails, or is full costs another fetch and never a read', async () => {
  const { sim, disk, cache, source, read } = await start();
  for (let round = 0; round < 3; round += 1) await read(hot.address);
  for (const { address } of scanned) await read(address);
  for (const { address } of scanned) await read(address);
  await disk.settled();
  const before = disk.entries;
  expect(before).toBeGreaterThan(0);
  sim.machineDisk.faults.rates = { readError: 0, writeError: 0, syncError: 0, flip: 1 };
  for (const { address, bytes } of [hot, ...scanned]) expect(Buffer.compare(await read(address), bytes)).toBe(0);
  expect(cache.counts.integrityFailures).toBe(0);
  sim.machineDisk.faults.calm();
  for (let round = 0; round < 2; round += 1) for (const { address } of scanned) await read(address);
  sim.machineDisk.faults.rates = { readError: 1, writeError: 1, syncError: 1, flip: 0 };
  for (let round = 0; round < 2; round += 1) {
    for (const { address, bytes } of [hot, ...scanned]) expect(Buffer.compare(await read(address), bytes)).toBe(0);
    await disk.settled();
  }
  expect(disk.isOn).toBe(false);
  expect(source.open).toBe(0);
});
