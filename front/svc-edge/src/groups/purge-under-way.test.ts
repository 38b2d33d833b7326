import { groupCv, treeFromGroupCvs } from '@ron/b3';
import { createInlineWork, createRealClock } from '@ron/kernel/real';
import { addressFromHash } from '@ron/naming';
import { describe, expect, test } from 'vitest';
import { flipped, gather, objectOf, ScriptedSource, settle, testEnv } from '../fixtures/objects.ts';
import { FetchGate, outboardsInFlightBytesMax, provingMax } from './fetch-gate.ts';
import { GroupCache } from './group-cache.ts';
import { ObjectProof } from './object-proof.ts';

const MiB = 1024 * 1024;
const small = objectOf(5_000, 2);
const large = objectOf(300_000);

describe('a purge while something is fetched', () => {
  test.each([small.address, undefined])('its size and first group are handed out and not kept: %s', async (what) => {
    const source = new ScriptedSource('origin', [small]);
    const held = Promise.withResolvers<void>();
    source.stating = async (stat) => {
      await held.promise;
      return stat;
    };
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB });
    const opening = cache.open(small.address, { start: 0 });
    await settle();
    cache.purge(what);
    held.resolve();
    expect(Buffer.compare(await gather((await opening).body), small.bytes)).toBe(0);
    expect([cache.ram.entries, source.asked]).toEqual([0, ['stat']]);
    source.objects.clear();
    await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('nobody joins what began before it, and what is not there then is asked for again', async () => {
    const source = new ScriptedSource('origin');
    const held = Promise.withResolvers<void>();
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB });
    source.objects.set(large.address, large);
    source.outboarding = async (outboard) => {
      await held.promise;
      return outboard;
    };
    const before = cache.open(large.address, { start: 0 });
    await settle();
    cache.purge(large.address);
    const after = cache.open(large.address, { start: 0 });
    held.resolve();
    await gather((await before).body);
    await gather((await after).body);
    expect(source.asked.filter((what) => what === 'stat')).toHaveLength(2);
  });

  test('a group of a run', async () => {
    const source = new ScriptedSource('origin', [large]);
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB });
    await cache.proof(large.address);
    const held = Promise.withResolvers<void>();
    source.piecing = async (piece, index) => {
      if (index === 1) await held.promise;
      return piece;
    };
    const opening = cache.open(large.address, { start: 65_536, length: 10 });
    await settle();
    expect(cache.purge(large.address).entries).toBeGreaterThan(0);
    held.resolve();
    expect((await gather((await opening).body)).byteLength).toBe(10);
    expect(cache.ram.entries).toBe(0);
  });
});

describe('what is fetched at a time', () => {
  test('objects and bytes of outboards have a bound, and what ends gives its place back', () => {
    const gate = new FetchGate();
    const ends = Array.from({ length: provingMax }, () => gate.begin());
    expect(() => gate.begin()).toThrow('too many objects');
    ends[0]!();
    gate.begin();
    const release = gate.reserve(outboardsInFlightBytesMax);
    expect(() => gate.reserve(1)).toThrow('too many large objects');
    release();
    gate.reserve(1);
  });

  test('a refusal of the gate is not the source’s: it is asked no further, and no other one is', async () => {
    const gate = new FetchGate();
    gate.reserve(outboardsInFlightBytesMax - large.outboard.byteLength + 1);
    const sources = [new ScriptedSource('one', [large, small]), new ScriptedSource('two', [large])];
    const cache = new GroupCache({ env: testEnv(), sources, bytesMax: 16 * MiB, gate });
    await expect(cache.open(large.address, { start: 0 })).rejects.toMatchObject({
      code: 'unavailable',
      details: { gate: 'edge.fetches', limit: outboardsInFlightBytesMax },
    });
    expect(sources.map(({ asked }) => asked)).toEqual([['stat'], []]);
    expect((await cache.open(small.address, { start: 0 })).sizeBytes).toBe(5_000);
  });

  test('an outboard gives its bytes back, whether it came or not', async () => {
    const gate = new FetchGate();
    gate.reserve(outboardsInFlightBytesMax - large.outboard.byteLength);
    const source = new ScriptedSource('origin', [large]);
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB, gate });
    source.outboarding = (outboard) => flipped(outboard);
    await expect(cache.proof(large.address)).rejects.toMatchObject({ code: 'integrity' });
    source.outboarding = (outboard) => outboard;
    await cache.proof(large.address);
    gate.reserve(large.outboard.byteLength);
  });
});

describe('an object of more than 1 GiB', () => {
  /** Its content is nobody's but for the last group: the tree over it is what counts. */
  const groups = 16_384 + 3;
  const sizeBytes = (groups - 1) * 65_536 + 1_000;
  const last = objectOf(1_000, 8).bytes;
  const cvs = new Uint8Array(groups * 32);
  for (let at = 0; at < cvs.byteLength; at += 1) cvs[at] = (at * 31 + (at >> 8) * 7) & 255;
  cvs.set(groupCv(groups - 1, last), (groups - 1) * 32);
  const { root, outboard } = treeFromGroupCvs(cvs, sizeBytes);
  const address = addressFromHash(root);
  const work = createInlineWork();

  function huge(name: string, change: (outboard: Uint8Array) => Uint8Array): ScriptedSource {
    const source = new ScriptedSource(name, [{ address, bytes: last, outboard }]);
    source.stating = () => ({ sizeBytes });
    source.outboarding = change;
    source.groups = async () =>
      (async function* () {
        yield last.slice();
      })();
    return source;
  }

  test('a wrong parent anywhere in its outboard is found before anybody has it, and another source is asked', async () => {
    const wrong = outboard.byteLength - 64 * 9_000;
    expect(() => new ObjectProof(address, sizeBytes, flipped(outboard, wrong), work)).not.toThrow();
    const liar = huge('liar', (bytes) => flipped(bytes, wrong));
    const honest = huge('honest', (bytes) => bytes);
    const env = { ...testEnv(), clock: createRealClock() };
    const alone = new GroupCache({ env, sources: [liar], bytesMax: 16 * MiB });
    await expect(alone.proof(address)).rejects.toMatchObject({ code: 'integrity' });
    const cache = new GroupCache({ env, sources: [liar, honest], bytesMax: 16 * MiB });
    const proof = await cache.proof(address);
    expect(Buffer.compare(proof.outboard!, outboard)).toBe(0);
    expect(cache.ram.proof(address)).toBe(proof);
  });
});
