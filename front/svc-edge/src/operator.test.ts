import { createMetrics } from '@ron/kernel';
import { afterEach, describe, expect, test } from 'vitest';
import type { Exchange } from './fixtures/raw-origin.ts';
import { type EdgeRig, type RigOptions, startEdge } from './fixtures/start-edge.ts';

let edge: EdgeRig;
afterEach(() => edge[Symbol.asyncDispose]());
const start = async (options: RigOptions = {}) => {
  edge = await startEdge(options);
};
const wordOf = async (target: string, headers: Record<string, string> = {}) =>
  (await edge.ask(target, { headers })).headers['x-cache'];
const plain = (status: number, headers: Record<string, string> = {}) => {
  edge.origin.script = (exchange: Exchange) => exchange.answer(status, headers, 'x');
};

describe('lifetimes by the operator', () => {
  const defaults = { ttlSeconds: 60, negativeTtlSeconds: 10 };

  test.each([
    [200, 60],
    [301, 60],
    [404, 10],
    [410, 10],
    [501, 10],
  ])('%i without a word lives for %i s, and not longer', async (status, seconds) => {
    await start({ defaults });
    plain(status);
    expect(await wordOf('/')).toBe('MISS');
    edge.clock.advance(seconds - 1);
    expect(await wordOf('/')).toBe('HIT');
    edge.clock.advance(2);
    expect(await wordOf('/')).toBe('MISS');
  });

  test.each([
    ['what the origin says', 200, { 'Cache-Control': 'max-age=0' }, {}],
    ['no-store', 200, { 'Cache-Control': 'no-store' }, {}],
    ['a status that is not to be guessed about', 403, {}, {}],
    ['cookies of the client', 200, {}, { cookie: 'a=b' }],
    ['cookies of the origin', 200, { 'Set-Cookie': 'a=b' }, {}],
  ])('%s forbids guessing', async (_what, status, said, asked) => {
    await start({ defaults });
    plain(status, said);
    await wordOf('/', asked);
    expect(await wordOf('/', asked)).toBe('MISS');
  });

  test('nothing is guessed unless the operator says so', async () => {
    await start();
    plain(404);
    await wordOf('/');
    expect(await wordOf('/')).toBe('MISS');
  });
});

describe('stale responses by the operator', () => {
  test('stale-while-revalidate: at once within its time, only then', async () => {
    await start({ defaults: { staleWhileRevalidateSeconds: 10 } });
    plain(200, { 'Cache-Control': 'max-age=60' });
    await wordOf('/');
    edge.clock.advance(65);
    expect(await wordOf('/')).toBe('STALE');
    await edge.origin.heard(2);
    edge.clock.advance(75);
    expect(await wordOf('/')).toBe('MISS');
  });

  test('stale-if-error: its time counts where the origin says none', async () => {
    await start({ defaults: { staleIfErrorSeconds: 10 } });
    plain(200, { 'Cache-Control': 'max-age=60' });
    await wordOf('/');
    plain(503);
    edge.clock.advance(70);
    expect(await wordOf('/')).toBe('STALE');
    edge.clock.advance(1);
    expect((await edge.ask('/')).status).toBe(503);
  });

  test.each(['must-revalidate', 'no-cache', 's-maxage=60'])('%s of the origin is stronger', async (word) => {
    await start({ defaults: { staleWhileRevalidateSeconds: 100, staleIfErrorSeconds: 100 } });
    plain(200, { 'Cache-Control': `max-age=60, ${word}`, ETag: '"a"' });
    await wordOf('/');
    plain(503);
    edge.clock.advance(61);
    expect((await edge.ask('/')).status).toBe(503);
  });
});

describe('requests that wait', () => {
  test('one more than may is refused and says which gate; the others are answered', async () => {
    await start({ waitersMax: 2 });
    const held: Exchange[] = [];
    edge.origin.script = (exchange) => void held.push(exchange);
    const waiting = [edge.ask('/a'), edge.ask('/b', { method: 'POST' })];
    await edge.origin.heard(2);
    expect(edge.cache.isCrowded).toBe(true);
    for (const method of ['GET', 'POST']) {
      const { status, headers, body } = await edge.ask('/c', { method });
      expect([status, headers['retry-after']]).toEqual([503, '1']);
      expect(JSON.parse(body)).toMatchObject({ code: 'unavailable', retryable: true, details: { gate: 'waiters' } });
    }
    for (const exchange of held) exchange.answer(200);
    for (const reply of waiting) expect((await reply).status).toBe(200);
    expect(edge.cache.isCrowded).toBe(false);
    edge.origin.script = (exchange) => exchange.answer(200);
    expect((await edge.ask('/c')).status).toBe(200);
  });

  test('what is stored stands in for one that may not wait', async () => {
    await start({ waitersMax: 1 });
    plain(200, { 'Cache-Control': 'max-age=60' });
    await wordOf('/');
    edge.clock.advance(61);
    let held: Exchange | undefined;
    edge.origin.script = (exchange) => {
      held = exchange;
    };
    const waiting = edge.ask('/other');
    await edge.origin.heard(2);
    expect(await wordOf('/')).toBe('STALE');
    held?.answer(200);
    await waiting;
  });
});

describe('methods', () => {
  /** All that the parser of Node 26 knows, but CONNECT. */
  const passing =
    `ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS
    PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE`.split(
      /\s+/,
    );

  test.each(passing)('%s passes with its target', async (method) => {
    await start();
    expect((await edge.ask('/a?b', { method })).status).toBe(200);
    expect(edge.origin.requests[0]).toMatchObject({ method, target: '/a?b' });
  });
});

describe('metrics', () => {
  test('each request counts once, by its outcome; bytes, fetches and refusals too', async () => {
    const metrics = createMetrics();
    await start({ metrics });
    plain(200, { 'Cache-Control': 'max-age=60' });
    const requests = (op: string, code: string) => metrics.read('requests_total', { service: 'edge', op, code });
    await edge.ask('/');
    await edge.ask('/');
    edge.clock.advance(61);
    edge.origin.script = (exchange) => exchange.hangUp();
    await edge.ask('/');
    expect((await edge.ask('/none')).status).toBe(502);
    await edge.ask('/', { headers: { 'cache-control': 'only-if-cached, max-age=0' } });
    const counted = ['hit', 'miss', 'stale', 'refused'].map((code) => requests('read', code));
    expect(counted).toEqual([1, 1, 1, 2]);
    expect(metrics.read('rejected_total', { service: 'edge', reason: 'origin_failed' })).toBe(1);
    expect(metrics.read('rejected_total', { service: 'edge', reason: 'only_if_cached' })).toBe(1);
    expect(metrics.read('edge_origin_failures_total')).toBeGreaterThanOrEqual(2);
    const text = await metrics.exposition();
    expect(text).toMatch(/edge_stored_responses 1\n/);
    expect(text).toMatch(/latency_seconds_count\{service="edge",op="read"\} 5\n/);
  });

  test('bytes count whether or not their length was announced', async () => {
    const metrics = createMetrics();
    await start({ metrics });
    plain(200);
    await edge.ask('/');
    expect(metrics.read('bytes_out_total', { service: 'edge' })).toBe(1);
    edge.origin.script = (exchange) => {
      exchange.say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    };
    expect((await edge.ask('/')).body).toBe('abc');
    expect(metrics.read('bytes_out_total', { service: 'edge' })).toBe(4);
    await edge.ask('/', { method: 'HEAD' });
    expect(metrics.read('bytes_out_total', { service: 'edge' })).toBe(4);
  });
});
