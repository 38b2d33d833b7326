import { afterEach, describe, expect, test } from 'vitest';
import type { HttpRefusal, HttpRequest } from '../../env/http.ts';
import { closeAll, hello, RawClient, refusalStatus, refusals, serve } from './test-client.ts';

afterEach(closeAll);

describe('what is refused before the handler', () => {
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n';
  const put = 'PUT / HTTP/1.1\r\nHost: a\r\n';
  const cases: [string, string, HttpRefusal][] = [
    ['two Host headers', `${get}Host: b\r\n\r\n`, 'two_hosts'],
    ['no Host', 'GET / HTTP/1.1\r\nAccept: x\r\n\r\n', 'malformed'],
    [
      'length and chunked together',
      `${put}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      'malformed',
    ],
    ['two lengths', `${put}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 'malformed'],
    ['two equal lengths', `${put}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 'malformed'],
    ['a length that is no number', `${put}Content-Length: +3\r\n\r\nabc`, 'malformed'],
    ['chunked not last', `${put}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`, 'malformed'],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: a\n\n', 'malformed'],
    ['a folded header', `${get}X-Folded: a\r\n b\r\n\r\n`, 'malformed'],
    ['space before the colon', `${get}X-Space : a\r\n\r\n`, 'malformed'],
    ['a NUL in a header', `${get}X-Nul: a\0b\r\n\r\n`, 'malformed'],
    ['two authorizations', `${get}Authorization: a\r\nAuthorization: b\r\n\r\n`, 'malformed'],
    ['two ranges', `${get}Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n`, 'malformed'],
    ['absolute form', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed'],
    ['CONNECT', 'CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n', 'malformed'],
    ['an unknown protocol', '\x16\x03\x01\x02\x00', 'malformed'],
    ['a header block of 17 KiB', `${get}X-Big: ${'x'.repeat(17 * 1024)}\r\n\r\n`, 'headers_too_large'],
    ['101 fields', `${get}${'X-A: b\r\n'.repeat(100)}\r\n`, 'headers_too_large'],
  ];

  test.each(cases)('%s', async (_name, request, reason) => {
    let handled = 0;
    const port = await serve((message) => {
      handled++;
      return hello(message);
    });
    const heard = await new RawClient(port).say(request).untilEnd();
    expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${refusalStatus[reason]} [\\s\\S]*"${reason}"`));
    expect(handled).toBe(0);
    expect(refusals).toEqual([reason]);
  });

  test('100 fields are allowed, and repeated ones are joined', async () => {
    const seen = Promise.withResolvers<HttpRequest>();
    const port = await serve((request) => {
      seen.resolve(request);
      return hello(request);
    });
    const client = new RawClient(port).say(`${get}${'X-A: b\r\n'.repeat(99)}\r\n`);
    await client.until((heard) => heard.endsWith('hello'));
    expect((await seen.promise).headers['x-a']).toBe(Array.from({ length: 99 }, () => 'b').join(', '));
  });

  test('a client that does not finish its headers in time', async () => {
    const client = new RawClient(await serve(hello, { headerTimeMs: 100 })).say('GET / HTTP/1.1\r\nHost:');
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"header_timeout"/);
  });

  test('the caps on connections, overall and per address', async () => {
    for (const changes of [{ connectionsMax: 2 }, { connectionsPerAddressMax: 2 }]) {
      const port = await serve(hello, changes);
      const kept = [new RawClient(port), new RawClient(port)];
      for (const client of kept) await client.say(`${get}\r\n`).until((heard) => heard.endsWith('hello'));
      expect(await new RawClient(port).untilEnd()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"over_capacity"/);
      kept[0]?.socket.destroy();
      await new Promise((resolve) => kept[0]?.socket.once('close', resolve));
      // The place is free as soon as the server has seen the end.
      let heard = '';
      while (!heard.endsWith('hello'))
        heard = await new RawClient(port).say(`${get}Connection: close\r\n\r\n`).untilEnd();
    }
  });
});
