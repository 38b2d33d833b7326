import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type EdgeRig, startEdge } from './fixtures/start-edge.ts';

let edge: EdgeRig;
beforeEach(async () => {
  edge = await startEdge();
});
afterEach(() => edge[Symbol.asyncDispose]());

describe('requests (RFC 9110, 7.6)', () => {
  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'M-SEARCH', 'QUERY', 'PURGE'])(
    '%s passes with its target as it stands',
    async (method) => {
      const target = "/a/../b//c;p=1?x=%7E&y='%2f";
      const { status } = await edge.ask(target, { method });
      expect(status).toBe(200);
      expect(edge.origin.requests[0]).toMatchObject({ method, target });
    },
  );

  test('bodies pass, with a length and chunked', async () => {
    await edge.ask('/', { method: 'POST', body: 'hello', headers: { 'content-length': '5' } });
    await edge.ask('/', { method: 'POST', body: 'hello' });
    expect(edge.origin.requests.map(({ body }) => body)).toEqual(['hello', 'hello']);
    expect(edge.origin.requests[0]?.headers['content-length']).toBe('5');
  });

  test('repeated fields keep their lines; fields of the connection stay', async () => {
    const lines =
      'GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n';
    await edge.converse(lines);
    const { headers, lines: sent } = edge.origin.requests[0]!;
    expect(sent.filter((line) => line.startsWith('X-A'))).toEqual(['X-A: 1', 'X-A: 2']);
    expect(headers).not.toHaveProperty('x-hop');
    expect(headers).not.toHaveProperty('te');
    expect(headers['host']).toBe(`127.0.0.1:${edge.origin.port}`);
    expect(headers['via']).toMatch(/^1\.1 ron-edge \([0-9a-f]{12}\)$/);
  });

  test('the absolute form: its authority stands for Host (RFC 9112, 3.2.2)', async () => {
    const heard = await edge.converse('GET http://other/p?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(heard).toMatch(/^HTTP\/1\.1 200 /);
    expect(edge.origin.requests[0]?.target).toBe('/p?q');
  });

  test('a request that comes back is refused (7.6.3)', async () => {
    await edge.ask('/');
    const { headers } = edge.origin.requests[0]!;
    expect((await edge.ask('/', { headers: { via: `1.1 a, ${headers['via']}` } })).status).toBe(508);
    expect(edge.origin.requests).toHaveLength(1);
  });

  test('Expect: 100-continue goes to the origin, and the body only after its word (10.1.1)', async () => {
    edge.origin.script = (exchange) => exchange.answer(417);
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n';
    expect(await edge.converse(head)).toMatch(/^HTTP\/1\.1 417 /);
  });
});

describe('Max-Forwards (RFC 9110, 7.6.2)', () => {
  test.each(['OPTIONS', 'TRACE'])('%s counts down, and ends here at 0', async (method) => {
    await edge.ask('/', { method, headers: { 'max-forwards': '1' } });
    expect(edge.origin.requests[0]?.headers['max-forwards']).toBe('0');
    const { status, body } = await edge.ask('/', { method, headers: { 'max-forwards': '0', 'x-a': 'b', cookie: 'c' } });
    expect(edge.origin.requests).toHaveLength(1);
    expect(status).toBe(method === 'TRACE' ? 200 : 204);
    if (method === 'TRACE') expect(body).toMatch(/^TRACE \/ HTTP\/1\.1\r\n[\s\S]*x-a: b/);
    expect(body).not.toContain('cookie');
  });

  test('means nothing to other methods', async () => {
    await edge.ask('/', { headers: { 'max-forwards': '0' } });
    expect(edge.origin.requests[0]?.headers['max-forwards']).toBe('0');
  });
});

describe('responses', () => {
  test.each([200, 201, 204, 207, 299, 301, 304, 404, 451, 499, 500, 599])('status %i passes', async (status) => {
    edge.origin.script = (exchange) => exchange.answer(status);
    expect((await edge.ask('/')).status).toBe(status);
  });

  test('repeated fields stay apart; fields of the connection stay behind; a Date is added (6.6.1)', async () => {
    edge.origin.script = (exchange) =>
      exchange.answer(200, {
        'Set-Cookie': ['a=1', 'b=2'],
        Connection: 'x-hop',
        'X-Hop': '1',
        Via: '1.0 inner',
        'X-End': '1',
      });
    const { headers } = await edge.ask('/');
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(headers).not.toHaveProperty('x-hop');
    expect(headers['x-end']).toBe('1');
    expect(headers['via']).toBe('1.0 inner, 1.1 ron-edge');
    expect(headers['date']).toMatch(/ GMT$/);
  });

  test('interim responses pass and are not stored (15.2)', async () => {
    edge.origin.script = (exchange) => {
      exchange.say('HTTP/1.1 103 Early\r\nLink: </s>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n');
      exchange.answer(200, { 'Cache-Control': 'max-age=60' }, 'x');
    };
    const first = await edge.ask('/');
    expect(first.informed).toEqual([103, 102]);
    expect(first.headers).not.toHaveProperty('link');
    const second = await edge.ask('/');
    expect(second.informed).toEqual([]);
    expect(second.headers['x-cache']).toBe('HIT');
  });

  test('a HEAD has the length of GET, known or not', async () => {
    edge.origin.script = ({ say, target, answer }) =>
      target === '/known' ? answer(200, {}, 'hello') : say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    expect((await edge.ask('/known', { method: 'HEAD' })).headers['content-length']).toBe('5');
    expect((await edge.ask('/unknown', { method: 'HEAD' })).headers).not.toHaveProperty('content-length');
  });

  test('with --keep-host the client Host is passed on and keeps responses apart', async () => {
    await using other = await startEdge({ keepHost: true });
    other.origin.script = (exchange) =>
      exchange.answer(200, { 'Cache-Control': 'max-age=60' }, exchange.headers['host']);
    for (const host of ['a.example', 'b.example', 'A.example']) {
      expect((await other.ask('/', { headers: { host } })).body).toBe(host.toLowerCase());
    }
    expect(other.origin.requests).toHaveLength(2);
    await edge.ask('/', { headers: { host: 'a.example' } });
    expect(edge.origin.requests[0]?.headers['host']).toBe(`127.0.0.1:${edge.origin.port}`);
  });
});
