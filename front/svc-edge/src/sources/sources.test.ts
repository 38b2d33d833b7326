import type { HttpHandler } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import { afterEach, describe, expect, test } from 'vitest';
import { flipped, gather, objectOf, ScriptedSource, type TestObject, testEnv } from '../fixtures/objects.ts';
import { plainFiles, type Served, serve } from '../fixtures/serve.ts';
import { GroupCache } from '../groups/group-cache.ts';
import { serveObject } from '../groups/serve-object.ts';
import type { GroupSource } from '../groups/source.ts';
import { createGatewaySource, createPlainSource } from './http-source.ts';
import { createStorageSource, type StorageReads } from './storage-source.ts';

const MiB = 1024 * 1024;
const empty = objectOf(0);
const small = objectOf(5_000, 2);
const exact = objectOf(65_536, 4);
const large = objectOf(20 * 65_536 + 1, 3);
const all = [empty, small, exact, large];

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const served of open.splice(0).reverse()) await served[Symbol.asyncDispose]();
});

async function served(handler: HttpHandler): Promise<Served> {
  const one = await serve(handler);
  open.push(one);
  return one;
}

/** A node's gateway, played by a cache over a source that has everything. */
function gatewayOver(objects: readonly TestObject[], seen: string[] = []): HttpHandler {
  const env = testEnv();
  const cache = new GroupCache({ env, sources: [new ScriptedSource('origin', objects)], bytesMax: 16 * MiB });
  return (request) => {
    seen.push(`${request.target} ${request.headers['range'] ?? ''} ${request.headers['authorization'] ?? ''}`.trim());
    const [, address = '', outboard] = /^\/o\/(b3:[0-9a-f]{64})(\.outboard)?$/.exec(request.target) ?? [];
    return serveObject(cache, env, { address, isOutboard: outboard !== undefined }, request);
  };
}

function storageOver(objects: readonly TestObject[]): StorageReads {
  const find = (address: string) => {
    const found = objects.find((object) => object.address === address);
    if (found === undefined) throw new RonError('not_found', 'no such object');
    return found;
  };
  return {
    async get({ address, start = 0, length }) {
      const { bytes } = find(address);
      const part = bytes.slice(start, length === undefined ? undefined : start + length);
      const output = { address, size: bytes.byteLength, start, length: part.byteLength };
      return { output, body: new ResidentBody(part) };
    },
    async stat({ address }) {
      const size = find(address).bytes.byteLength;
      return { address, size, state: 'live', created_at: 0, durability: 'memory' };
    },
    async outboard({ address }) {
      const { bytes, outboard } = find(address);
      const output = { address, size: bytes.byteLength, outboard_size: outboard.byteLength };
      return { output, body: new ResidentBody(outboard) };
    },
  };
}

type Maker = (objects: readonly TestObject[]) => Promise<GroupSource>;
const makers: readonly (readonly [string, Maker])[] = [
  ['storage', async (objects) => createStorageSource(storageOver(objects), testEnv())],
  ['gateway', async (objects) => createGatewaySource({ client: (await served(gatewayOver(objects))).client })],
  [
    'plain ranges with outboards from elsewhere',
    async (objects) => {
      const files = new Map(objects.map(({ address, bytes }) => [`/files/${address.slice(3)}`, bytes]));
      return createPlainSource({
        client: (await served(plainFiles(files))).client,
        pathOf: (address) => `/files/${address.slice(3)}`,
        outboards: new ScriptedSource('outboards', objects),
      });
    },
  ],
];

describe.each(makers)('%s', (_name, make) => {
  test('gives what was asked for', async () => {
    const source = await make(all);
    const { signal } = new AbortController();
    for (const { address, bytes, outboard } of all) {
      const stat = await source.stat(address, true, signal);
      expect(stat.sizeBytes).toBe(bytes.byteLength);
      if (stat.firstGroup !== undefined) expect(Buffer.compare(stat.firstGroup, bytes.subarray(0, 65_536))).toBe(0);
      if (bytes.byteLength <= 65_536) continue;
      expect(Buffer.compare(await source.outboard(address, bytes.byteLength, signal), outboard)).toBe(0);
      const run = { address, sizeBytes: bytes.byteLength, first: 18, count: 3 };
      expect(Buffer.compare(await gather(await source.groups(run, signal)), bytes.subarray(18 * 65_536))).toBe(0);
    }
  });

  test('every object, whole and in spans, through a cache', async () => {
    const cache = new GroupCache({ env: testEnv(), sources: [await make(all)], bytesMax: 16 * MiB });
    for (const { address, bytes } of all) {
      const whole = await cache.open(address, { start: 0 });
      expect(whole.sizeBytes).toBe(bytes.byteLength);
      expect(Buffer.compare(await gather(whole.body), bytes)).toBe(0);
    }
    const span = await cache.open(large.address, { start: 100_000, length: 900_000 });
    expect(Buffer.compare(await gather(span.body), large.bytes.subarray(100_000, 1_000_000))).toBe(0);
  });

  test('an object that is not there is not_found', async () => {
    const source = await make([small]);
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB });
    await expect(cache.open(large.address, { start: 0 })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('wrong content under an address is refused', async () => {
    const lying = { ...large, bytes: flipped(large.bytes) };
    const cache = new GroupCache({ env: testEnv(), sources: [await make([lying])], bytesMax: 16 * MiB });
    const refused = cache.open(large.address, { start: 0 });
    await expect(refused).rejects.toMatchObject({ code: expect.stringMatching(/^(integrity|unavailable)$/) });
    expect(cache.ram.has(large.address, 20)).toBe(false);
  });
});

describe('HTTP', () => {
  test('the capability of the cache goes along, and nothing else decides where', async () => {
    const seen: string[] = [];
    const { client } = await served(gatewayOver([small], seen));
    const source = createGatewaySource({ client, authorization: 'Bearer cap' });
    const cache = new GroupCache({ env: testEnv(), sources: [source], bytesMax: 16 * MiB });
    await gather((await cache.open(small.address, { start: 0 })).body);
    expect(seen).toEqual([`/o/${small.address} bytes=0-65535 Bearer cap`]);
  });

  test.each([
    ['500', 500, {}, 'unavailable'],
    ['401', 401, {}, 'unauthenticated'],
    ['403', 403, {}, 'forbidden'],
    ['429', 429, {}, 'quota_exhausted'],
    ['a redirect, which is not followed', 302, { location: 'http://127.0.0.1:1/' }, 'unavailable'],
    ['410', 410, {}, 'not_found'],
    ['206 of another range', 206, { 'content-range': 'bytes 5-9/10' }, 'unavailable'],
    ['206 without a range', 206, {}, 'unavailable'],
  ] as const)('%s', async (_name, status, headers, code) => {
    const { client } = await served(() => ({ status, headers, body: new Uint8Array(5) }));
    const cache = new GroupCache({ env: testEnv(), sources: [createGatewaySource({ client })], bytesMax: 16 * MiB });
    await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code });
  });

  const date = 'Sat, 21 Nov 2026 21:57:07 GMT';
  test.each([
    [429, { 'retry-after': '7' }, { code: 'quota_exhausted', retryAfterMs: 7_000, details: { quota: 'source' } }],
    [503, { 'retry-after': '7' }, { code: 'unavailable', retryAfterMs: 7_000, details: { gate: 'source.busy' } }],
    [503, { 'retry-after': 'Sat, 21 Nov 2026 21:57:16 GMT', date }, { retryAfterMs: 9_000 }],
    [503, { 'retry-after': 'Sat, 21 Nov 2026 21:00:00 GMT', date }, { retryAfterMs: 0 }],
    [503, { 'retry-after': '999999' }, { retryAfterMs: 3_600_000 }],
    [503, { 'retry-after': 'soon' }, { retryAfterMs: 1_000 }],
  ] as const)('%i with %j is asked once and says when', async (status, headers, expected) => {
    let asked = 0;
    const { client } = await served(() => {
      asked += 1;
      return { status, headers };
    });
    const cache = new GroupCache({ env: testEnv(), sources: [createGatewaySource({ client })], bytesMax: 16 * MiB });
    await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject(expected);
    expect(asked).toBe(1);
  });

  test.each([401, 403, 429])(
    '%i of a capability that is the cache’s own is nothing that a reader did',
    async (status) => {
      const { client } = await served(() => ({ status, headers: {} }));
      const sources = [createGatewaySource({ client, authorization: 'Bearer cap' })];
      const cache = new GroupCache({ env: testEnv(), sources, bytesMax: 16 * MiB });
      await expect(cache.open(small.address, { start: 0 })).rejects.toMatchObject({ code: 'unavailable' });
    },
  );

  test('nobody there: unavailable, with the gate that it is', async () => {
    const { client, ...gone } = await serve(() => ({ status: 200, headers: {} }));
    await gone[Symbol.asyncDispose]();
    const cache = new GroupCache({ env: testEnv(), sources: [createGatewaySource({ client })], bytesMax: 16 * MiB });
    const refused = cache.open(small.address, { start: 0 });
    await expect(refused).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'source' } });
  });

  test('an origin without ranges serves small objects', async () => {
    const { client } = await served(({ target }) => ({
      status: 200,
      headers: {},
      body: target === '/s' ? small.bytes : large.bytes,
    }));
    const pathOf = (address: string) => (address === small.address ? '/s' : '/l');
    const outboards = new ScriptedSource('outboards', [large]);
    const sources = [createPlainSource({ client, pathOf, outboards })];
    const cache = new GroupCache({ env: testEnv(), sources, bytesMax: 16 * MiB });
    expect(Buffer.compare(await gather((await cache.open(small.address, { start: 0 })).body), small.bytes)).toBe(0);
    await expect(cache.open(large.address, { start: 0 })).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a cold read of a large object: its size with the first group, the outboard, the end, then runs', async () => {
    const asked: string[] = [];
    const { client } = await served(gatewayOver([large], asked));
    const cache = new GroupCache({ env: testEnv(), sources: [createGatewaySource({ client })], bytesMax: 16 * MiB });
    await gather((await cache.open(large.address, { start: 0 })).body);
    expect(asked.map((line) => line.slice(71))).toEqual([
      'bytes=0-65535',
      'outboard',
      'bytes=1310720-1310720',
      'bytes=65536-1310719',
    ]);
  });
});
