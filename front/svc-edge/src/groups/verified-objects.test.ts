import { SLICE_MEDIA_TYPE } from '@ron/b3';
import { createSimEnv } from '@ron/kernel/sim';
import { beforeEach, describe, expect, test } from 'vitest';
import { flipped, objectOf, ScriptedSource, testEnv } from '../fixtures/objects.ts';
import { bodyOf, requestOf } from '../fixtures/serve.ts';
import { createVerifiedObjects, type VerifiedObjects } from './verified-objects.ts';

const MiB = 1024 * 1024;
const large = objectOf(300_000);
const { address, bytes } = large;
const size = bytes.byteLength;
const path = `/o/${address}`;
let source: ScriptedSource;
let objects: VerifiedObjects;

beforeEach(async () => {
  source = new ScriptedSource('origin', [large]);
  const env = { ...testEnv(), disk: createSimEnv({ seed: 1 }).disk };
  objects = await createVerifiedObjects({ env, source, bytesMax: 16 * MiB });
});

const ask = (target: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
  objects.handle(requestOf(target, headers, method))!;

describe('handle', () => {
  test('a whole object, first fetched and then from here', async () => {
    const first = await ask(path);
    expect(first).toMatchObject({
      status: 200,
      headers: {
        etag: `"${address}"`,
        'content-length': size,
        'cache-control': 'public, max-age=31536000, immutable',
        'accept-ranges': 'bytes',
        'ron-address': address,
        'ron-size': size,
        'x-cache': 'MISS',
        'x-content-type-options': 'nosniff',
        age: 0,
      },
    });
    expect(Buffer.compare(await bodyOf(first), bytes)).toBe(0);
    const second = await ask(path);
    expect(second.headers['x-cache']).toBe('HIT');
    expect(Buffer.compare(await bodyOf(second), bytes)).toBe(0);
  });

  test('what the cache did is said on every answer', async () => {
    const said = async (target: string, method = 'GET', headers = {}) => {
      const answer = await ask(target, headers, method);
      if (answer.body !== undefined) await bodyOf(answer);
      const { 'x-cache': word, 'cache-status': status, age } = answer.headers;
      return [answer.status, word, status, age];
    };
    const gone = `/o/${objectOf(3).address}`;
    const [miss, hit] = ['ron-edge; fwd=uri-miss', 'ron-edge; hit'];
    const fresh = `${hit}; ttl=31536000`;
    expect(await said(gone)).toEqual([404, 'MISS', miss, undefined]);
    expect(await said(gone, 'HEAD')).toEqual([404, 'HIT', hit, undefined]);
    expect(await said(path, 'GET', { 'if-none-match': `"${address}"` })).toEqual([304, 'HIT', hit, undefined]);
    expect(await said(path, 'HEAD')).toEqual([200, 'MISS', miss, undefined]);
    expect(await said(path)).toEqual([200, 'MISS', `${miss}; stored`, 0]);
    expect(await said(path)).toEqual([200, 'HIT', fresh, 0]);
    expect(await said(path, 'HEAD')).toEqual([200, 'HIT', fresh, 0]);
    expect(await said(`${path}.outboard`)).toEqual([200, 'HIT', fresh, 0]);
    expect(await said(path, 'GET', { range: 'bytes=300000-' })).toEqual([416, 'HIT', hit, undefined]);
    const small = objectOf(5);
    source.objects.set(small.address, small);
    expect(await said(`/o/${small.address}`)).toEqual([200, 'MISS', `${miss}; stored`, 0]);
    expect(await said(`/o/${small.address}`, 'HEAD')).toEqual([200, 'HIT', fresh, 0]);
    const wrong = objectOf(7);
    source.objects.set(wrong.address, { ...wrong, bytes: flipped(wrong.bytes) });
    expect(await said(`/o/${wrong.address}`)).toEqual([502, undefined, miss, undefined]);
  });

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=65535-65536', 65_535, 65_536],
    ['bytes=299999-', 299_999, 299_999],
    ['bytes=-1', 299_999, 299_999],
    ['bytes=100-999999', 100, 299_999],
  ])('%s', async (range, first, last) => {
    const answer = await ask(path, { range });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes ${first}-${last}/${size}`);
    expect(answer.headers['content-length']).toBe(last - first + 1);
    expect(Buffer.compare(await bodyOf(answer), bytes.subarray(first, last + 1))).toBe(0);
  });

  test.each(['bytes=300000-', 'bytes=-0'])('%s cannot be satisfied', async (range) => {
    const answer = await ask(path, { range });
    expect(answer.status).toBe(416);
    expect(answer.headers['content-range']).toBe(`bytes */${size}`);
  });

  test.each([
    [{ range: 'bytes=0-0,5-6' }, 200],
    [{ range: 'lines=1-2' }, 200],
    [{ range: 'bytes=0-0', 'if-range': '"other"' }, 200],
    [{ range: 'bytes=0-0', 'if-range': `W/"${address}"` }, 200],
    [{ range: 'bytes=0-0', 'if-range': `"${address}"` }, 206],
    [{ 'if-none-match': `"x", W/"${address}"` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': `"${address}"`, range: 'bytes=0-0' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
  ] as const)('%o is %i', async (headers, status) => {
    expect((await ask(path, headers)).status).toBe(status);
  });

  test.each([
    `${path}?x=1`,
    `${path}#part`,
    `/get/${address}`,
    `/o/b3%3A${address.slice(3)}`,
    `/o/b3%3a${address.slice(3)}?`,
    `/%6f/%62%33:${address.slice(3)}`,
    `/get/b3:${address.slice(3).toUpperCase()}`,
    `//o//${address}`,
    `/x/../o/./${address}`,
    `/o%2f${address}`,
  ])('%s is the object', async (target) => {
    expect(Buffer.compare(await bodyOf(await ask(target)), bytes)).toBe(0);
  });

  test.each([
    [`${SLICE_MEDIA_TYPE};q=0, */*`, true],
    [`*/*, ${SLICE_MEDIA_TYPE};q=0.5`, true],
    [`application/*;q=0.4, ${SLICE_MEDIA_TYPE};q=0.5`, false],
    [`${SLICE_MEDIA_TYPE}, */*`, false],
  ])('Accept %s: the bytes are meant %s', (accept, isOurs) => {
    expect(objects.handle(requestOf(path, { accept })) !== undefined).toBe(isOurs);
  });

  test.each(['', '.outboard'])('If-None-Match * is false where there is nothing: %s', async (suffix) => {
    const headers = { 'if-none-match': '*' };
    expect((await ask(`/o/${objectOf(3).address}${suffix}`, headers)).status).toBe(404);
    expect((await ask(`${path}${suffix}`, headers)).status).toBe(304);
  });

  test('what the client has is not fetched to say so', async () => {
    await ask(path, { 'if-none-match': `"${address}"` });
    expect(source.asked).toEqual([]);
  });

  test('HEAD ignores ranges and has no body', async () => {
    const answer = await ask(path, { range: 'bytes=0-0' }, 'HEAD');
    expect(answer).toMatchObject({ status: 200, headers: { 'content-length': size } });
    expect(answer.body).toBeUndefined();
  });

  test('outboards: whole, ranges, of one group', async () => {
    const whole = await ask(`${path}.outboard`);
    expect(whole).toMatchObject({ status: 200, headers: { etag: `"${address}.outboard"`, 'ron-size': size } });
    expect(Buffer.compare(await bodyOf(whole), large.outboard)).toBe(0);
    const part = await ask(`${path}.outboard`, { range: 'bytes=8-71' });
    expect(part.headers['content-range']).toBe(`bytes 8-71/${large.outboard.byteLength}`);
    expect(Buffer.compare(await bodyOf(part), large.outboard.subarray(8, 72))).toBe(0);
    expect((await ask(`${path}.outboard`, { range: 'bytes=900-' })).status).toBe(416);
    const small = objectOf(10, 9);
    source.objects.set(small.address, small);
    expect(Buffer.compare(await bodyOf(await ask(`/o/${small.address}.outboard`)), small.outboard)).toBe(0);
  });

  test.each([
    ['POST', path, {}],
    ['GET', `${path}/entry`, {}],
    ['GET', `${path}/`, {}],
    ['GET', `/get/${address}.outboard`, {}],
    ['GET', path.toUpperCase(), {}],
    ['GET', path.slice(0, -1), {}],
    ['GET', '/n/name', {}],
    ['GET', path, { authorization: 'Bearer x' }],
    ['GET', path, { 'ron-cap': 'x' }],
    ['GET', path, { 'ron-proof': 'x' }],
    ['GET', path, { accept: SLICE_MEDIA_TYPE }],
  ])('%s %s %o is not its business', (method, target, headers) => {
    expect(objects.handle(requestOf(target, headers as Record<string, string>, method))).toBeUndefined();
  });

  test('refusals have the envelope and are kept by nobody', async () => {
    const missing = await ask(`/o/${objectOf(3).address}`, { 'x-corr-id': 'my-own-corr-id' });
    expect(missing.status).toBe(404);
    expect(missing.headers['cache-control']).toBe('no-store');
    const envelope = JSON.parse(Buffer.from(await bodyOf(missing)).toString());
    expect(envelope).toMatchObject({ code: 'not_found', retryable: false, corr_id: missing.headers['x-corr-id'] });
    source.objects.set(address, { ...large, bytes: flipped(bytes) });
    const wrong = await ask(path);
    expect(wrong.status).toBe(502);
    expect(JSON.parse(Buffer.from(await bodyOf(wrong)).toString())).toMatchObject({ code: 'integrity' });
  });

  test('a client that leaves ends what only it waited for', async () => {
    const held = Promise.withResolvers<never>();
    source.stating = () => held.promise;
    const request = requestOf(path);
    const answer = objects.handle(request)!;
    request.abort();
    expect((await answer).status).toBe(408);
  });

  test('a budget below 4 MiB is refused', async () => {
    const env = { ...testEnv(), disk: createSimEnv({ seed: 1 }).disk };
    await expect(createVerifiedObjects({ env, source, bytesMax: 4 * MiB - 1 })).rejects.toThrow(RangeError);
    const least = await createVerifiedObjects({ env, source, bytesMax: 4 * MiB });
    await least[Symbol.asyncDispose]();
  });
});
