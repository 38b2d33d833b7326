import { createMetrics } from '@ron/kernel';
import { describe, expect, test } from 'vitest';
import { flipped, gather, type MovedClock, objectOf, ScriptedSource, settle, testEnv } from '../fixtures/objects.ts';
import { sourceDeadlineMs } from './attempts.ts';
import { GroupCache } from './group-cache.ts';

const MiB = 1024 * 1024;
const large = objectOf(300_000);
const small = objectOf(5_000, 2);

function cacheOf(...sources: ScriptedSource[]) {
  const metrics = createMetrics();
  const env = testEnv();
  const cache = new GroupCache({ env, sources, bytesMax: 16 * MiB, metrics });
  return { cache, env, failures: (source: string) => metrics.read('edge_integrity_fail_total', { source }) ?? 0 };
}

const lies: readonly (readonly [string, (source: ScriptedSource) => void])[] = [
  [
    'a flip in the last group',
    (source) => {
      source.piecing = (piece, index) => (index === 4 ? flipped(piece) : piece);
    },
  ],
  [
    'a truncated last group',
    (source) => {
      source.piecing = (piece, index) => (index === 4 ? piece.subarray(1) : piece);
    },
  ],
  [
    'a stream that ends in its middle',
    (source) => {
      source.piecing = (piece, index) => (index === 2 ? undefined : piece);
    },
  ],
  [
    'other content under the address',
    (source) => {
      const other = objectOf(300_000, 99);
      source.objects.set(large.address, { ...other, address: large.address });
    },
  ],
  [
    'other content with the right outboard',
    (source) => {
      const other = objectOf(300_000, 99);
      source.objects.set(large.address, { ...large, bytes: other.bytes });
    },
  ],
  [
    'a wrong parent in the outboard',
    (source) => {
      source.outboarding = (outboard) => flipped(outboard);
    },
  ],
  [
    'an outboard that is cut',
    (source) => {
      source.outboarding = (outboard) => outboard.subarray(0, outboard.byteLength - 64);
    },
  ],
  [
    'a length that is one too small, in size and outboard alike',
    (source) => {
      source.stating = (stat) => ({ ...stat, sizeBytes: stat.sizeBytes - 1 });
      source.outboarding = (outboard) => {
        new DataView(outboard.buffer).setBigUint64(0, 299_999n, true);
        return outboard;
      };
    },
  ],
  [
    'a length that is one too large, in size and outboard alike',
    (source) => {
      source.stating = (stat) => ({ ...stat, sizeBytes: stat.sizeBytes + 1 });
      source.outboarding = (outboard) => {
        new DataView(outboard.buffer).setBigUint64(0, 300_001n, true);
        return outboard;
      };
    },
  ],
];

describe('a source that lies', () => {
  test.each(lies)('%s: integrity, counted, not asked again, nothing wrong sent or kept', async (_name, lie) => {
    const source = new ScriptedSource('liar', [large]);
    lie(source);
    const { cache, failures } = cacheOf(source);
    const sent: Uint8Array[] = [];
    const reading = async () => {
      const { body, sizeBytes } = await cache.open(large.address, { start: 0 });
      expect(sizeBytes).toBe(large.bytes.byteLength);
      for await (const piece of body) sent.push(piece);
    };
    await expect(reading()).rejects.toMatchObject({ code: 'integrity' });
    expect(failures('liar')).toBe(1);
    const total = Buffer.concat(sent);
    expect(total.equals(large.bytes.subarray(0, total.byteLength))).toBe(true);
    for (let index = 0; index < 5; index += 1) {
      const kept = cache.ram.group(large.address, index);
      const right = large.bytes.subarray(index * 65_536, (index + 1) * 65_536);
      if (kept !== undefined) expect(Buffer.compare(kept.bytes, right)).toBe(0);
    }
  });

  test.each(lies)('%s: the next source is asked, and its bytes are right', async (_name, lie) => {
    const liar = new ScriptedSource('liar', [large]);
    lie(liar);
    const { cache } = cacheOf(liar, new ScriptedSource('honest', [large]));
    const { body, sizeBytes } = await cache.open(large.address, { start: 0 });
    expect(sizeBytes).toBe(large.bytes.byteLength);
    expect(Buffer.compare(await gather(body), large.bytes)).toBe(0);
  });

  test('content that changes between ranges: what was right stays, what is wrong is refused', async () => {
    const source = new ScriptedSource('origin', [large]);
    const { cache } = cacheOf(source);
    await gather((await cache.open(large.address, { start: 0, length: 70_000 })).body);
    source.objects.set(large.address, { ...large, bytes: objectOf(300_000, 7).bytes });
    const first = await cache.open(large.address, { start: 0, length: 70_000 });
    expect(Buffer.compare(await gather(first.body), large.bytes.subarray(0, 70_000))).toBe(0);
    const refused = cache.open(large.address, { start: 140_000, length: 10 });
    await expect(refused).rejects.toMatchObject({ code: 'integrity' });
  });

  test('a small object: wrong bytes, wrong length', async () => {
    const source = new ScriptedSource('liar', [small]);
    source.stating = (stat) => ({ ...stat, firstGroup: flipped(stat.firstGroup!) });
    const { cache, failures } = cacheOf(source);
    await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code: 'integrity' });
    source.stating = (stat) => ({ sizeBytes: stat.sizeBytes - 1, firstGroup: stat.firstGroup!.subarray(1) });
    await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code: 'integrity' });
    expect(failures('liar')).toBe(2);
    expect(cache.ram.entries).toBe(0);
  });

  test('one is left at its first bad group; the object is then asked of the one that served it', async () => {
    const liar = new ScriptedSource('liar', [large]);
    liar.piecing = (piece, index) => (index === 2 ? flipped(piece) : piece);
    const honest = new ScriptedSource('honest', [large]);
    const { cache, failures } = cacheOf(liar, honest);
    const first = await cache.open(large.address, { start: 0, length: 150_000 });
    expect(Buffer.compare(await gather(first.body), large.bytes.subarray(0, 150_000))).toBe(0);
    expect([failures('liar'), honest.groupsAsked]).toEqual([1, ['groups 2+1']]);
    const asked = liar.asked.length;
    const rest = await cache.open(large.address, { start: 200_000, length: 10 });
    expect(Buffer.compare(await gather(rest.body), large.bytes.subarray(200_000, 200_010))).toBe(0);
    expect([liar.asked.length, honest.groupsAsked]).toEqual([asked, ['groups 2+1', 'groups 3+1']]);
  });

  test('one that says nothing is left after its time', async () => {
    const silent = new ScriptedSource('silent', [small]);
    silent.stating = () => new Promise(() => undefined);
    const { cache, env } = cacheOf(silent, new ScriptedSource('honest', [small]));
    const opening = cache.open(small.address, { start: 0 });
    await settle();
    (env.clock as MovedClock).advance(sourceDeadlineMs);
    await settle();
    (env.clock as MovedClock).advance(sourceDeadlineMs);
    expect(Buffer.compare(await gather((await opening).body), small.bytes)).toBe(0);
    expect(silent.asked).toEqual(['stat', 'stat']);
    expect((env.clock as MovedClock).pending).toBe(0);
  });

  test('one that answers after its time is not mixed with the next', async () => {
    const late = new ScriptedSource('late', [large]);
    const honest = new ScriptedSource('honest', [large]);
    const { cache, env, failures } = cacheOf(late, honest);
    await cache.proof(large.address);
    const waiting = Promise.withResolvers<void>();
    late.opening = () => waiting.promise;
    const opening = cache.open(large.address, { start: 0 });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await settle();
      (env.clock as MovedClock).advance(sourceDeadlineMs);
    }
    const reading = (await opening).body[Symbol.asyncIterator]();
    const pieces = [(await reading.next()).value];
    waiting.resolve();
    await settle();
    for (let step = await reading.next(); step.done !== true; step = await reading.next()) pieces.push(step.value);
    expect(Buffer.compare(Buffer.concat(pieces), large.bytes)).toBe(0);
    expect(honest.groupsAsked).toEqual(['groups 0+4']);
    expect([late.open, honest.open, late.taken, failures('late')]).toEqual([0, 0, 1, 0]);
  });

  test('an object that no source could prove in memory is refused before anything is taken', async () => {
    const source = new ScriptedSource('huge', [large]);
    source.stating = (stat) => ({ ...stat, sizeBytes: 9 * 1024 * MiB });
    const { cache } = cacheOf(source);
    await expect(cache.open(large.address, { start: 0 })).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(source.asked).toEqual(['stat']);
  });
});
