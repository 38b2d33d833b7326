import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseRange, resolveRanges } from './fields/range.ts';
import type { Exchange } from './fixtures/raw-origin.ts';
import { type EdgeRig, startEdge } from './fixtures/start-edge.ts';

let edge: EdgeRig;
beforeEach(async () => {
  edge = await startEdge();
});
afterEach(() => edge[Symbol.asyncDispose]());

const whole = 'abcdefghijklmnopqrstuvwxyz';
const ranged = (range: string, more: Record<string, string> = {}) => edge.ask('/', { headers: { range, ...more } });

/** Honours single ranges, under If-Range too. */
function serveRanges(exchange: Exchange, etag = '"a"', content = whole): void {
  const headers = { ETag: etag, 'Cache-Control': 'max-age=60', 'Content-Type': 'text/plain' };
  const { range, 'if-range': ifRange } = exchange.headers;
  const asked = ifRange === undefined || ifRange === etag ? parseRange(range) : undefined;
  const [first] = asked === undefined ? [] : resolveRanges(asked, content.length);
  if (first === undefined) exchange.answer(200, headers, content);
  else {
    const place = `bytes ${first.first}-${first.last}/${content.length}`;
    exchange.answer(206, { ...headers, 'Content-Range': place }, content.slice(first.first, first.last + 1));
  }
}

describe('from a stored whole (RFC 9110, 14.2)', () => {
  beforeEach(async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(200, { ETag: '"a"', 'Cache-Control': 'max-age=60', 'Content-Type': 'x/y' }, whole);
    await edge.ask('/');
  });

  test.each([
    ['bytes=0-1', 206, 'ab', 'bytes 0-1/26'],
    ['bytes=24-', 206, 'yz', 'bytes 24-25/26'],
    ['bytes=-1', 206, 'z', 'bytes 25-25/26'],
    ['bytes=-99', 206, whole, 'bytes 0-25/26'],
    ['bytes=26-', 416, '', 'bytes */26'],
    ['bytes=2-1', 200, whole, undefined],
    ['lines=0-1', 200, whole, undefined],
    ['bytes=0-2,1-4', 206, 'abcde', undefined],
  ])('%s', async (range, status, body, place) => {
    const reply = await ranged(range);
    if (range.includes(',')) expect(reply.body).toContain(`\r\n\r\n${body}\r\n--`);
    else {
      expect(reply).toMatchObject({ status, body });
      expect(reply.headers['content-range']).toBe(place);
    }
    expect(reply.headers['x-cache']).toBe('HIT');
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('several parts come as multipart/byteranges (14.6)', async () => {
    const { headers, body } = await ranged('bytes=0-1,-2');
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(String(headers['content-type']))?.[1];
    const part = (place: string, text: string) =>
      `\r\n--${boundary}\r\nContent-Type: x/y\r\nContent-Range: bytes ${place}/26\r\n\r\n${text}`;
    expect(body).toBe(`${part('0-1', 'ab')}${part('24-25', 'yz')}\r\n--${boundary}--\r\n`);
    expect(headers['content-length']).toBe(String(body.length));
  });

  test('If-Range with another tag asks for the whole (13.1.5)', async () => {
    expect((await ranged('bytes=0-1', { 'if-range': '"a"' })).status).toBe(206);
    expect(await ranged('bytes=0-1', { 'if-range': '"b"' })).toMatchObject({ status: 200, body: whole });
    expect(await ranged('bytes=0-1', { 'if-none-match': '"a"' })).toMatchObject({ status: 304 });
  });

  test('a Range of HEAD means nothing', async () => {
    const reply = await edge.ask('/', { method: 'HEAD', headers: { range: 'bytes=0-1' } });
    expect(reply).toMatchObject({ status: 200, headers: { 'content-length': '26' } });
  });
});

describe('from stored parts (RFC 9111, 3.3 and 3.4)', () => {
  test('a part answers for itself and for what is in it; the rest is asked for', async () => {
    edge.origin.script = serveRanges;
    expect(await ranged('bytes=5-9')).toMatchObject({ status: 206, body: 'fghij', headers: { 'x-cache': 'MISS' } });
    expect(await ranged('bytes=5-9')).toMatchObject({ status: 206, body: 'fghij', headers: { 'x-cache': 'HIT' } });
    expect(await ranged('bytes=6-7')).toMatchObject({ body: 'gh', headers: { 'content-range': 'bytes 6-7/26' } });
    expect(edge.origin.requests).toHaveLength(1);
    expect(await ranged('bytes=20-')).toMatchObject({ body: 'uvwxyz' });
    expect(edge.origin.requests[1]?.headers['range']).toBe('bytes=20-');
    expect(await ranged('bytes=-2')).toMatchObject({ body: 'yz', headers: { 'x-cache': 'HIT' } });
  });

  test('only what is missing is fetched, under If-Range, and the whole comes of it', async () => {
    edge.origin.script = serveRanges;
    await ranged('bytes=0-9');
    expect(await edge.ask('/')).toMatchObject({ status: 200, body: whole, headers: { 'content-length': '26' } });
    expect(edge.origin.requests[1]?.headers).toMatchObject({ range: 'bytes=10-', 'if-range': '"a"' });
    expect(await edge.ask('/')).toMatchObject({ status: 200, body: whole, headers: { 'x-cache': 'HIT' } });
  });

  test('fields about one request are kept of no part', async () => {
    const own = { 'x-corr-id': 'of-one', ratelimit: '"r";r=1;t=2' };
    edge.origin.script = (exchange) =>
      serveRanges({
        ...exchange,
        answer: (status, headers, body) => exchange.answer(status, { ...headers, ...own }, body),
      });
    for (const range of ['bytes=0-4', 'bytes=10-14', 'bytes=2-12'])
      expect((await ranged(range)).headers).toMatchObject(own);
    const { headers } = await ranged('bytes=0-14');
    expect(headers['x-cache']).toBe('HIT');
    for (const name of Object.keys(own)) expect(headers).not.toHaveProperty(name);
  });

  test('a range across held and missing bytes fetches only the missing ones', async () => {
    edge.origin.script = serveRanges;
    await ranged('bytes=0-4');
    await ranged('bytes=10-14');
    expect(await ranged('bytes=2-12')).toMatchObject({ status: 206, body: whole.slice(2, 13) });
    expect(edge.origin.requests[2]?.headers['range']).toBe('bytes=5-9');
    expect(await ranged('bytes=0-14')).toMatchObject({ body: whole.slice(0, 15), headers: { 'x-cache': 'HIT' } });
  });

  test('parts of different versions are never put together', async () => {
    edge.origin.script = serveRanges;
    await ranged('bytes=0-9');
    const newer = whole.toUpperCase();
    edge.origin.script = (exchange) => serveRanges(exchange, '"b"', newer);
    expect(await edge.ask('/')).toMatchObject({ status: 200, body: newer });
    expect((await ranged('bytes=0-3')).body).toBe('ABCD');
  });

  test('an origin that ignores If-Range is found out by its tag, and asked for the whole', async () => {
    edge.origin.script = serveRanges;
    await ranged('bytes=0-9');
    edge.origin.script = (exchange) => {
      const { 'if-range': _dropped, ...headers } = exchange.headers;
      serveRanges({ ...exchange, headers }, '"b"', whole.toUpperCase());
    };
    expect(await edge.ask('/')).toMatchObject({ status: 200, body: whole.toUpperCase() });
    expect(edge.origin.requests).toHaveLength(3);
  });

  test('without a validator nothing is put together', async () => {
    edge.origin.script = (exchange) =>
      exchange.headers['range'] === undefined
        ? exchange.answer(200, {}, 'ABCDEFGHIJ')
        : exchange.answer(
            206,
            {
              'Cache-Control': 'max-age=60',
              'Content-Range': exchange.headers['range'] === 'bytes=0-4' ? 'bytes 0-4/10' : 'bytes 5-9/10',
            },
            exchange.headers['range'] === 'bytes=0-4' ? 'abcde' : 'FGHIJ',
          );
    expect((await ranged('bytes=0-4')).body).toBe('abcde');
    expect((await edge.ask('/')).body).toBe('ABCDEFGHIJ');
    expect(edge.origin.requests.map(({ headers }) => headers['range'])).toEqual(['bytes=0-4', 'bytes=5-', undefined]);
  });

  test('a part that breaks off or is too short inside is not kept; one that is short at the end is what there is', async () => {
    const head = 'HTTP/1.1 206 P\r\nCache-Control: max-age=60\r\nETag: "a"\r\n';
    edge.origin.script = (exchange) => {
      if (exchange.target === '/broken')
        exchange.say(`${head}Content-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nabc`);
      else if (exchange.target === '/inside')
        exchange.say(`${head}Content-Range: bytes 0-4/10\r\nContent-Length: 3\r\n\r\nabc`);
      else exchange.say(`${head}Content-Range: bytes 4-9/10\r\nContent-Length: 5\r\n\r\n01234`);
      if (exchange.target === '/broken') exchange.hangUp();
    };
    const headers = { range: 'bytes=0-4' };
    await expect(edge.ask('/broken', { headers })).rejects.toThrow();
    await edge.ask('/inside', { headers });
    expect(edge.cache.usage.entries).toBe(0);
    await edge.ask('/end', { headers: { range: 'bytes=-5' } });
    const asked = ['bytes=-5', 'bytes=6-8', 'bytes=6-', 'bytes=-1'];
    const replies = await Promise.all(asked.map((range) => edge.ask('/end', { headers: { range } })));
    expect(replies.map(({ body }) => body)).toEqual(['01234', '234', '234', '4']);
    expect(edge.origin.requests).toHaveLength(3);
  });

  test('a multipart answer passes and is not kept', async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(
        206,
        { 'Cache-Control': 'max-age=60', 'Content-Type': 'multipart/byteranges; boundary=x' },
        'parts',
      );
    expect(await ranged('bytes=0-1,5-6')).toMatchObject({ status: 206, body: 'parts' });
    expect(edge.cache.usage.entries).toBe(0);
  });

  test('whatever is asked in whatever order, the bytes are those of the whole', async () => {
    const range = fc.tuple(fc.nat(25), fc.nat(25)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 8 }), async (ranges) => {
        edge.origin.script = serveRanges;
        round++;
        for (const [first, last] of ranges) {
          const reply = await edge.ask(`/${round}`, { headers: { range: `bytes=${first}-${last}` } });
          expect(reply.body).toBe(whole.slice(first, last + 1));
          expect(reply.headers['content-range']).toBe(`bytes ${first}-${last}/26`);
        }
        expect((await edge.ask(`/${round}`)).body).toBe(whole);
      }),
      { numRuns: 40 },
    );
  });
});
