import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Exchange } from './fixtures/raw-origin.ts';
import { type EdgeRig, startEdge, textOf } from './fixtures/start-edge.ts';

let edge: EdgeRig;
let held: Exchange[];
beforeEach(async () => {
  edge = await startEdge();
  held = [];
  edge.origin.script = (exchange) => void held.push(exchange);
});
afterEach(() => edge[Symbol.asyncDispose]());

const hour = { 'Cache-Control': 'max-age=3600' };
const head = (length: number) => `HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: ${length}\r\n\r\n`;
const sayAndHangUp =
  (words: string) =>
  ({ say, hangUp }: Exchange) => {
    say(words);
    hangUp();
  };

describe('one fetch for many readers (RFC 9111, 4)', () => {
  test('100 readers of one cold resource are one request', async () => {
    const readers = Array.from({ length: 100 }, () => edge.ask('/'));
    await edge.origin.heard(1);
    await edge.handled(100);
    held[0]?.answer(200, hour, 'hello');
    const replies = await Promise.all(readers);
    expect(new Set(replies.map(({ body }) => body))).toEqual(new Set(['hello']));
    expect(edge.origin.requests).toHaveLength(1);
    expect(replies.filter(({ headers }) => String(headers['cache-status']).includes('collapsed'))).not.toHaveLength(0);
  });

  test('readers of a stale resource share one validation', async () => {
    const first = edge.ask('/');
    await edge.origin.heard(1);
    held[0]?.answer(200, { ...hour, ETag: '"a"' }, 'hello');
    await first;
    edge.clock.advance(3601);
    const readers = Array.from({ length: 20 }, () => edge.ask('/'));
    await edge.origin.heard(2);
    await edge.handled(21);
    held[1]?.answer(304, { ...hour, ETag: '"a"' });
    expect((await Promise.all(readers)).every(({ body }) => body === 'hello')).toBe(true);
    expect(edge.origin.requests).toHaveLength(2);
  });

  test('readers of one part are one request', async () => {
    const readers = Array.from({ length: 20 }, () => edge.ask('/', { headers: { range: 'bytes=0-1' } }));
    await edge.origin.heard(1);
    await edge.handled(20);
    held[0]?.answer(206, { ...hour, ETag: '"a"', 'Content-Range': 'bytes 0-1/9' }, 'he');
    expect((await Promise.all(readers)).every(({ status, body }) => status === 206 && body === 'he')).toBe(true);
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('an answer for one client only is no answer for the others: each asks', async () => {
    edge.origin.script = (exchange) => exchange.answer(200, { 'Cache-Control': 'private' }, exchange.headers['x-who']);
    const who = ['a', 'b', 'c'];
    const replies = await Promise.all(who.map((name) => edge.ask('/', { headers: { 'x-who': name } })));
    expect(replies.map(({ body }) => body)).toEqual(who);
    expect(edge.origin.requests).toHaveLength(3);
  });

  test.each([{ authorization: 'x' }, { 'if-none-match': '"x"' }])(
    'nobody waits for, or is made to wait by, a request with %j',
    async (headers) => {
      const own = edge.ask('/', { headers });
      await edge.origin.heard(1);
      const other = edge.ask('/');
      await edge.origin.heard(2);
      held[1]?.answer(200, hour, 'shared');
      held[0]?.answer(200, { 'Cache-Control': 'private' }, 'own');
      expect([(await own).body, (await other).body]).toEqual(['own', 'shared']);
    },
  );

  test('… and for a while they do not wait for each other at all', async () => {
    const first = edge.ask('/');
    await edge.origin.heard(1);
    held[0]?.answer(200, { 'Cache-Control': 'private' }, 'a');
    await first;
    const both = [edge.ask('/'), edge.ask('/')];
    await edge.origin.heard(3);
    for (const exchange of held.slice(1)) exchange.answer(200, hour, 'b');
    expect((await Promise.all(both)).map(({ body }) => body)).toEqual(['b', 'b']);
    edge.clock.advance(3601);
    const later = [edge.ask('/'), edge.ask('/')];
    await edge.origin.heard(4);
    await edge.handled(5);
    held[3]?.answer(200, hour, 'c');
    expect((await Promise.all(later)).map(({ body }) => body)).toEqual(['c', 'c']);
    expect(edge.origin.requests).toHaveLength(4);
  });

  test('what is stored stands in for all that waited for an origin that fails', async () => {
    for (const fail of [(exchange?: Exchange) => exchange?.hangUp(), (exchange?: Exchange) => exchange?.answer(503)]) {
      await using failing = await startEdge();
      failing.origin.script = (exchange) => exchange.answer(200, hour, 'old');
      await failing.ask('/');
      failing.clock.advance(3601);
      const waiting: Exchange[] = [];
      failing.origin.script = (exchange) => void waiting.push(exchange);
      const readers = Array.from({ length: 20 }, () => failing.ask('/'));
      await failing.origin.heard(2);
      await failing.handled(21);
      failing.origin.script = fail;
      fail(waiting[0]);
      expect((await Promise.all(readers)).every(({ body }) => body === 'old')).toBe(true);
      // A reset of a kept connection is tried once more.
      expect(failing.origin.requests.length).toBeLessThanOrEqual(3);
    }
  });

  test('who wants the origin to be asked does not wait for an answer to somebody else', async () => {
    const other = edge.ask('/');
    await edge.origin.heard(1);
    const own = edge.ask('/', { headers: { 'cache-control': 'no-cache' } });
    await edge.origin.heard(2);
    held[1]?.answer(200, hour, 'own');
    held[0]?.answer(200, hour, 'other');
    expect([(await own).body, (await other).body]).toEqual(['own', 'other']);
  });

  test('a failure of the origin is told to all that waited, and not asked for again by each', async () => {
    const readers = Array.from({ length: 20 }, () => edge.ask('/'));
    await edge.origin.heard(1);
    await edge.handled(20);
    held[0]?.hangUp();
    expect((await Promise.all(readers)).every(({ status }) => status === 502)).toBe(true);
    expect(edge.origin.requests.length).toBeLessThan(3);
  });
});

describe('streaming', () => {
  test('the first bytes are there before the last are sent, for late readers too', async () => {
    const early = edge.open('/');
    await edge.origin.heard(1);
    held[0]?.say(`${head(10)}hello`);
    const first = await early;
    const late = await edge.open('/');
    expect(late.headers['x-cache']).toBe('HIT');
    const part = edge.ask('/', { headers: { range: 'bytes=8-' } });
    await edge.handled(3);
    held[0]?.say('world');
    expect(await Promise.all([first, late].map(({ body }) => textOf(body)))).toEqual(['helloworld', 'helloworld']);
    expect(await part).toMatchObject({ status: 206, body: 'ld' });
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('a client that leaves ends nothing for the others', async () => {
    const abort = new AbortController();
    const leaving = edge.open('/', { signal: abort.signal });
    await edge.origin.heard(1);
    held[0]?.say(`${head(10)}hello`);
    await leaving;
    const staying = await edge.open('/');
    abort.abort();
    held[0]?.say('world');
    expect(await textOf(staying.body)).toBe('helloworld');
    expect((await edge.ask('/')).headers['x-cache']).toBe('HIT');
  });

  test('a first client that leaves before the head ends nothing for who waits', async () => {
    const abort = new AbortController();
    const leaving = edge.open('/', { signal: abort.signal });
    await edge.origin.heard(1);
    const waiting = edge.ask('/');
    await edge.handled(2);
    abort.abort();
    await expect(leaving).rejects.toThrow();
    held[0]?.answer(200, hour, 'hello');
    expect((await waiting).body).toBe('hello');
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('when the last reader of much has left, the origin is let go', async () => {
    const abort = new AbortController();
    const leaving = edge.open('/', { signal: abort.signal });
    await edge.origin.heard(1);
    held[0]?.say(`${head(100_000_000)}hello`);
    await leaving;
    abort.abort();
    await held[0]?.gone;
    expect(edge.cache.usage.entries).toBe(0);
  });

  test('a reader that takes nothing does not hold up one that does', async () => {
    const body = 'x'.repeat(4_000_000);
    const slow = edge.open('/');
    await edge.origin.heard(1);
    held[0]?.say(`${head(body.length)}x`);
    const stopped = await slow;
    held[0]?.say(body.slice(1));
    expect((await edge.ask('/')).body.length).toBe(body.length);
    expect((await textOf(stopped.body)).length).toBe(body.length);
  });

  test('what is too large to keep passes through whole, held to little memory', async () => {
    await using small = await startEdge({ bytesMax: 1_000_000, bodyBytesMax: 100_000 });
    const body = 'y'.repeat(3_000_000);
    small.origin.script = ({ say, target }) => {
      if (target === '/told') say(`${head(body.length)}${body}`);
      else
        say(
          `HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
        );
    };
    for (const target of ['/told', '/untold']) {
      expect((await small.ask(target)).body.length).toBe(body.length);
      expect(small.cache.usage).toMatchObject({ bytes: 0, entries: 0 });
    }
  });

  test('bodies of the limit are kept, of one byte more are not', async () => {
    await using small = await startEdge({ bodyBytesMax: 1000 });
    small.origin.script = ({ answer, target }) => answer(200, hour, 'z'.repeat(Number(target.slice(1))));
    for (const length of [999, 1000, 1001]) await small.ask(`/${length}`);
    expect((await small.ask('/999')).headers['x-cache']).toBe('HIT');
    expect((await small.ask('/1000')).headers['x-cache']).toBe('HIT');
    expect((await small.ask('/1001')).headers['x-cache']).toBe('MISS');
  });
});

describe('an origin that lies', () => {
  const chunked = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n';
  const broken: [string, (exchange: Exchange) => void][] = [
    ['ends before its Content-Length', sayAndHangUp(`${head(10)}hello`)],
    ['ends without the last chunk', sayAndHangUp(`${chunked}5\r\nhello\r\n`)],
  ];
  test.each(broken)('%s: the client hears it, and nothing is kept', async (_name, script) => {
    edge.origin.script = script;
    await expect(edge.ask('/')).rejects.toThrow();
    expect(edge.cache.usage).toMatchObject({ bytes: 0, entries: 0 });
  });

  test('sends more than its Content-Length: the rest is nobody’s', async () => {
    edge.origin.script = (exchange) => exchange.say(`${head(5)}helloHTTP/1.1 200 OK\r\n\r\npoison`);
    expect(await edge.ask('/')).toMatchObject({ body: 'hello' });
    expect(await edge.ask('/')).toMatchObject({ body: 'hello', headers: { 'x-cache': 'HIT' } });
    edge.origin.script = (exchange) => exchange.answer(200, {}, 'other');
    expect(await edge.ask('/other')).toMatchObject({ body: 'other' });
  });

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
  ])('%s is 502', async (_name, words) => {
    edge.origin.script = sayAndHangUp(words);
    const { status, headers, body } = await edge.ask('/');
    expect(status).toBe(502);
    expect(headers['cache-control']).toBe('no-store');
    expect(JSON.parse(body)).toMatchObject({ code: 'unavailable', retryable: true });
  });

  test('says nothing: 504 after the deadline', async () => {
    await using late = await startEdge({ http: { headerMs: 50 } });
    late.origin.script = () => undefined;
    expect(await late.ask('/')).toMatchObject({ status: 504 });
  });

  test('sends a body that stands still: cut off, and not kept', async () => {
    await using late = await startEdge({ http: { progressTickMs: 5 } });
    late.origin.script = ({ say }) => say(`${head(10)}hello`);
    await expect(late.ask('/')).rejects.toThrow();
    expect(late.cache.usage.entries).toBe(0);
  });

  test('is not there: 502', async () => {
    // A port that was closed may be somebody else's at once; this one is given to nobody.
    const origin = { secure: false, host: '127.0.0.1', port: 1 };
    await using alone = await startEdge({ http: { origin } });
    expect(await alone.ask('/')).toMatchObject({ status: 502 });
  });

  test('closes idle connections: the next request goes over a new one', async () => {
    edge.origin.script = (exchange) => exchange.answer(200, {}, 'x');
    await edge.ask('/1');
    edge.origin.script = (exchange) =>
      edge.origin.requests.length === 2 ? exchange.hangUp() : exchange.answer(200, {}, 'y');
    expect(await edge.ask('/2')).toMatchObject({ status: 200, body: 'y' });
    edge.origin.script = (exchange) => exchange.hangUp();
    expect(await edge.ask('/3', { method: 'POST', body: 'once' })).toMatchObject({ status: 502 });
    expect(edge.origin.requests.filter(({ target }) => target === '/3')).toHaveLength(1);
  });
});
