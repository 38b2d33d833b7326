import { createInlineWork } from '@ron/kernel/real';
import { createSimEnv } from '@ron/kernel/sim';
import { describe, expect, test } from 'vitest';
import { DiskTier } from './disk-tier.ts';
import { type Dropped, type HeldGroup, RamTier } from './ram-tier.ts';

const MiB = 1024 * 1024;

/** What both tiers promise. */
interface Tier {
  add(group: HeldGroup): Promise<void>;
  get(address: string, index: number): HeldGroup | undefined;
  has(address: string, index: number): boolean;
  purge(address: string): Dropped;
  purgeAll(): Dropped;
  readonly bytes: number;
  readonly entries: number;
}

async function ramTier(bytesMax: number): Promise<Tier> {
  const tier = new RamTier({ bytesMax, onEvict: () => undefined });
  return {
    add: async (group) => void tier.addGroup(group),
    get: (address, index) => tier.group(address, index),
    has: (address, index) => tier.has(address, index),
    purge: (address) => tier.purge(address),
    purgeAll: () => tier.purgeAll(),
    get bytes() {
      return tier.bytes;
    },
    get entries() {
      return tier.entries;
    },
  };
}

async function diskTier(bytesMax: number): Promise<Tier> {
  const { disk } = createSimEnv({ seed: 'tiers' });
  const tier = await DiskTier.open({ env: { disk, work: createInlineWork() }, folder: 'groups', bytesMax });
  return {
    async add(group) {
      tier.add(group);
      await tier.settled();
    },
    get: (address, index) => tier.read(address, index),
    has: (address, index) => tier.has(address, index),
    purge: (address) => tier.purge(address),
    purgeAll: () => tier.purgeAll(),
    get bytes() {
      return tier.bytes;
    },
    get entries() {
      return tier.entries;
    },
  };
}

const address = (seed: number) => `b3:${seed.toString(16).padStart(64, '0')}`;

function group(seed: number, index: number, length = 65_536): HeldGroup {
  const bytes = new Uint8Array(length).fill(seed * 16 + index);
  return { kind: 'group', address: address(seed), index, bytes, isWhole: false, sinceMs: seed, reads: 2 };
}

describe.each([
  ['RAM', ramTier],
  ['disk', diskTier],
] as const)('%s tier', (_name, open) => {
  test('gives back the same bytes under the same address and place, and nothing elsewhere', async () => {
    const tier = await open(16 * MiB);
    for (const [seed, index, length] of [
      [1, 0, 65_536],
      [1, 3, 65_536],
      [1, 7, 1],
      [2, 0, 0],
    ] as const) {
      await tier.add(group(seed, index, length));
      const held = tier.get(address(seed), index)!;
      expect(Buffer.compare(held.bytes, group(seed, index, length).bytes)).toBe(0);
      expect([held.address, held.index, held.sinceMs]).toEqual([address(seed), index, seed]);
    }
    expect(tier.entries).toBe(4);
    for (const [seed, index] of [
      [1, 1],
      [2, 3],
      [3, 0],
    ] as const) {
      expect([tier.has(address(seed), index), tier.get(address(seed), index)]).toEqual([false, undefined]);
    }
  });

  test('takes one group once', async () => {
    const tier = await open(16 * MiB);
    await tier.add(group(1, 0));
    const { bytes } = tier;
    await tier.add(group(1, 0));
    expect([tier.entries, tier.bytes]).toEqual([1, bytes]);
  });

  test('a purge takes one object and leaves the others; all takes all', async () => {
    const tier = await open(16 * MiB);
    for (const seed of [1, 2, 3]) for (const index of [0, 1, 2]) await tier.add(group(seed, index));
    const each = tier.bytes / 9;
    expect(tier.purge(address(2))).toEqual({ entries: 3, bytes: 3 * each });
    expect([tier.has(address(2), 1), tier.has(address(1), 1), tier.entries]).toEqual([false, true, 6]);
    expect(tier.purge(address(2))).toEqual({ entries: 0, bytes: 0 });
    expect(tier.purgeAll()).toEqual({ entries: 6, bytes: 6 * each });
    expect([tier.entries, tier.bytes]).toEqual([0, 0]);
  });

  test('stays within its budget, and the newest group is there', async () => {
    const tier = await open(4 * MiB);
    for (let seed = 1; seed <= 200; seed += 1) {
      await tier.add(group(seed, 0));
      expect(tier.bytes).toBeLessThanOrEqual(4 * MiB);
      expect(tier.has(address(seed), 0)).toBe(true);
    }
    expect(tier.bytes).toBeGreaterThan(2 * MiB);
  });
});
