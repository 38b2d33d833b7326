import { createMetrics } from '@ron/kernel';
import { createInlineWork } from '@ron/kernel/real';
import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DiskTier } from './disk-tier.ts';
import type { HeldGroup } from './ram-tier.ts';

const MiB = 1024 * 1024;

function groupOf(place: number, length = 65_536): HeldGroup {
  const address = `b3:${Math.floor(place / 100)
    .toString(16)
    .padStart(64, '0')}`;
  const bytes = new Uint8Array(length).map((_, at) => (at * 31 + place * 7 + (place >> 8)) & 255);
  return { kind: 'group', address, index: place % 100, bytes, isWhole: false, sinceMs: place, reads: 2 };
}

async function openTier(bytesMax = 8 * MiB, entriesMax?: number) {
  const env = createSimEnv({ seed: 'disk tier' });
  const metrics = createMetrics();
  const options = { env: { disk: env.disk, work: createInlineWork() }, folder: 'groups', bytesMax, metrics };
  const tier = await DiskTier.open(entriesMax === undefined ? options : { ...options, entriesMax });
  return { env, tier, metrics, options };
}

const readOf = (tier: DiskTier, { address, index }: HeldGroup) => tier.read(address, index);

describe('DiskTier', () => {
  test('gives back what it was given', async () => {
    const { tier } = await openTier();
    const groups = Array.from({ length: 20 }, (_, place) => groupOf(place, place === 7 ? 100 : 65_536));
    for (const group of groups) tier.add(group);
    await tier.settled();
    expect([tier.entries, tier.bytes, tier.fileBytes]).toEqual([20, 19 * 65_536 + 100, 19 * 65_536 + 100]);
    for (const group of groups) {
      const held = readOf(tier, group)!;
      expect(Buffer.compare(held.bytes, group.bytes)).toBe(0);
      expect([held.sinceMs, held.isWhole]).toEqual([group.sinceMs, false]);
    }
    expect(readOf(tier, groupOf(50))).toBeUndefined();
  });

  test('the files never have more bytes than the budget, and what is read survives, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 65_536 }), fc.boolean()), { minLength: 80, maxLength: 200 }),
        async (steps) => {
          const { env, tier } = await openTier(4 * MiB);
          for (const [place, [length, isPurge]] of steps.entries()) {
            const group = groupOf(place, length);
            tier.add(group);
            await tier.settled();
            expect(tier.fileBytes).toBeLessThanOrEqual(4 * MiB);
            expect(tier.bytes).toBeLessThanOrEqual(tier.fileBytes);
            expect(Buffer.compare(readOf(tier, group)!.bytes, group.bytes)).toBe(0);
            if (isPurge && place % 9 === 0) tier.purge(group.address);
          }
          await tier.settled();
          let held = 0;
          for (let place = 0; place < steps.length; place += 1)
            held += readOf(tier, groupOf(place, 1))?.bytes.byteLength ?? 0;
          expect(held).toBe(tier.bytes);
          await tier[Symbol.asyncDispose]();
          expect(await env.disk.list('groups')).toEqual([]);
        },
      ),
      { numRuns: 5 },
    );
  });

  test('what was read since comes again at the head, the rest of the oldest segment goes', async () => {
    const { tier } = await openTier(4 * MiB);
    // Segments of 1 MiB: 16 groups each, four of them at most.
    for (let place = 0; place < 60; place += 1) tier.add(groupOf(place));
    await tier.settled();
    expect(readOf(tier, groupOf(3))).toBeDefined();
    for (let place = 60; place < 72; place += 1) tier.add(groupOf(place));
    await tier.settled();
    const there = Array.from({ length: 16 }, (_, place) => readOf(tier, groupOf(place)) !== undefined);
    expect(there).toEqual(there.map((_, place) => place === 3));
    expect(tier.has(groupOf(16).address, 16)).toBe(true);
  });

  test.each([1, 2_000])('entries have a bound of their own: groups of %i bytes, half of them read', async (length) => {
    const { tier } = await openTier(64 * MiB, 100);
    let most = 0;
    for (let place = 0; place < 1_000; place += 1) {
      const group = groupOf(place, length);
      tier.add(group);
      await tier.settled();
      most = Math.max(most, tier.entries);
      expect(readOf(tier, group), `group ${place}`).toBeDefined();
      if (place % 2 === 1) tier.read(groupOf(place - 1).address, (place - 1) % 100);
    }
    expect(most).toBeLessThanOrEqual(100);
    expect(most).toBeGreaterThan(80);
  });

  test.each(['address', 'all', 'end'] as const)('a purge while groups go to the next segment: %s', async (what) => {
    const old = Array.from({ length: 64 }, (_, place) => groupOf(place));
    const fresh = groupOf(100);
    // At each of many points between the steps of the writer.
    for (let turns = 0; turns < 200; turns += turns < 40 ? 2 : 7) {
      const { env, tier } = await openTier(4 * MiB);
      for (const group of old) tier.add(group);
      await tier.settled();
      for (const group of old.slice(0, 32)) readOf(tier, group);
      tier.add(fresh);
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      if (what === 'address') tier.purge(old[0]!.address);
      else if (what === 'all') tier.purgeAll();
      else await tier[Symbol.asyncDispose]();
      await tier.settled();
      for (const { address, index } of old) expect(tier.has(address, index), `${turns} turns`).toBe(false);
      expect(tier.has(fresh.address, fresh.index)).toBe(what === 'address');
      expect([tier.entries, tier.fileBytes > 0]).toEqual(what === 'address' ? [1, true] : [0, false]);
      if (what !== 'address') expect(await env.disk.list('groups')).toEqual([]);
    }
  });

  test('a group that changed on disk is dropped and counted', async () => {
    const { env, tier, metrics } = await openTier();
    tier.add(groupOf(1));
    await tier.settled();
    env.machineDisk.flipBit();
    expect(readOf(tier, groupOf(1))).toBeUndefined();
    expect([tier.entries, tier.bytes, metrics.read('edge_disk_bad_total'), tier.isOn]).toEqual([0, 0, 1, true]);
    tier.add(groupOf(1));
    await tier.settled();
    expect(readOf(tier, groupOf(1))).toBeDefined();
  });

  test.each(['write', 'open'] as const)('a disk that is full at %s: the tier ends and says so', async (operation) => {
    const { env, tier } = await openTier();
    env.machineDisk.faults.failNth(operation, 1, 'ENOSPC');
    for (let place = 0; place < 5; place += 1) tier.add(groupOf(place));
    await tier.settled();
    expect([tier.isOn, tier.entries, tier.bytes]).toEqual([false, 0, 0]);
    expect(tier.gate).toEqual({ gate: 'disk-tier', ok: true, reason: 'the disk tier is off: ENOSPC' });
    tier.add(groupOf(9));
    await tier.settled();
    expect(readOf(tier, groupOf(9))).toBeUndefined();
    expect(await env.disk.list('groups')).toEqual([]);
    await tier[Symbol.asyncDispose]();
  });

  test('a disk that cannot be read: the same', async () => {
    const { env, tier } = await openTier();
    tier.add(groupOf(1));
    await tier.settled();
    env.machineDisk.faults.failNth('read', 1);
    expect(readOf(tier, groupOf(1))).toBeUndefined();
    expect(tier.gate.reason).toBe('the disk tier is off: EIO');
    await tier.settled();
    expect(await env.disk.list('groups')).toEqual([]);
  });

  test('a purge makes unreadable at once, and overwrites; also what is being written', async () => {
    const { env, tier } = await openTier();
    const [one, two] = [groupOf(1), groupOf(201)];
    tier.add(one);
    tier.add(two);
    expect(tier.purge(two.address)).toEqual({ entries: 0, bytes: 0 });
    await tier.settled();
    expect(readOf(tier, two)).toBeUndefined();
    expect(tier.purge(one.address)).toEqual({ entries: 1, bytes: 65_536 });
    expect(readOf(tier, one)).toBeUndefined();
    await tier.settled();
    const [name] = await env.disk.list('groups');
    await using file = await env.disk.open(`groups/${name}`, 'read');
    const there = new Uint8Array(2 * 65_536);
    await file.read(there, 0);
    expect(there.every((byte) => byte === 0)).toBe(true);
    tier.add(one);
    await tier.settled();
    expect(tier.purgeAll()).toEqual({ entries: 1, bytes: 65_536 });
    await tier.settled();
    expect([await env.disk.list('groups'), tier.isOn]).toEqual([[], true]);
  });

  test('begins empty: what an earlier life left is removed; one process at a time', async () => {
    const { env, tier, options } = await openTier();
    await expect(DiskTier.open(options)).rejects.toMatchObject({ code: 'EBUSY' });
    tier.add(groupOf(1));
    await tier.settled();
    const [name] = await env.disk.list('groups');
    await tier[Symbol.asyncDispose]();
    await (await env.disk.open(`groups/${name}`, 'create')).close();
    const next = await DiskTier.open(options);
    expect(await env.disk.list('groups')).toEqual([]);
    await next[Symbol.asyncDispose]();
  });

  test.each([
    [65_536, 140],
    [1, 11_000],
  ])('what comes faster than the disk is dropped and counted: groups of %i bytes', async (length, count) => {
    const { tier, metrics } = await openTier(64 * MiB);
    for (let place = 0; place < count; place += 1) tier.add(groupOf(place, length));
    const dropped = metrics.read('edge_disk_dropped_total')!;
    expect(dropped).toBeGreaterThan(0);
    await tier.settled();
    expect(tier.entries).toBe(count - dropped);
  });
});
