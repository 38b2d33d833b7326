import { SLICE_MEDIA_TYPE } from '@ron/b3';
import type { HttpHandler, HttpRequest, HttpResponse } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { flipped, objectOf, testEnv } from './fixtures/objects.ts';
import { bodyOf, requestOf, type Served, serve } from './fixtures/serve.ts';
import { createVerifiedObjects, type VerifiedObjects } from './groups/verified-objects.ts';
import { createHttpCache, type HttpCache } from './http-cache.ts';
import { createGatewaySource } from './sources/http-source.ts';

const MiB = 1024 * 1024;
const small = objectOf(5_000, 2);
const large = objectOf(300_000);
const other = objectOf(5_000, 77);

let asked: HttpRequest[];
let origin: HttpHandler;
let served: Served;
let objects: VerifiedObjects;
let cache: HttpCache;

beforeEach(async () => {
  asked = [];
  origin = gateway;
  served = await serve((request) => {
    asked.push(request);
    return origin(request);
  });
  const env = { ...testEnv(), disk: createSimEnv({ seed: 1 }).disk };
  const { client } = served;
  objects = await createVerifiedObjects({ env, source: createGatewaySource({ client }), bytesMax: 16 * MiB });
  cache = createHttpCache({ clock: env.clock, random: env.random, client, objects: { env, objects } });
});
afterEach(async () => {
  await served[Symbol.asyncDispose]();
  await objects[Symbol.asyncDispose]();
});

const forAll = { 'cache-control': 'public, max-age=3600' };

function gateway({ target, headers }: HttpRequest): HttpResponse {
  const object = [small, large, other].find(({ address }) => target.includes(address));
  if (object === undefined) return { status: 404, headers: {} };
  const bytes = target.endsWith('.outboard') ? object.outboard : object.bytes;
  const match = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '');
  if (match === null) return { status: 200, headers: { ...forAll, 'content-length': bytes.byteLength }, body: bytes };
  const [first, last] = [Number(match[1]), Math.min(Number(match[2]), bytes.byteLength - 1)];
  const range = `bytes ${first}-${last}/${bytes.byteLength}`;
  return { status: 206, headers: { ...forAll, 'content-range': range }, body: bytes.slice(first, last + 1) };
}

/** The same wrong bytes for everything, for everybody and for ever. */
const liar: HttpHandler = () => ({
  status: 200,
  headers: { ...forAll, 'content-type': 'application/octet-stream', 'content-length': small.bytes.byteLength },
  body: flipped(small.bytes),
});

const ask = async (target: string, headers: Readonly<Record<string, string>> = {}) =>
  await cache.handle(requestOf(target, headers));
const path = `/o/${small.address}`;

describe('an origin that lies', () => {
  const spellings = [
    path,
    `${path}?x=1`,
    `/get/${small.address}`,
    `/get/${small.address}?`,
    `/o/b3%3A${small.address.slice(3)}`,
    `/%6F/${small.address}`,
    `//o/${small.address}`,
    `/a/../o/${small.address}`,
    `/o/b3:${small.address.slice(3).toUpperCase()}`,
  ];
  const readers = [
    {},
    { authorization: 'Bearer x' },
    { 'ron-cap': 'x' },
    { authorization: 'Bearer x', 'ron-cap': 'x' },
    { accept: `${SLICE_MEDIA_TYPE};q=0, */*` },
    { accept: SLICE_MEDIA_TYPE },
  ];

  test.each(spellings)('%s: never one of its bytes, whoever asks', async (target) => {
    origin = liar;
    for (const headers of readers) {
      const reply = await ask(target, headers);
      expect([reply.status, JSON.parse(Buffer.from(await bodyOf(reply)).toString()).code]).toEqual([502, 'integrity']);
    }
    expect(cache.usage.entries).toBe(0);
  });

  test('a slice passes when it is one', async () => {
    origin = () => ({ status: 200, headers: { ...forAll, 'content-type': SLICE_MEDIA_TYPE }, body: small.outboard });
    const reply = await ask(path, { accept: SLICE_MEDIA_TYPE });
    expect(Buffer.compare(await bodyOf(reply), small.outboard)).toBe(0);
    origin = gateway;
    expect(Buffer.compare(await bodyOf(await ask(path)), small.bytes)).toBe(0);
  });
});

describe('credentials', () => {
  test.each([
    [{ 'ron-cap': 'good' }, 'ron-cap'],
    [{ authorization: 'Bearer good' }, 'authorization'],
    [{ 'ron-cap': 'good', 'ron-proof': 'p' }, 'ron-proof'],
  ])('%j go to the origin each time, and what comes is nobody else’s', async (headers, name) => {
    origin = (request) =>
      Object.values(request.headers).some((value) => value?.endsWith('good'))
        ? gateway(request)
        : { status: 401, headers: {} };
    for (let reads = 0; reads < 2; reads += 1) {
      const reply = await ask(path, headers);
      expect(reply.headers['cache-control']).toMatch(/^private/);
      expect(Buffer.compare(await bodyOf(reply), small.bytes)).toBe(0);
    }
    expect(asked).toHaveLength(2);
    expect(asked[1]!.headers[name]).toBe((headers as Record<string, string>)[name]);
    for (const bad of [{}, { 'ron-cap': 'bad' }]) {
      const refused = await ask(path, bad);
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    }
  });

  test('the outboard of a large object comes once, and only who is let in has the use of it', async () => {
    const target = `/o/${large.address}`;
    origin = (request) => (request.headers['ron-cap'] === 'good' ? gateway(request) : { status: 403, headers: {} });
    for (let reads = 0; reads < 3; reads += 1) {
      const reply = await ask(target, { 'ron-cap': 'good', range: 'bytes=100000-100009' });
      expect(Buffer.compare(await bodyOf(reply), large.bytes.subarray(100_000, 100_010))).toBe(0);
    }
    expect(asked.filter((request) => request.target.endsWith('.outboard'))).toHaveLength(1);
    for (const headers of [{ 'ron-cap': 'bad' }, {}]) {
      for (const suffix of ['', '.outboard']) expect((await ask(target + suffix, headers)).status).toBe(403);
    }
  });

  test('an outboard that everybody’s cache has is not fetched for one reader', async () => {
    const target = `/o/${large.address}`;
    await bodyOf(await ask(target));
    asked.length = 0;
    await bodyOf(await ask(target, { 'ron-cap': 'good', range: 'bytes=0-0' }));
    expect(asked.map((request) => request.headers['range'])).toEqual(['bytes=0-65535']);
  });
});

describe('purge', () => {
  const target = `/get/b3%3A${small.address.slice(3)}?x`;

  test.each([
    { url: path },
    { url: `${path}.outboard` },
    { url: target },
    { url: `https://any.example${path}` },
    { prefix: path },
    { prefix: path.slice(0, -3) },
    { prefix: '/o/' },
    { prefix: '/ge' },
    { prefix: '/' },
    { all: true },
  ] as const)('%j: the object is asked for again', async (selection) => {
    await bodyOf(await ask(path));
    expect((await ask(target)).headers['x-cache']).toBe('HIT');
    expect(cache.purge(selection)).toBe(1);
    expect((await ask(path)).headers['x-cache']).toBe('MISS');
    expect(asked).toHaveLength(2);
  });

  test.each([
    { url: `/o/${other.address}` },
    { url: '/o/' },
    { url: `${path}/entry` },
    { prefix: '/other' },
    { prefix: `/o/${other.address}.out` },
    { prefix: '/objects' },
  ] as const)('%j: it stays', async (selection) => {
    await bodyOf(await ask(path));
    expect(cache.purge(selection)).toBe(0);
    expect((await ask(path)).headers['x-cache']).toBe('HIT');
  });

  test('also of outboards that came with credentials', async () => {
    const headers = { 'ron-cap': 'x', range: 'bytes=0-0' };
    await bodyOf(await ask(`/o/${large.address}`, headers));
    cache.purge({ url: `/o/${large.address}` });
    await bodyOf(await ask(`/o/${large.address}`, headers));
    expect(asked.filter((request) => request.target.endsWith('.outboard'))).toHaveLength(2);
  });
});

test('what is verified is in the usage, and a warm-up counts it as stored', async () => {
  expect(cache.usage.objects).toEqual({ bytes: 0, entries: 0, disk_bytes: 0, disk_entries: 0 });
  const gone = `/o/${objectOf(9).address}`;
  const report = await cache.warm([path, `/o/${large.address}`, gone]);
  expect(report).toMatchObject({ stored: 2, passed: 0, failed: [{ url: gone, status: 404 }] });
  expect(cache.usage.objects?.bytes).toBeGreaterThan(305_000);
  expect(cache.usage.objects?.entries).toBe(1 + 1 + 5);
});
