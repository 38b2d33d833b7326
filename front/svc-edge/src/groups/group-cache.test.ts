import { describe, expect, test } from 'vitest';
import { gather, type MovedClock, objectOf, ScriptedSource, settle, testEnv } from '../fixtures/objects.ts';
import { GroupCache } from './group-cache.ts';
import { MissMemory, missesMax, missMsDefault } from './miss-memory.ts';

const MiB = 1024 * 1024;
const small = objectOf(5_000, 2);
/** 40 groups, the last one short. */
const large = objectOf(39 * 65_536 + 100, 3);

function cacheOf(source: ScriptedSource, bytesMax = 16 * MiB) {
  const env = testEnv();
  return { env, clock: env.clock as MovedClock, cache: new GroupCache({ env, sources: [source], bytesMax }) };
}

async function read(cache: GroupCache, address: string, start = 0, length?: number): Promise<Uint8Array> {
  return await gather((await cache.open(address, { start, length })).body);
}

describe('one fetch', () => {
  test('1,000 cold readers of an object make one request for each thing', async () => {
    const source = new ScriptedSource('origin', [large]);
    const { cache } = cacheOf(source);
    const all = await Promise.all(Array.from({ length: 1_000 }, () => cache.open(large.address, { start: 0 })));
    const sums = await Promise.all(
      all.map(async ({ body }) => {
        let bytes = 0;
        for await (const piece of body) bytes += piece.byteLength;
        return bytes;
      }),
    );
    expect(new Set(sums)).toEqual(new Set([large.bytes.byteLength]));
    expect(source.asked).toEqual(['stat', 'outboard', 'groups 39+1', 'groups 1+38']);
    expect(source.open).toBe(0);
  });

  test('1,000 cold readers of a small object make one', async () => {
    const source = new ScriptedSource('origin', [small]);
    const { cache } = cacheOf(source);
    const all = await Promise.all(Array.from({ length: 1_000 }, () => read(cache, small.address)));
    expect(all.every((bytes) => Buffer.compare(bytes, small.bytes) === 0)).toBe(true);
    expect(source.asked).toEqual(['stat']);
  });

  test('what is missing is fetched and nothing else, in runs between what is here', async () => {
    const source = new ScriptedSource('origin', [large]);
    const { cache } = cacheOf(source);
    await read(cache, large.address, 3 * 65_536 + 5, 65_536);
    await read(cache, large.address, 10 * 65_536, 1);
    expect(source.groupsAsked).toEqual(['groups 39+1', 'groups 3+2', 'groups 10+1']);
    const span = await read(cache, large.address, 65_536 + 7, 12 * 65_536);
    expect(Buffer.compare(span, large.bytes.subarray(65_536 + 7, 13 * 65_536 + 7))).toBe(0);
    expect(source.groupsAsked.slice(3)).toEqual(['groups 1+2', 'groups 5+5', 'groups 11+3']);
    expect(Buffer.compare(await read(cache, large.address), large.bytes)).toBe(0);
    const { length } = source.asked;
    expect(Buffer.compare(await read(cache, large.address), large.bytes)).toBe(0);
    expect(source.asked.length).toBe(length);
  });

  test('a reader that overtakes follows the same request', async () => {
    const source = new ScriptedSource('origin', [large]);
    const { cache } = cacheOf(source);
    const slow = (await cache.open(large.address, { start: 0 })).body[Symbol.asyncIterator]();
    await slow.next();
    await slow.next();
    expect(source.taken).toBe(2);
    expect(
      Buffer.compare(
        await read(cache, large.address, 5 * 65_536, 65_536),
        large.bytes.subarray(5 * 65_536, 6 * 65_536),
      ),
    ).toBe(0);
    expect(source.groupsAsked).toEqual(['groups 39+1', 'groups 1+38']);
    await slow.return?.();
    expect(source.open).toBe(0);
  });
});

test('a reader far ahead of a slow one does not wait for it; each group is then fetched by one of them', async () => {
  const source = new ScriptedSource('origin', [large]);
  const { cache } = cacheOf(source);
  const slow = (await cache.open(large.address, { start: 0 })).body[Symbol.asyncIterator]();
  await slow.next();
  await slow.next();
  const far = await cache.open(large.address, { start: 30 * 65_536 });
  expect(source.groupsAsked).toEqual(['groups 39+1', 'groups 1+38', 'groups 30+9']);
  expect((await gather(far.body)).byteLength).toBe(large.bytes.byteLength - 30 * 65_536);
  for (let step = await slow.next(); step.done !== true; step = await slow.next())
    expect(step.value.byteLength).toBeGreaterThan(0);
  expect(source.asked.length).toBe(5);
  expect(source.taken).toBe(39);
  expect(source.open).toBe(0);
});

describe('readers that leave', () => {
  test('one does not end what another waits for; the last one does', async () => {
    const source = new ScriptedSource('origin', [large]);
    const held = Promise.withResolvers<void>();
    source.piecing = async (piece, index) => {
      if (index === 5) await held.promise;
      return piece;
    };
    const { cache } = cacheOf(source);
    const [leaves, stays] = [new AbortController(), new AbortController()];
    await cache.proof(large.address);
    const one = cache.open(large.address, { start: 5 * 65_536, length: 10 }, leaves.signal);
    const two = cache.open(large.address, { start: 5 * 65_536, length: 10 }, stays.signal);
    await settle();
    const reason = new Error('left');
    const left = expect(one).rejects.toBe(reason);
    leaves.abort(reason);
    await left;
    expect(source.open).toBe(1);
    held.resolve();
    expect((await gather((await two).body)).byteLength).toBe(10);
    expect(source.open).toBe(0);
  });

  test('when all leave, the request is given up, and the next reader begins another', async () => {
    const source = new ScriptedSource('origin', [large]);
    const wait = Promise.withResolvers<void>();
    source.piecing = async (piece, index) => {
      if (index === 5) await wait.promise;
      return piece;
    };
    const { cache } = cacheOf(source);
    await cache.proof(large.address);
    const leaving = new AbortController();
    const all = Array.from({ length: 10 }, () =>
      cache.open(large.address, { start: 5 * 65_536, length: 1 }, leaving.signal).catch((error: unknown) => error),
    );
    await settle();
    expect(source.open).toBe(1);
    const reason = new Error('left');
    leaving.abort(reason);
    expect(await Promise.all(all)).toEqual(Array(10).fill(reason));
    wait.resolve();
    expect((await read(cache, large.address, 5 * 65_536, 1)).byteLength).toBe(1);
    expect(source.groupsAsked).toEqual(['groups 39+1', 'groups 5+1', 'groups 5+1']);
    expect(source.open).toBe(0);
  });

  test('all who wait for a proof leave: it is begun anew', async () => {
    const source = new ScriptedSource('origin', [small]);
    const first = Promise.withResolvers<void>();
    source.stating = async (stat) => {
      await first.promise;
      return stat;
    };
    const { cache } = cacheOf(source);
    const leaving = new AbortController();
    const opening = cache.open(small.address, { start: 0 }, leaving.signal);
    const refused = expect(opening).rejects.toThrow('left');
    leaving.abort(new Error('left'));
    await refused;
    const again = cache.open(small.address, { start: 0 });
    first.resolve();
    expect(Buffer.compare(await gather((await again).body), small.bytes)).toBe(0);
    expect(source.asked).toEqual(['stat', 'stat']);
  });

  test('a slow reader takes nothing ahead, and holds no stream open for long', async () => {
    const source = new ScriptedSource('origin', [large]);
    const { cache, clock } = cacheOf(source);
    const reading = (await cache.open(large.address, { start: 0 })).body[Symbol.asyncIterator]();
    for (let group = 0; group < 5; group += 1) await reading.next();
    // The last one for the length, and one for each that was read beyond the first.
    expect(source.taken).toBe(1 + 4);
    expect(source.open).toBe(1);
    clock.advance(5_000);
    await settle();
    expect(source.open).toBe(0);
    const rest: Uint8Array[] = [];
    for (let step = await reading.next(); step.done !== true; step = await reading.next()) rest.push(step.value);
    expect(Buffer.compare(Buffer.concat(rest), large.bytes.subarray(5 * 65_536))).toBe(0);
    expect(clock.pending).toBe(0);
  });
});

describe('answers', () => {
  test('spans of every kind are those of the object', async () => {
    const source = new ScriptedSource('origin', [large, small]);
    const { cache } = cacheOf(source);
    const size = large.bytes.byteLength;
    const spans: [number, number | undefined][] = [
      [0, 0],
      [0, 1],
      [65_535, 2],
      [size - 1, undefined],
      [size - 101, 101],
      [0, size + 10],
      [65_536, 65_536],
    ];
    for (const [start, length] of spans) {
      const end = length === undefined ? size : Math.min(size, start + length);
      expect(Buffer.compare(await read(cache, large.address, start, length), large.bytes.subarray(start, end))).toBe(0);
    }
    for (const start of [size, size + 1]) {
      const refused = cache.open(large.address, { start });
      await expect(refused).rejects.toMatchObject({ code: 'range_not_satisfiable', details: { size } });
    }
  });

  test('the empty object', async () => {
    const empty = objectOf(0);
    const { cache } = cacheOf(new ScriptedSource('origin', [empty]));
    expect(await cache.open(empty.address, { start: 0 })).toMatchObject({ sizeBytes: 0, length: 0 });
    expect((await read(cache, empty.address)).byteLength).toBe(0);
    await expect(cache.open(empty.address, { start: 1 })).rejects.toMatchObject({ code: 'range_not_satisfiable' });
  });

  test('tells what was here and how old it is', async () => {
    const { cache, clock } = cacheOf(new ScriptedSource('origin', [small, large]));
    expect((await cache.open(small.address, { start: 0 })).hit).toBe(false);
    clock.advance(3_000);
    expect(cache.peek(small.address, { start: 10 })).toMatchObject({ hit: true, ageMs: 3_000, length: 4_990 });
    expect((await cache.open(large.address, { start: 0 })).hit).toBe(false);
    expect((await cache.open(large.address, { start: 0 })).hit).toBe(true);
    expect((await cache.open(large.address, { start: 70_000 })).hit).toBe(false);
  });

  test('what is not there is asked for once in two seconds', async () => {
    const source = new ScriptedSource('origin');
    const { cache, clock } = cacheOf(source);
    const missing = () => expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code: 'not_found' });
    await missing();
    clock.advance(missMsDefault - 1);
    await missing();
    expect(source.asked).toEqual(['stat']);
    source.objects.set(small.address, small);
    clock.advance(1);
    expect((await read(cache, small.address)).byteLength).toBe(5_000);
  });

  test('where what is written must be seen at once, nothing is remembered to be missing', async () => {
    const source = new ScriptedSource('storage');
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB, missMs: 0 });
    await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code: 'not_found' });
    source.objects.set(small.address, small);
    expect((await read(cache, small.address)).byteLength).toBe(5_000);
  });

  test('what is missing is remembered within a bound, the oldest is forgotten first', () => {
    const { clock } = testEnv();
    const misses = new MissMemory(clock, missMsDefault);
    for (let place = 0; place <= missesMax; place += 1) misses.add(`address ${place}`);
    expect(misses.size).toBe(missesMax);
    expect(() => misses.check('address 0')).not.toThrow();
    expect(() => misses.check('address 1')).toThrow('no such object');
    misses.forget('address 1');
    expect(() => misses.check('address 1')).not.toThrow();
  });

  test('a purge removes one object, or all, and what was said to be missing', async () => {
    const source = new ScriptedSource('origin', [small, large]);
    const { cache } = cacheOf(source);
    await read(cache, small.address);
    await read(cache, large.address, 0, 100);
    expect(cache.purge(large.address)).toMatchObject({ entries: 3 });
    expect(cache.ram.entries).toBe(1);
    expect(cache.peek(small.address, { start: 0 })).toBeDefined();
    expect(cache.purge(undefined)).toMatchObject({ entries: 1 });
    expect([cache.ram.entries, cache.ram.bytes]).toEqual([0, 0]);
    expect(cache.purge(small.address)).toEqual({ entries: 0, bytes: 0 });
  });
});
