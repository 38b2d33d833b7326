import { sleep } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { exchangeOperations } from '@ron/proto/exchange';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { type Keeper, type PlacementLimits, Placements } from './placements.ts';

const owner = 'a'.repeat(64);
const other = 'b'.repeat(64);
const source = { id: 'c'.repeat(64), address: '127.0.0.1:1' };
const addressOf = (index: number) => `b3:${index.toString(16).padStart(64, '0')}`;
const asking = (index: number, size = 1_000, ttl_ms = 3_600_000) => ({
  address: addressOf(index),
  size,
  durability: 'memory' as const,
  ttl_ms,
  sources: [source],
});

function keeping(limits: Partial<PlacementLimits> = {}, capacity = 10_000, mayPlace = (_from: string) => true) {
  const env = createSimEnv({ seed: 1 });
  const stored = new Map<string, number>();
  const pins = new Set<string>();
  const failing = new Set<string>();
  let fetches = 0;
  let atOnce = 0;
  const keeper: Keeper = {
    durability: 'memory',
    freeBytes: async () => capacity - [...stored.values()].reduce((sum, bytes) => sum + bytes, 0),
    has: async (address) => stored.has(address),
    async fetch({ address, size }, signal) {
      fetches += 1;
      atOnce = Math.max(atOnce, fetches);
      try {
        await sleep(env.clock, 100, signal);
        if (failing.has(address)) throw new Error('no source has it');
        stored.set(address, size);
      } finally {
        fetches -= 1;
      }
    },
    pin: async (address, holder) => void pins.add(`${address} ${holder}`),
    unpin: async (address, holder) => void pins.delete(`${address} ${holder}`),
  };
  const placements = new Placements(env.clock, keeper, mayPlace, () => ({ reserveBytes: 1_000, ...limits }));
  return { env, placements, stored, pins, failing, most: () => atOnce };
}

describe('placements', () => {
  test('a copy is fetched, pinned for who asked, and asking again says that it is held', async () => {
    const { env, placements, pins } = keeping();
    const first = await placements.place(asking(1), owner);
    expect(first).toMatchObject({ state: 'fetching', free_bytes: 9_000 });
    expect(Value.Check(exchangeOperations.place.output, first)).toBe(true);
    await env.scheduler.runFor(150);
    expect(await placements.place(asking(1), owner)).toMatchObject({ state: 'held' });
    expect([...pins]).toEqual([`${addressOf(1)} copy:${owner}`]);
  });

  test('two nodes that want one object have a copy each: releasing one keeps the other', async () => {
    const { env, placements, pins } = keeping();
    await placements.place(asking(1), owner);
    await env.scheduler.runFor(150);
    expect(await placements.place(asking(1), other)).toMatchObject({ state: 'held' });
    expect(await placements.release(addressOf(1), owner)).toBe(true);
    expect(await placements.release(addressOf(1), owner)).toBe(false);
    expect([...pins]).toEqual([`${addressOf(1)} copy:${other}`]);
  });

  test('why not: space that is promised counts, size, durability, permission, too many', async () => {
    const { placements } = keeping({ sizeBytesMax: 8_000, copiesPerPeerMax: 2 });
    const reasonOf = async (input: ReturnType<typeof asking>, from = owner) =>
      (await placements.place(input, from)).reason;
    expect(await reasonOf(asking(1, 8_001))).toBe('too_large');
    expect(await placements.place({ ...asking(1), durability: 'fsync' }, owner)).toMatchObject({
      reason: 'durability',
    });
    expect(await reasonOf(asking(2, 5_000))).toBeUndefined();
    expect(await reasonOf(asking(3, 4_001))).toBe('no_space');
    expect(await reasonOf(asking(4, 4_000))).toBeUndefined();
    expect(await placements.place(asking(5, 0), owner)).toMatchObject({ state: 'refused', free_bytes: 0 });
    expect(await reasonOf(asking(5, 0), other)).toBeUndefined();
    const closed = keeping({}, 10_000, () => false);
    expect(await closed.placements.place(asking(1), owner)).toMatchObject({ reason: 'not_allowed' });
    const full = keeping({ fetchesMax: 1, waitingMax: 1 });
    await full.placements.place(asking(1), owner);
    await full.placements.place(asking(2), owner);
    expect(await full.placements.place(asking(3), owner)).toMatchObject({ reason: 'busy', retry_after_ms: 5_000 });
  });

  test('a copy that cannot be had gives its space back', async () => {
    const { env, placements, failing, pins } = keeping();
    failing.add(addressOf(1));
    await placements.place(asking(1, 9_000), owner);
    await env.scheduler.runFor(150);
    expect([placements.count, placements.bytes]).toEqual([0, 0]);
    expect(pins.size).toBe(0);
    expect(await placements.place(asking(2, 9_000), owner)).toMatchObject({ state: 'fetching' });
  });

  test('who asks again for a copy that could not be had is told so once', async () => {
    const { env, placements, failing } = keeping();
    failing.add(addressOf(1));
    await placements.place(asking(1), owner);
    await env.scheduler.runFor(150);
    expect(await placements.place(asking(1), other)).toMatchObject({ state: 'fetching' });
    expect(await placements.place(asking(1), owner)).toMatchObject({ state: 'refused', reason: 'no_source' });
    expect(await placements.place(asking(1), owner)).toMatchObject({ state: 'fetching' });
  });

  test('a budget for copies holds whatever else is free, and for what is here already', async () => {
    const { env, placements, stored } = keeping({ bytesMax: 2_000 });
    stored.set(addressOf(1), 1_001);
    expect(await placements.place(asking(1, 1_001), owner)).toMatchObject({ state: 'held', free_bytes: 2_000 });
    expect(await placements.place(asking(2, 1_000), owner)).toMatchObject({ reason: 'no_space', free_bytes: 999 });
    expect(await placements.place(asking(2, 999), owner)).toMatchObject({ state: 'fetching' });
    expect(await placements.place(asking(1, 1_001), other)).toMatchObject({ reason: 'no_space', free_bytes: 0 });
    await env.scheduler.runFor(150);
    await placements.release(addressOf(1), owner);
    expect(placements.bytes).toBe(999);
  });

  test('a copy ends with its time unless it is asked for again, and one that is released while it is fetched is not pinned', async () => {
    const { env, placements, pins } = keeping();
    await placements.place(asking(1, 10, 120_000), owner);
    await placements.place(asking(2, 10, 120_000), owner);
    await env.scheduler.runFor(100_000);
    await placements.place(asking(2, 10, 120_000), owner);
    await env.scheduler.runFor(90_000);
    expect([...pins]).toEqual([`${addressOf(2)} copy:${owner}`]);
    await placements.place(asking(3), owner);
    await placements.release(addressOf(3), owner);
    await env.scheduler.runFor(1_000);
    expect(pins.size).toBe(1);
    placements[Symbol.dispose]();
    await env.scheduler.runUntilIdle();
  });

  test('what was kept before a restart is taken back, can be released and renewed, and ends when nobody renews it', async () => {
    const { env, placements, stored, pins } = keeping();
    for (const index of [1, 2]) {
      stored.set(addressOf(index), 1_000);
      pins.add(`${addressOf(index)} copy:${owner}`);
      placements.adopt(addressOf(index), 1_000, owner);
    }
    expect(await placements.place(asking(1), owner)).toMatchObject({ state: 'held', free_bytes: 7_000 });
    expect(await placements.release(addressOf(1), owner)).toBe(true);
    const days = 24 * 3_600_000;
    await env.scheduler.runFor(29 * days);
    expect(pins.size).toBe(1);
    await env.scheduler.runFor(2 * days);
    expect([pins.size, placements.count]).toEqual([0, 0]);
  });

  test('any sequence: bounds hold, and at the end what is pinned is what was asked for', async () => {
    const act = fc.record({
      what: fc.constantFrom('place', 'release', 'wait', 'fail'),
      index: fc.nat({ max: 6 }),
      size: fc.integer({ min: 0, max: 3_000 }),
      from: fc.constantFrom(owner, other),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
        const { env, placements, stored, pins, failing, most } = keeping({ fetchesMax: 2, waitingMax: 3 });
        const wanted = new Set<string>();
        for (const { what, index, size, from } of acts) {
          const pin = `${addressOf(index)} copy:${from}`;
          if (what === 'wait') await env.scheduler.runFor(70);
          if (what === 'fail') failing.add(addressOf(index));
          if (what === 'release') {
            await placements.release(addressOf(index), from);
            wanted.delete(pin);
          }
          if (what === 'place' && (await placements.place(asking(index, size), from)).state !== 'refused')
            wanted.add(pin);
          expect([...stored.values()].reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(9_000);
        }
        await env.scheduler.runFor(3_000);
        expect(most()).toBeLessThanOrEqual(2);
        for (const pin of pins) expect(wanted.has(pin)).toBe(true);
        for (const pin of wanted) expect(pins.has(pin) || failing.has(pin.slice(0, 67))).toBe(true);
        placements[Symbol.dispose]();
      }),
      { numRuns: 40 },
    );
  });
});
