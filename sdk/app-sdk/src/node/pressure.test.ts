import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { RonClient } from '../client.ts';
import { connect as connectAnywhere } from '../connect.ts';
import { createFetchTransport } from '../fetch-transport.ts';
import { FakePlatform } from '../testing/fake-platform.ts';
import { ManualPlatform } from '../testing/manual-platform.ts';
import type { Platform } from '../transport.ts';
import { createHttpTransport } from './http-transport.ts';
import { type Deed, refusal, startUnrulyNode, type UnrulyRequest } from './testing/unruly-node.ts';

const transports = [
  ['fetch', createFetchTransport],
  ['node:http', createHttpTransport],
] as const;

const has: Deed = { body: JSON.stringify({ present: [], missing: [] }) };
const busy = refusal(503, 'unavailable');
const address = `b3:${'0'.repeat(64)}`;
const stored: Deed = { status: 201, body: JSON.stringify({ address, size: 3, stored: true, durability: 'memory' }) };
const opened: RonClient[] = [];

afterEach(async () => {
  for (const client of opened.splice(0)) await client[Symbol.asyncDispose]();
});

describe.each(transports)('against a node under pressure, over %s', (_name, createTransport) => {
  async function start(
    deedOf: (request: UnrulyRequest, index: number) => Deed,
    platform: Platform = new FakePlatform(),
  ) {
    const node = await startUnrulyNode(onTestFinished, deedOf);
    const access = { capability: () => 'cap' };
    const transport = createTransport(node.url, access);
    const client = connectAnywhere({ url: node.url, capability: 'cap', transport, platform });
    opened.push(client);
    return { node, client };
  }
  const waiting = async (deeds: readonly Deed[], byte = 255) => {
    const platform = new FakePlatform(byte);
    return { platform, ...(await start((_request, index) => deeds[index] ?? has, platform)) };
  };

  test('503 four times: the fifth attempt answers, after pauses that double', async () => {
    const { client, node, platform } = await waiting([busy, busy, busy, busy]);
    expect(await client.blobs.has([])).toEqual({ present: [], missing: [] });
    expect(node.requests).toHaveLength(5);
    expect(platform.waitsMs.map(Math.ceil)).toEqual([100, 200, 400, 800]);
    expect(new Set(node.requests.map(({ headers }) => headers['x-corr-id'])).size).toBe(1);
  });

  test('503 for ever: after five attempts the error says how many, which corr_id, and what to do', async () => {
    const { client, node } = await start(() => busy);
    await expect(client.blobs.has([])).rejects.toMatchObject({
      name: 'UnavailableError',
      attempts: 5,
      corrId: 'of-the-node',
      advice: expect.stringMatching(/try again/i),
    });
    expect(node.requests).toHaveLength(5);
  });

  test.each([
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['a date', { 'retry-after': 'Wed, 21 Oct 2015 07:28:09 GMT', date: 'Wed, 21 Oct 2015 07:28:00 GMT' }, 9_000],
  ])(
    'Retry-After as %s is waited for, on 429 and on 503, from a node and from what stands before it',
    async (...each) => {
      const [, headers, waitMs] = each;
      const page = { status: 503, headers, body: '<h1>busy</h1>' };
      const { client, node, platform } = await waiting(
        [refusal(429, 'quota_exhausted', headers), refusal(503, 'unavailable', headers), { ...page, status: 429 }],
        0,
      );
      await client.blobs.has([]);
      expect(platform.waitsMs).toEqual([waitMs, waitMs, waitMs]);
      expect(node.requests).toHaveLength(4);
    },
  );

  test('Retry-After beyond the deadline: fails at once and says when', async () => {
    const { client, node, platform } = await waiting([refusal(429, 'quota_exhausted', { 'retry-after': '31' })]);
    const error = await client.blobs.has([]).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'QuotaError', retryAfterMs: 31_000, attempts: 1 });
    expect(error.advice).toMatch(/in 31 s/);
    expect([node.requests.length, platform.waitsMs]).toEqual([1, []]);
  });

  test('one deadline over all attempts', async () => {
    const slow = refusal(503, 'unavailable', { 'retry-after': '12' });
    const { client, node, platform } = await waiting([slow, slow, slow, slow], 0);
    await expect(client.blobs.has([])).rejects.toMatchObject({ code: 'unavailable', attempts: 3 });
    expect([node.requests.length, platform.waitsMs]).toEqual([3, [12_000, 12_000]]);
  });

  test('a read without a deadline of its own does not wait for hours', async () => {
    const { client, node } = await waiting([refusal(503, 'unavailable', { 'retry-after': '99999999999' })]);
    await expect(client.blobs.get(address)).rejects.toMatchObject({ code: 'unavailable', attempts: 1 });
    expect(node.requests).toHaveLength(1);
  });

  test.each([
    [400, 'bad_request'],
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [409, 'conflict'],
    [500, 'internal'],
    [507, 'insufficient_storage'],
  ])('%i %s is final, also with Retry-After', async (status, code) => {
    const { client, node } = await start(() => refusal(status, code, { 'retry-after': '1' }));
    await expect(client.blobs.has([])).rejects.toMatchObject({ code, attempts: 1 });
    expect(node.requests).toHaveLength(1);
  });

  test('connections that are reset, and answers that stop in mid-body, are tried again', async () => {
    const whole = Buffer.from(JSON.stringify({ present: [], missing: [] }));
    const headers = { 'content-type': 'application/json' };
    const { client, node } = await waiting([{ reset: true }, { reset: true, body: whole, after: 9, headers }]);
    expect(await client.blobs.has([])).toEqual({ present: [], missing: [] });
    expect(node.requests).toHaveLength(3);
  });

  test('nobody listens: five attempts', async () => {
    const { client, node, platform } = await waiting([]);
    node.close();
    await expect(client.blobs.has([])).rejects.toMatchObject({ code: 'unavailable', attempts: 5 });
    expect(platform.waitsMs).toHaveLength(4);
  });

  test('a change carries one Idempotency-Key through all attempts, and the next change another', async () => {
    const record = { body: JSON.stringify({ name: 'a', version: 1 }) };
    const { client, node } = await waiting([busy, { reset: true }, record, record]);
    await client.names.set('a', address);
    await client.names.set('a', address);
    const keys = node.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
  });

  test('a body that can be read again is sent whole again; one that cannot is not', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const again = await waiting([busy, stored]);
    await again.client.blobs.put(bytes, { assumeMissing: true });
    expect(again.node.requests.map(({ body }) => [...body])).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    const once = await waiting([busy, stored]);
    const passes = once.client.blobs.put(pass(bytes));
    await expect(passes).rejects.toMatchObject({ attempts: 1, advice: expect.stringMatching(/body/) });
    expect(once.node.requests).toHaveLength(1);
  });

  test('a tenth of the requests, and ten, are retries at most, whatever is called', async () => {
    const { client, node } = await start(() => busy, new FakePlatform(0));
    const calls = 60;
    let last: unknown;
    for (let index = 0; index < calls; index += 1) {
      const call = index % 2 === 0 ? client.blobs.has([]) : client.names.resolve('a');
      last = await call.catch((thrown) => thrown);
    }
    const retries = node.requests.length - calls;
    expect(retries).toBeGreaterThanOrEqual(10);
    expect(retries).toBeLessThanOrEqual(10 + calls / 10);
    expect(last).toMatchObject({ attempts: 1, advice: expect.stringMatching(/used up its retries/) });
  });

  test('a node that says nothing: the deadline holds, and the connection is closed', async () => {
    const platform = new ManualPlatform();
    const { client, node } = await start(() => ({ silence: true }), platform);
    const call = client.blobs.has([], { timeoutMs: 5_000 }).catch((thrown) => thrown);
    await node.met;
    await platform.advance(5_000);
    expect(await call).toMatchObject({ code: 'deadline_exceeded', message: 'no answer within 5000 ms' });
    await node.left;
    expect(platform.timers).toBe(0);
  });

  test('a signal ends a call before it, in it, and between two attempts', async () => {
    const platform = new ManualPlatform();
    const ended = { code: 'deadline_exceeded', message: 'the call was ended by its caller' };
    const { client, node } = await start((_request, index) => (index === 0 ? { silence: true } : busy), platform);
    const before = client.blobs.has([], { signal: AbortSignal.abort() });
    await expect(before).rejects.toMatchObject(ended);
    expect(node.requests).toEqual([]);
    const inIt = new AbortController();
    const met = client.blobs.has([], { signal: inIt.signal }).catch((thrown) => thrown);
    await node.met;
    inIt.abort();
    expect(await met).toMatchObject(ended);
    await node.left;
    const between = new AbortController();
    const paused = Promise.withResolvers<void>();
    const { after } = platform;
    platform.after = (delayMs, task) => {
      if (delayMs <= 100) paused.resolve();
      return after.call(platform, delayMs, task);
    };
    const refused = client.blobs.has([], { signal: between.signal }).catch((thrown) => thrown);
    await paused.promise;
    between.abort();
    expect(await refused).toMatchObject(ended);
    expect([node.requests.length, platform.timers]).toEqual([2, 0]);
  });
});

async function* pass(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
