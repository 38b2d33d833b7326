import { createMetrics } from '@ron/kernel';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import { expect, test } from 'vitest';
import { gather, objectOf, ScriptedSource, testEnv } from '../fixtures/objects.ts';
import { GroupCache } from '../groups/group-cache.ts';
import { CachedObjects } from './cached-objects.ts';
import { FarObjects } from './far-objects.ts';
import { NearObjects } from './near-objects.ts';

const here = objectOf(5_000, 2);
const there = objectOf(300_000, 3);
const nowhere = objectOf(10, 4);
const call = { context: { signal: new AbortController().signal } } as Call;

/** A storage that has one object, a quarantined second one, and nothing else; and a node that has another. */
function open(quarantined = '') {
  const asked: string[] = [];
  const find = async ({ address }: { readonly address: string }) => {
    asked.push(address);
    if (address === quarantined) throw new RonError('integrity', 'bad bytes');
    if (address !== here.address) throw new RonError('not_found', 'no such object');
    const output = { address, size: here.bytes.byteLength, start: 0, length: here.bytes.byteLength, state: 'live' };
    return { output, body: new ResidentBody(here.bytes), ...output };
  };
  const storage = { get: find, slice: find, outboard: find, stat: find };
  const memory = { sizeOf: () => undefined, resident: () => undefined };
  const source = new ScriptedSource('network', [there]);
  const cache = new GroupCache({
    env: testEnv(),
    sources: [source],
    bytesMax: 4 * 1024 * 1024,
    metrics: createMetrics(),
  });
  return { objects: new FarObjects(new NearObjects(memory, storage as never), new CachedObjects(cache)), asked };
}

test('storage is asked first, another node for what it has not, and nobody for what nobody has', async () => {
  const { objects, asked } = open();
  const bytesOf = async (address: string) => gather((await objects.read({ address }, call)).body);
  expect(Buffer.compare(await bytesOf(here.address), here.bytes)).toBe(0);
  expect(Buffer.compare(await bytesOf(there.address), there.bytes)).toBe(0);
  expect(asked).toEqual([here.address, there.address]);
  for (const keep of [true, false]) expect(await objects.sizeOf(there.address, keep, call)).toBe(300_000);
  expect((await objects.outboard(there.address, call)).output.size).toBe(300_000);
  await expect(objects.read({ address: nowhere.address }, call)).rejects.toMatchObject({ code: 'not_found' });
  expect(objects.usage()).toMatchObject({ misses: expect.any(Number), fetched_bytes: 300_000 });
});

test('what storage found damaged is not replaced by what others have', async () => {
  const { objects } = open(there.address);
  await expect(objects.read({ address: there.address }, call)).rejects.toMatchObject({ code: 'integrity' });
});
