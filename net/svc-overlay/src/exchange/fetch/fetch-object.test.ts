import { groupBytes, groupCount } from '@ron/b3';
import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Behaviour,
  FakePeers,
  type FakeSource,
  lies,
  type TestObject,
  testObject,
} from '../testing/fake-peers.ts';
import { fetchLimitsDefault } from './fetch-limits.ts';
import { type FetchOptions, type FetchResult, fetchObject, type Transfer } from './fetch-object.ts';
import type { Evidence } from './fetch-ports.ts';

interface Run {
  readonly peers: FakePeers;
  readonly result: FetchResult;
  readonly bytes: Uint8Array;
  readonly blamed: ReadonlyMap<string, Evidence>;
  readonly tookMs: number;
  readonly written: readonly number[];
}

/** One transfer on virtual time. Every write is compared with the object at once: nothing wrong may ever arrive. */
async function run(
  object: TestObject,
  sources: readonly FakeSource[],
  options: Partial<FetchOptions> = {},
): Promise<Run> {
  const env = createSimEnv({ seed: 1 });
  const peers = new FakePeers(object, sources, env.clock);
  const bytes = new Uint8Array(object.bytes.length);
  const blamed = new Map<string, Evidence>();
  const written: number[] = [];
  const transfer = fetchObject({
    address: object.address,
    clock: env.clock,
    peers,
    sources: peers.nodes,
    sink: {
      write(offset, piece) {
        expect(Buffer.compare(piece, object.bytes.subarray(offset, offset + piece.length))).toBe(0);
        bytes.set(piece, offset);
        written.push(offset / groupBytes());
      },
    },
    onLiar: (node, evidence) => {
      expect(blamed.has(node)).toBe(false);
      blamed.set(node, evidence);
    },
    ...options,
  });
  const result = await env.scheduler.settle(transfer.done);
  return { peers, result, bytes, blamed, tookMs: env.clock.monotonicMs(), written };
}

const steady = (rate: number, latencyMs = 5): FakeSource => ({ behaviour: { kind: 'steady' }, rate, latencyMs });
const acting = (behaviour: Behaviour, rate = 500, latencyMs = 5): FakeSource => ({ behaviour, rate, latencyMs });
const groups = (count: number) => testObject(count * groupBytes() - 1_000);

describe('any mixture of sources', () => {
  const behaviour = (last: number): fc.Arbitrary<Behaviour> =>
    fc.oneof(
      fc.constantFrom<Behaviour>({ kind: 'silent' }, { kind: 'empty' }, { kind: 'busy' }, { kind: 'steady' }),
      fc.constantFrom<Behaviour>({ kind: 'shifted' }, { kind: 'extra' }, { kind: 'header' }, { kind: 'claim' }),
      fc.record({
        kind: fc.constantFrom('vanishing' as const, 'stalling' as const, 'short' as const),
        afterBytes: fc.integer({ min: 0, max: 400_000 }),
      }),
      fc.record({
        kind: fc.constant('flip' as const),
        group: fc.oneof(fc.constantFrom('first' as const, 'last' as const), fc.nat({ max: last })),
      }),
    );
  const source = (what: fc.Arbitrary<Behaviour>): fc.Arbitrary<FakeSource> =>
    fc.record({
      behaviour: what,
      rate: fc.integer({ min: 20, max: 5_000 }),
      latencyMs: fc.integer({ min: 0, max: 300 }),
    });

  /** Honest ones that have everything between them: one whole, or the groups dealt out to several. */
  const honest = (count: number): fc.Arbitrary<FakeSource[]> =>
    fc.oneof(
      source(fc.constant<Behaviour>({ kind: 'steady' })).map((whole) => [whole]),
      fc
        .tuple(
          fc.array(fc.nat({ max: 2 }), { minLength: count, maxLength: count }),
          fc.array(source(fc.constant<Behaviour>({ kind: 'steady' })), { minLength: 3, maxLength: 3 }),
        )
        .map(([deal, three]) =>
          three.map((each, index) => {
            const dealt = deal.flatMap((to, group) => (to === index || (group + index) % 5 === 0 ? [group] : []));
            return { ...each, behaviour: { kind: 'partial' as const, groups: dealt } };
          }),
        ),
    );
  const scene = fc
    .record({
      size: fc.oneof(fc.integer({ min: 0, max: 3 * 65_536 }), fc.integer({ min: 0, max: 20 * 65_536 })),
      seed: fc.nat(),
    })
    .chain(({ size, seed }) => {
      const count = groupCount(size);
      return fc.record({
        size: fc.constant(size),
        seed: fc.constant(seed),
        good: honest(count),
        others: fc.array(source(behaviour(count - 1)), { maxLength: 6 }),
        goodFirst: fc.boolean(),
      });
    });

  test('exact bytes, liars named and nobody else, duplicates bounded', async () => {
    await fc.assert(
      fc.asyncProperty(scene, async ({ size, seed, good, others, goodFirst }) => {
        const object = testObject(size, seed);
        const sources = goodFirst ? [...good, ...others] : [...others, ...good];
        const { result, bytes, blamed, written } = await run(object, sources);
        expect(Buffer.compare(bytes, object.bytes)).toBe(0);
        expect(result.size).toBe(size);
        expect(written.length).toBe(new Set(written).size);
        expect(written.length).toBe(groupCount(size));
        expect(result.duplicateGroups).toBeLessThanOrEqual(fetchLimitsDefault.duplicatesMin);
        for (const node of blamed.keys()) expect(lies.has(sources[Number(node)]!.behaviour.kind)).toBe(true);
        expect([...result.liars].sort()).toEqual([...blamed.keys()].sort());
      }),
      { numRuns: 40 },
    );
  });
});

describe('liars', () => {
  const lie: readonly [string, Behaviour, string][] = [
    ['a wrong first group', { kind: 'flip', group: 'first' }, 'group'],
    ['a wrong last group', { kind: 'flip', group: 'last' }, 'group'],
    ['another range', { kind: 'shifted' }, 'parent'],
    ['too much', { kind: 'extra' }, 'trailing'],
    ['another size in its slices', { kind: 'header' }, 'parent'],
    ['another size in its claim', { kind: 'claim' }, 'claim'],
  ];
  test.each(lie)('%s: dropped at once, named once, and the honest one finishes', async (_what, behaviour, _kind) => {
    const object = groups(12);
    const { bytes, blamed, result } = await run(object, [acting(behaviour, 2_000, 1), steady(200)]);
    expect(Buffer.compare(bytes, object.bytes)).toBe(0);
    expect([...blamed.keys()]).toEqual(['0']);
    expect(result.liars).toEqual(['0']);
  });

  test('the evidence names the group; only the liar’s good groups before it count', async () => {
    const object = groups(40);
    const { blamed } = await run(object, [acting({ kind: 'flip', group: 20 }, 50_000, 1), steady(20)]);
    expect(blamed.get('0')).toEqual({ address: object.address, kind: 'group', group: 20 });
  });

  test('only liars: unavailable, and nothing wrong was written', async () => {
    const object = groups(3);
    const failed = run(object, [acting({ kind: 'flip', group: 'last' }), acting({ kind: 'header' })]);
    await expect(failed).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a liar that is found again is not asked again', async () => {
    const object = groups(6);
    const sources = [acting({ kind: 'flip', group: 2 }, 3_000), steady(100)];
    const { blamed } = await run(object, sources, { findSources: async () => ['0', '1'], limits: { findEveryMs: 20 } });
    expect([...blamed.keys()]).toEqual(['0']);
  });
});

describe('parts', () => {
  test('sources that have parts only are not dropped for what they do not have', async () => {
    const object = groups(18);
    const first = Array.from({ length: 17 }, (_, group) => group);
    const sources = [
      acting({ kind: 'header' }, 46, 4),
      acting({ kind: 'partial', groups: first }, 20, 1),
      acting({ kind: 'partial', groups: [3, 17] }, 24, 0),
    ];
    const { bytes, blamed } = await run(object, sources);
    expect(Buffer.compare(bytes, object.bytes)).toBe(0);
    expect([...blamed.keys()]).toEqual(['0']);
  });
});

test('of each run it is told once what it brought, also when it stalls in the middle', async () => {
  const object = groups(40);
  const runs: (readonly [string, number])[] = [];
  const { peers } = await run(object, [acting({ kind: 'stalling', afterBytes: 1_200_000 }, 2_000), steady(50)], {
    onRun: (node, bytes) => runs.push([node, bytes]),
  });
  expect(runs).toContainEqual(['0', 0]);
  // The first question was for the size.
  expect(runs.length).toBeLessThan(peers.wants);
  const last = runs.findLast(([node]) => node === '0');
  expect(last).toEqual(['0', 0]);
});

describe('speed', () => {
  test('several sources add up', async () => {
    const object = groups(64);
    const one = await run(object, [steady(1_000)]);
    const four = await run(object, [steady(1_000), steady(1_000), steady(1_000), steady(1_000)]);
    expect(four.tookMs).toBeLessThan(one.tookMs / 3);
    for (const bytes of four.result.bytesByNode.values()) expect(bytes).toBeGreaterThan(10 * groupBytes());
  });

  test('a slow source does not hold up the end', async () => {
    const object = groups(64);
    const fast = await run(object, [steady(2_000)]);
    const mixed = await run(object, [steady(30), steady(2_000)]);
    expect(mixed.tookMs).toBeLessThan(fast.tookMs * 1.1 + 400);
  });

  test('a source that dies in the middle costs little more than what it did not send', async () => {
    const object = groups(64);
    const alone = await run(object, [steady(500)]);
    const { bytes, tookMs } = await run(object, [
      acting({ kind: 'vanishing', afterBytes: 1_500_000 }, 4_000),
      steady(500),
    ]);
    expect(Buffer.compare(bytes, object.bytes)).toBe(0);
    expect(tookMs).toBeLessThan(alone.tookMs);
  });

  test('what is sent twice is bounded, on the wire too', async () => {
    const object = groups(100);
    const { peers, result } = await run(object, [steady(1_000), steady(300), steady(90), steady(3_000, 80)]);
    expect(result.duplicateGroups).toBeLessThanOrEqual(8);
    expect(peers.sentBytes).toBeLessThan(object.bytes.length * 1.2);
  });

  test('a run at full speed takes few questions', async () => {
    const { peers } = await run(groups(200), [steady(100_000, 1)]);
    expect(peers.wants).toBeLessThan(12);
  });
});

describe('memory', () => {
  test('a slow sink holds the sources back: under 2 MiB lent at any time, and no source is blamed or dropped for it', async () => {
    const object = groups(120);
    const env = createSimEnv({ seed: 2 });
    const peers = new FakePeers(
      object,
      Array.from({ length: 16 }, () => steady(50_000, 1)),
      env.clock,
    );
    const blamed: string[] = [];
    const transfer = fetchObject({
      address: object.address,
      clock: env.clock,
      peers,
      sources: peers.nodes,
      sink: { write: () => new Promise<void>((resolve) => void env.clock.after(7_000, resolve)) },
      onLiar: (node) => void blamed.push(node),
    });
    const { bytesByNode } = await env.scheduler.settle(transfer.done);
    expect(peers.lentBytesMax).toBeLessThan(2 * 1024 * 1024);
    expect(blamed).toEqual([]);
    expect(bytesByNode.size).toBeGreaterThan(8);
    expect(peers.wants).toBeLessThan(100);
  });
});

describe('the end of it', () => {
  const start = (object: TestObject, sources: readonly FakeSource[], options: Partial<FetchOptions> = {}) => {
    const env = createSimEnv({ seed: 3 });
    const peers = new FakePeers(object, sources, env.clock);
    const bytes = new Uint8Array(object.bytes.length);
    const writes: number[] = [];
    const sink = {
      write: (offset: number, piece: Uint8Array) => {
        bytes.set(piece, offset);
        writes.push(offset / groupBytes());
      },
    };
    const transfer: Transfer = fetchObject({
      address: object.address,
      clock: env.clock,
      peers,
      sources: peers.nodes,
      sink,
      ...options,
    });
    return { env, peers, transfer, bytes, writes, sink };
  };

  test('cancelled in the middle: its reason, nothing written after, and another transfer goes on from the state', async () => {
    const object = groups(30);
    const stop = new AbortController();
    const { env, transfer, bytes, writes, sink, peers } = start(object, [steady(100), steady(200)], {
      signal: stop.signal,
    });
    const outcome = transfer.done.catch((error: unknown) => error);
    await env.scheduler.runFor(3_000);
    const reason = new Error('enough');
    stop.abort(reason);
    expect(await env.scheduler.settle(outcome)).toBe(reason);
    const before = writes.length;
    expect(before).toBeGreaterThan(3);
    await env.scheduler.runFor(60_000);
    expect(writes.length).toBe(before);
    const resume = structuredClone(transfer.state()!);
    const again = fetchObject({ address: object.address, clock: env.clock, peers, sources: peers.nodes, sink, resume });
    await env.scheduler.settle(again.done);
    expect(Buffer.compare(bytes, object.bytes)).toBe(0);
    expect(writes.length).toBe(30);
    // Nothing renews itself: all timers pass.
    await env.scheduler.runUntilIdle();
  });

  test('a state of another object, or a changed one, is refused; so is one of another size', async () => {
    const object = groups(4);
    const other = groups(5);
    const first = start(object, [steady(1_000)]);
    await first.env.scheduler.settle(first.transfer.done);
    const state = first.transfer.state()!;
    const changed = [
      { ...state, groups: 'Bw' },
      { ...state, size: state.size - 1 },
      { ...state, check: '' },
    ];
    for (const resume of changed) {
      const { env, transfer } = start(object, [steady(1_000)], { resume });
      await expect(env.scheduler.settle(transfer.done)).rejects.toMatchObject({ code: 'bad_request' });
    }
    const { env, transfer } = start(other, [steady(1_000)], { resume: state });
    await expect(env.scheduler.settle(transfer.done)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('nobody has it: not_found; everybody is silent: deadline or unavailable, within the bounds', async () => {
    const object = groups(4);
    const none = start(object, [steady(1)], {
      peers: { have: async () => undefined, want: async () => Promise.reject(new Error()) },
    });
    await expect(none.env.scheduler.settle(none.transfer.done)).rejects.toMatchObject({ code: 'not_found' });
    const silent = start(object, [acting({ kind: 'silent' }), acting({ kind: 'silent' })]);
    await expect(silent.env.scheduler.settle(silent.transfer.done)).rejects.toMatchObject({
      code: expect.stringMatching(/deadline_exceeded|unavailable/),
    });
    expect(silent.env.clock.monotonicMs()).toBeLessThan(90_000);
    const busy = start(object, [acting({ kind: 'busy' })]);
    await expect(busy.env.scheduler.settle(busy.transfer.done)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });

  test('a sink that fails ends it with its error; an object past the limit is refused before a byte is written', async () => {
    const object = groups(4);
    const full = new Error('disk full');
    const failing = start(object, [steady(1_000)], { sink: { write: () => Promise.reject(full) } });
    await expect(failing.env.scheduler.settle(failing.transfer.done)).rejects.toBe(full);
    const large = start(object, [steady(1_000)], { limits: { sizeBytesMax: object.bytes.length - 1 } });
    await expect(large.env.scheduler.settle(large.transfer.done)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(large.writes).toEqual([]);
    const exact = start(object, [steady(1_000)], { limits: { sizeBytesMax: object.bytes.length } });
    expect((await exact.env.scheduler.settle(exact.transfer.done)).size).toBe(object.bytes.length);
  });

  test('a source that comes later is used', async () => {
    const object = groups(40);
    const { env, transfer } = start(object, [steady(50), steady(5_000)], { sources: ['0'] });
    await env.scheduler.runFor(2_000);
    transfer.addSource('1');
    const { bytesByNode } = await env.scheduler.settle(transfer.done);
    expect(bytesByNode.get('1')).toBeGreaterThan(30 * groupBytes());
  });
});
