import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Exchange } from './fixtures/raw-origin.ts';
import { type EdgeRig, startEdge } from './fixtures/start-edge.ts';
import { offeredMax } from './origin/plan.ts';
import { variantsMax } from './store/response-store.ts';

let edge: EdgeRig;
beforeEach(async () => {
  edge = await startEdge();
});
afterEach(() => edge[Symbol.asyncDispose]());

const wordOf = async (target: string, asking?: Parameters<EdgeRig['ask']>[1]) =>
  (await edge.ask(target, asking)).headers['x-cache'];
/** Answers 304 to the tag, and else the whole, which lives for a minute. */
const tagged =
  (tag: string, body: string, more: Record<string, string> = {}) =>
  (exchange: Exchange) => {
    const headers = { ETag: tag, 'Cache-Control': 'max-age=60', ...more };
    if (exchange.headers['if-none-match'] === tag) exchange.answer(304, headers);
    else exchange.answer(200, headers, body);
  };

describe('hits (RFC 9111, 4 and 5.1)', () => {
  test('come from the store with their Age and the Date of their origin', async () => {
    edge.origin.script = tagged('"a"', 'hello', { Date: 'Thu, 01 Jan 2026 00:00:00 GMT', Age: '5' });
    const first = await edge.ask('/');
    expect(first.headers).toMatchObject({ 'x-cache': 'MISS', age: '5' });
    edge.clock.advance(10);
    const hit = await edge.ask('/');
    expect(hit).toMatchObject({ status: 200, body: 'hello' });
    expect(hit.headers).toMatchObject({ 'x-cache': 'HIT', age: '15', date: 'Thu, 01 Jan 2026 00:00:00 GMT' });
    expect(hit.headers['cache-status']).toBe('ron-edge; hit; ttl=45');
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('a response straight from the origin has no Age of this cache', async () => {
    edge.origin.script = tagged('"a"', 'x');
    expect((await edge.ask('/')).headers).not.toHaveProperty('age');
  });

  test('HEAD is answered from a stored GET; a HEAD stores nothing', async () => {
    edge.origin.script = tagged('"a"', 'hello');
    expect(await wordOf('/', { method: 'HEAD' })).toBe('MISS');
    expect(await wordOf('/')).toBe('MISS');
    const head = await edge.ask('/', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.headers).toMatchObject({ 'x-cache': 'HIT', 'content-length': '5' });
  });

  test('conditions of the client are answered from the store, others go to the origin (4.3.2)', async () => {
    edge.origin.script = tagged('"a"', 'hello');
    await edge.ask('/');
    const same = await edge.ask('/', { headers: { 'if-none-match': '"a"' } });
    expect(same).toMatchObject({ status: 304, body: '' });
    expect(same.headers).toMatchObject({ etag: '"a"', 'x-cache': 'HIT' });
    expect(same.headers).not.toHaveProperty('content-length');
    expect(await wordOf('/', { headers: { 'if-none-match': '"b"' } })).toBe('HIT');
    expect(await wordOf('/', { headers: { 'if-match': '"a"' } })).toBe('BYPASS');
  });

  test('only-if-cached is 504 without a stored response (5.2.1.7)', async () => {
    expect((await edge.ask('/', { headers: { 'cache-control': 'only-if-cached' } })).status).toBe(504);
    expect(edge.origin.requests).toHaveLength(0);
  });

  test('no-store of a request neither uses nor leaves anything (5.2.1.5)', async () => {
    edge.origin.script = tagged('"a"', 'x');
    const headers = { 'cache-control': 'no-store' };
    expect([await wordOf('/', { headers }), await wordOf('/'), await wordOf('/', { headers })]).toEqual([
      'BYPASS',
      'MISS',
      'BYPASS',
    ]);
  });

  test('a GET with content is neither stored nor answered from the store', async () => {
    edge.origin.script = tagged('"a"', 'x');
    const fat = { body: 'poison', headers: { 'content-length': '6' } };
    expect([await wordOf('/', fat), await wordOf('/'), await wordOf('/', fat)]).toEqual(['BYPASS', 'MISS', 'BYPASS']);
  });

  test('fields that a qualified no-cache names are sent once and not reused (5.2.2.4)', async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(200, { 'Cache-Control': 'max-age=60, no-cache="x-a"', 'X-A': '1', 'X-B': '2' });
    expect((await edge.ask('/')).headers).toMatchObject({ 'x-a': '1', 'x-b': '2' });
    const hit = await edge.ask('/');
    expect(hit.headers['x-b']).toBe('2');
    expect(hit.headers).not.toHaveProperty('x-a');
  });

  test('fields about one request, its name and what its reader has left, go to that reader alone', async () => {
    const own = { 'x-corr-id': 'of-the-first', ratelimit: '"r";r=1;t=2', 'ratelimit-policy': '"r";q=2;w=2' };
    edge.origin.script = tagged('"a"', 'hello', own);
    expect((await edge.ask('/')).headers).toMatchObject(own);
    edge.clock.advance(61);
    for (const word of ['REVALIDATED', 'HIT']) {
      const { headers } = await edge.ask('/');
      expect(headers).toMatchObject({ 'x-cache': word, etag: '"a"' });
      for (const name of Object.keys(own)) expect(headers).not.toHaveProperty(name);
    }
  });

  test('Connection takes fields out of what is stored, by any name (3.1)', async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(200, { 'Cache-Control': 'max-age=60', Connection: 'x-a', 'X-A': '1', 'X-B': '2' });
    await edge.ask('/');
    const hit = await edge.ask('/');
    expect(hit.headers).toMatchObject({ 'x-cache': 'HIT', 'x-b': '2' });
    expect(hit.headers).not.toHaveProperty('x-a');
  });
});

describe('validation (RFC 9111, 4.3)', () => {
  test('a stale response is asked about, freshened by a 304, and fresh again', async () => {
    edge.origin.script = tagged('"a"', 'hello', { 'X-A': '1' });
    await edge.ask('/');
    edge.clock.advance(61);
    edge.origin.script = tagged('"a"', 'never', { 'X-A': '2', 'Content-Length': '9' });
    const validated = await edge.ask('/');
    expect(edge.origin.requests[1]?.headers['if-none-match']).toBe('"a"');
    expect(validated).toMatchObject({ status: 200, body: 'hello' });
    expect(validated.headers).toMatchObject({ 'x-cache': 'REVALIDATED', 'x-a': '2', 'content-length': '5' });
    expect((await edge.ask('/')).headers).toMatchObject({ 'x-cache': 'HIT', 'x-a': '2' });
  });

  test('the condition of the client gives way to that of the cache and is judged by the result', async () => {
    edge.origin.script = tagged('"a"', 'old');
    await edge.ask('/');
    edge.clock.advance(61);
    edge.origin.script = tagged('"b"', 'new');
    const headers = { 'if-none-match': '"b"', range: 'bytes=0-0' };
    expect((await edge.ask('/', { headers })).status).toBe(304);
    expect(edge.origin.requests[1]?.headers).toMatchObject({ 'if-none-match': '"a"' });
    expect(edge.origin.requests[1]?.headers).not.toHaveProperty('range');
    expect((await edge.ask('/')).body).toBe('new');
  });

  test('a 304 about something else is not used: the whole is asked for again (4.3.4)', async () => {
    edge.origin.script = tagged('"a"', 'old');
    await edge.ask('/');
    edge.clock.advance(61);
    edge.origin.script = (exchange) =>
      exchange.headers['if-none-match'] === undefined
        ? exchange.answer(200, { ETag: '"b"', 'Cache-Control': 'max-age=60' }, 'new')
        : exchange.answer(304, { ETag: '"b"' });
    expect((await edge.ask('/')).body).toBe('new');
    expect(edge.origin.requests).toHaveLength(3);
  });

  test('what replaces a stored response and may not be kept also removes it', async () => {
    edge.origin.script = tagged('"a"', 'old');
    await edge.ask('/');
    edge.origin.script = (exchange) => exchange.answer(200, { 'Cache-Control': 'no-store' }, 'new');
    expect((await edge.ask('/', { headers: { 'cache-control': 'no-cache' } })).body).toBe('new');
    expect(edge.cache.usage).toMatchObject({ bytes: 0, entries: 0 });
  });

  test('a HEAD that agrees freshens, one that does not makes outdated (4.3.5)', async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(200, { 'Cache-Control': 'max-age=60', 'X-A': exchange.method }, 'hello');
    await edge.ask('/');
    edge.clock.advance(61);
    expect(await wordOf('/', { method: 'HEAD' })).toBe('REVALIDATED');
    expect((await edge.ask('/')).headers).toMatchObject({ 'x-cache': 'HIT', 'x-a': 'HEAD' });
    edge.clock.advance(61);
    edge.origin.script = (exchange) => exchange.answer(200, { 'Cache-Control': 'max-age=60' }, 'longer');
    await edge.ask('/', { method: 'HEAD' });
    expect(await edge.ask('/')).toMatchObject({ body: 'longer' });
  });
});

describe('selected responses (RFC 9111, 4.1)', () => {
  const byLanguage = (exchange: Exchange) =>
    exchange.answer(
      200,
      { Vary: 'X-L', 'Cache-Control': 'max-age=60', ETag: `"${exchange.headers['x-l']}"` },
      exchange.headers['x-l'],
    );

  test('are kept side by side', async () => {
    edge.origin.script = byLanguage;
    for (const language of ['de', 'en', 'de', 'en']) {
      expect((await edge.ask('/', { headers: { 'x-l': language } })).body).toBe(language);
    }
    expect(edge.origin.requests).toHaveLength(2);
    expect(edge.origin.requests[1]?.headers['if-none-match']).toBe('"de"');
  });

  test('a 304 for one that was selected otherwise lets it answer both (4.3.4)', async () => {
    edge.origin.script = byLanguage;
    await edge.ask('/', { headers: { 'x-l': 'de' } });
    edge.origin.script = (exchange) => exchange.answer(304, { ETag: '"de"', Vary: 'X-L' });
    expect((await edge.ask('/', { headers: { 'x-l': 'at' } })).body).toBe('de');
    expect(await wordOf('/', { headers: { 'x-l': 'at' } })).toBe('HIT');
    expect(await wordOf('/', { headers: { 'x-l': 'de' } })).toBe('HIT');
  });
});

describe('bounds of one resource', () => {
  const ofUser = (exchange: Exchange) =>
    exchange.answer(200, { Vary: 'X-U', 'Cache-Control': 'max-age=60', ETag: `"${exchange.headers['x-u']}"` });
  const fill = async (count: number) => {
    edge.origin.script = ofUser;
    for (let n = 0; n < count; n++) await edge.ask('/', { headers: { 'x-u': String(n) } });
  };

  test.each([
    [variantsMax - 1, variantsMax - 1],
    [variantsMax, variantsMax],
    [variantsMax + 1, variantsMax],
  ])('%i variants: %i are kept', async (count, kept) => {
    await fill(count);
    expect(edge.cache.usage.entries).toBe(kept);
  });

  test.each([offeredMax - 1, offeredMax, offeredMax + 1])(
    'of %i tags no more than allowed are offered',
    async (count) => {
      await fill(count + 1);
      const offered = edge.origin.requests.at(-1)?.headers['if-none-match']?.split(', ') ?? [];
      expect(offered).toHaveLength(Math.min(count, offeredMax));
    },
  );
});

describe('invalidation (RFC 9111, 4.4)', () => {
  test('success of an unsafe method removes its target and what it names; failure does not', async () => {
    edge.origin.script = (exchange) =>
      exchange.method === 'GET'
        ? exchange.answer(200, { 'Cache-Control': 'max-age=60' }, 'x')
        : exchange.answer(exchange.target === '/fails' ? 500 : 200, {
            Location: '/named',
            'Content-Location': 'http://other/far',
          });
    for (const target of ['/a', '/named', '/far', '/fails']) await edge.ask(target);
    await edge.ask('/fails', { method: 'POST' });
    await edge.ask('/a', { method: 'DELETE' });
    expect([await wordOf('/a'), await wordOf('/named'), await wordOf('/far'), await wordOf('/fails')]).toEqual([
      'MISS',
      'MISS',
      'HIT',
      'HIT',
    ]);
  });

  test('a fetch that was under way meanwhile is not kept', async () => {
    const held: Exchange[] = [];
    edge.origin.script = (exchange) => (exchange.method === 'GET' ? void held.push(exchange) : exchange.answer(200));
    const fetching = edge.ask('/');
    await edge.origin.heard(1);
    await edge.ask('/', { method: 'PUT' });
    held[0]?.answer(200, { 'Cache-Control': 'max-age=60' }, 'older');
    expect((await fetching).body).toBe('older');
    edge.origin.script = (exchange) => exchange.answer(200, {}, 'newer');
    expect((await edge.ask('/')).body).toBe('newer');
  });

  test('a POST that is the resource answers later GETs (RFC 9110, 9.3.3)', async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(200, { 'Cache-Control': 'max-age=60', 'Content-Location': exchange.target }, 'posted');
    await edge.ask('/a?b', { method: 'POST', body: 'x' });
    expect(await edge.ask('/a?b')).toMatchObject({ body: 'posted' });
    expect(edge.origin.requests).toHaveLength(1);
  });
});

describe('stale responses (RFC 9111, 4.2.4; RFC 5861)', () => {
  const living = (control: string) => (exchange: Exchange) =>
    exchange.answer(200, { 'Cache-Control': `max-age=60${control}` }, 'old');
  const failures: [string, (exchange: Exchange) => void][] = [
    ['hangs up', (exchange) => exchange.hangUp()],
    ['says 503', (exchange) => exchange.answer(503)],
    ['is no HTTP', (exchange) => exchange.say('hello\r\n\r\n')],
  ];
  for (const [name, failure] of failures) {
    test(`stands in for an origin that ${name}`, async () => {
      edge.origin.script = living('');
      await edge.ask('/');
      edge.clock.advance(61);
      edge.origin.script = failure;
      expect(await edge.ask('/')).toMatchObject({
        status: 200,
        body: 'old',
        headers: { 'x-cache': 'STALE', age: '61' },
      });
    });

    test.each([', must-revalidate', ', proxy-revalidate', ', s-maxage=60', ', no-cache'])(
      `does not with %s for one that ${name}`,
      async (control) => {
        edge.origin.script = living(control);
        await edge.ask('/');
        edge.clock.advance(61);
        edge.origin.script = failure;
        expect((await edge.ask('/')).status).toBeGreaterThanOrEqual(502);
      },
    );
  }

  test('stale-if-error ends with its window', async () => {
    edge.origin.script = living(', stale-if-error=10');
    await edge.ask('/');
    edge.origin.script = (exchange) => exchange.answer(503);
    edge.clock.advance(70);
    expect(await wordOf('/')).toBe('STALE');
    edge.clock.advance(1);
    expect((await edge.ask('/')).status).toBe(503);
  });

  test('stale-while-revalidate answers at once and asks once behind it', async () => {
    edge.origin.script = tagged('"a"', 'old', { 'Cache-Control': 'max-age=60, stale-while-revalidate=30' });
    await edge.ask('/');
    edge.clock.advance(61);
    const held: Exchange[] = [];
    edge.origin.script = (exchange) => void held.push(exchange);
    const words = await Promise.all([wordOf('/'), wordOf('/'), wordOf('/')]);
    expect(words).toEqual(['STALE', 'STALE', 'STALE']);
    await edge.origin.heard(2);
    expect(held[0]?.headers['if-none-match']).toBe('"a"');
    held[0]?.answer(200, { 'Cache-Control': 'max-age=60' }, 'new');
    while ((await edge.ask('/')).body !== 'new') expect(edge.origin.requests).toHaveLength(2);
    expect(await wordOf('/')).toBe('HIT');
  });
});
