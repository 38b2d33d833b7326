import { getEventListeners } from 'node:events';
import { groupBytes, groupCount } from '@ron/b3';
import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakePeers, type FakeSource, type TestObject, testObject } from '../testing/fake-peers.ts';
import { OrderedRead, type ReadOptions } from './ordered-read.ts';

const MiB = 1_024 * 1_024;
const steady = (rate: number, latencyMs = 5): FakeSource => ({ behaviour: { kind: 'steady' }, rate, latencyMs });
const liar: FakeSource = { behaviour: { kind: 'flip', group: 'first' }, rate: 4_000, latencyMs: 0 };

function reading(object: TestObject, sources: readonly FakeSource[], options: Partial<ReadOptions> = {}) {
  const env = createSimEnv({ seed: 1 });
  const peers = new FakePeers(object, sources, env.clock);
  const blamed: string[] = [];
  const bytesByNode = new Map<string, number>();
  const leaving = new AbortController();
  const read = new OrderedRead({
    address: object.address,
    clock: env.clock,
    peers,
    sources: peers.nodes,
    size: object.bytes.length,
    range: { first: 0, count: groupCount(object.bytes.length) },
    signal: leaving.signal,
    onLiar: (node) => blamed.push(node),
    onRun: (node, bytes) => bytesByNode.set(node, (bytesByNode.get(node) ?? 0) + bytes),
    ...options,
  });
  const all = async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of read) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  return { env, peers, read, blamed, bytesByNode, leaving, all: () => env.scheduler.settle(all()) };
}

test('any range of any object comes in order and no other group is asked for, whoever lies', async () => {
  const scene = fc.record({
    size: fc.integer({ min: 1, max: 120 * 65_536 }),
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    count: fc.integer({ min: 1, max: 120 }),
    seed: fc.nat(),
    rates: fc.array(fc.integer({ min: 50, max: 5_000 }), { minLength: 1, maxLength: 4 }),
    lies: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(scene, async ({ size, at, count, seed, rates, lies }) => {
      const object = testObject(size, seed);
      const first = Math.floor(at * groupCount(size));
      const range = { first, count: Math.min(count, groupCount(size) - first) };
      const sources = [...(lies ? [liar] : []), ...rates.map((rate) => steady(rate))];
      const { all, blamed, peers } = reading(object, sources, { range });
      const wanted = object.bytes.subarray(first * groupBytes(), (first + range.count) * groupBytes());
      expect(Buffer.compare(await all(), wanted)).toBe(0);
      expect(blamed).toEqual(lies && first === 0 ? ['0'] : []);
      // Duplicates, paths, and what was on its way from a source that was not needed any more.
      expect(peers.sentBytes).toBeLessThan(wanted.length + 24 * 70_000);
    }),
    { numRuns: 30 },
  );
});

describe('several sources', () => {
  test('add up, although the reader gets the groups in order', async () => {
    const object = testObject(24 * MiB);
    const one = reading(object, [steady(2_000)]);
    await one.all();
    const three = reading(object, [steady(2_000), steady(2_000), steady(2_000)]);
    await three.all();
    expect(three.env.clock.monotonicMs()).toBeLessThan(one.env.clock.monotonicMs() / 2);
    for (const node of ['0', '1', '2']) expect(three.bytesByNode.get(node)).toBeGreaterThan(5 * MiB);
  });

  test('one that vanishes is replaced by another, and is not called a liar', async () => {
    const object = testObject(8 * MiB);
    const vanishing: FakeSource = { behaviour: { kind: 'vanishing', afterBytes: 3 * MiB }, rate: 2_000, latencyMs: 5 };
    const { all, blamed } = reading(object, [vanishing, steady(500)]);
    expect(Buffer.compare(await all(), object.bytes)).toBe(0);
    expect(blamed).toEqual([]);
  });
});

describe('memory', () => {
  test('a reader that stops holds at most 3 MiB, and its sources rest until it goes on', async () => {
    const object = testObject(12 * MiB);
    // Resting for longer than sources may be silent is no failure of theirs.
    const limits = { progressMs: 20_000 };
    const { env, read, peers } = reading(object, [steady(10_000), steady(10_000)], { limits });
    const first = await env.scheduler.settle(read.next());
    expect(first.value?.length).toBe(groupBytes());
    await env.scheduler.runFor(60_000);
    // Paths, and a group that was asked for twice, come on top of 48 groups.
    expect(peers.sentBytes).toBeLessThan(3.25 * MiB);
    expect(peers.lentBytes).toBe(0);
    const rest: Uint8Array[] = [first.value!];
    const reader = (async () => {
      for (let step = await read.next(); step.done !== true; step = await read.next()) rest.push(step.value);
    })();
    await env.scheduler.settle(reader);
    expect(Buffer.compare(Buffer.concat(rest), object.bytes)).toBe(0);
  });

  test('a reader that leaves, or whose signal aborts, ends the transfer', async () => {
    for (const leave of ['return', 'abort'] as const) {
      const object = testObject(12 * MiB);
      const { env, read, peers, leaving } = reading(object, [steady(1_000)]);
      await env.scheduler.settle(read.next());
      if (leave === 'return') await env.scheduler.settle(read.return());
      else leaving.abort(new Error('the reader is gone'));
      await env.scheduler.runFor(1_000);
      const sent = peers.sentBytes;
      await env.scheduler.runFor(10_000);
      expect([peers.sentBytes, peers.lentBytes]).toEqual([sent, 0]);
      if (leave === 'return') expect(await read.next()).toMatchObject({ done: true });
    }
  });

  test('nobody is asked for a reader whose signal had aborted, and a reading that is over hears of its signal no more', async () => {
    const object = testObject(MiB);
    const late = reading(object, [steady(1_000)]);
    late.leaving.abort(new Error('gone before'));
    const after = reading(object, [steady(1_000)], { signal: late.leaving.signal });
    for (const { env, read, peers } of [late, after]) {
      await expect(env.scheduler.settle(read.next())).rejects.toThrow('gone before');
      await env.scheduler.runFor(1_000);
      expect([peers.wants, peers.sentBytes]).toEqual([0, 0]);
    }
    const { env, read, leaving, all } = reading(object, [steady(1_000)]);
    await all();
    const left = reading(object, [steady(1_000)], { signal: leaving.signal });
    await left.env.scheduler.settle(left.read.return());
    await env.scheduler.settle(read.next());
    expect(getEventListeners(leaving.signal, 'abort')).toEqual([]);
  });

  test('what came in order before a failure is handed out before it', async () => {
    const object = testObject(4 * MiB);
    const vanishing: FakeSource = { behaviour: { kind: 'vanishing', afterBytes: MiB }, rate: 2_000, latencyMs: 5 };
    const { env, read } = reading(object, [vanishing]);
    const pieces: Uint8Array[] = [];
    const failing = (async () => {
      for await (const piece of read) pieces.push(piece);
    })();
    await expect(env.scheduler.settle(failing)).rejects.toMatchObject({ code: 'unavailable' });
    const got = Buffer.concat(pieces);
    expect(got.length).toBeGreaterThan(MiB / 4);
    expect(Buffer.compare(got, object.bytes.subarray(0, got.length))).toBe(0);
  });
});
