import { afterEach, describe, expect, test } from 'vitest';
import type { HttpRefusal, HttpRequest } from '../../env/http.ts';
import { closeAll, hello, RawClient, refusalStatus, refusals, serve } from './test-client.ts';

afterEach(closeAll);

const get = 'GET / HTTP/1.1\r\nHost: a\r\n';
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

/**
 * A newcomer that comes again until there is room. Not at once: thousands a second would use up the machine's ports and
 * descriptors, and a connection that fails for want of one fails without a turn of the loop.
 */
async function servedAtLast(port: number, meanwhile: () => void = () => undefined): Promise<void> {
  for (;;) {
    meanwhile();
    const client = new RawClient(port).say(`${get}Connection: close\r\n\r\n`);
    const heard = await client.untilEnd();
    client.socket.destroy();
    if (heard.endsWith('hello')) return;
    await pause();
  }
}

describe('what is refused before the handler', () => {
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

  test('a client that asks for a tunnel, or for nothing at all, and resets takes nothing with it', async () => {
    const port = await serve(hello);
    for (const words of ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 'GET\r\n\r\n', `${get}Expect: b\r\n\r\n`]) {
      for (let i = 0; i < 10; i++) {
        const { socket } = new RawClient(port).say(words);
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.resetAndDestroy();
      }
      await new RawClient(port).say(`${get}\r\n`).until((heard) => heard.endsWith('hello'));
    }
  });

  test('a client that does not finish its headers in time', async () => {
    const client = new RawClient(await serve(hello, { headerTimeMs: 100 })).say('GET / HTTP/1.1\r\nHost:');
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"header_timeout"/);
  });

  test('the caps on connections, overall and per address: one that is in use keeps its place', async () => {
    for (const changes of [{ connectionsMax: 2 }, { connectionsPerAddressMax: 2 }]) {
      const go = Promise.withResolvers<void>();
      let running = 0;
      const port = await serve(async (request) => {
        running++;
        if (request.target === '/held') await go.promise;
        return hello(request);
      }, changes);
      const kept = [new RawClient(port), new RawClient(port)];
      for (const client of kept) client.say('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
      while (running < 2) await new Promise((resolve) => setImmediate(resolve));
      expect(await new RawClient(port).untilEnd()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"over_capacity"/);
      kept[0]?.socket.destroy();
      await new Promise((resolve) => kept[0]?.socket.once('close', resolve));
      // The place is free as soon as the server has seen the end.
      await servedAtLast(port);
      go.resolve();
      await kept[1]?.until((sofar) => sofar.endsWith('hello'));
    }
  });

  test('at a cap the connection that has been idle longest makes room, whatever came last', async () => {
    for (const changes of [{ connectionsMax: 3 }, { connectionsPerAddressMax: 3 }]) {
      const port = await serve(hello, { ...changes, keepAliveIdleMs: 60_000 });
      const clients = [new RawClient(port), new RawClient(port), new RawClient(port)];
      for (const client of clients) await client.say(`${get}\r\n`).until((heard) => heard.endsWith('hello'));
      // The first is now the one that was used last.
      await clients[0]?.say(`${get}\r\n`).until((heard) => heard.split('hello').length === 3);
      // Nobody loses a connection that was used a moment ago: the first newcomers are refused.
      await servedAtLast(port);
      await clients[1]?.untilEnd();
      expect(clients.map(({ ended }) => ended)).toEqual([false, true, false]);
      expect(new Set(refusals)).toEqual(new Set(['over_capacity']));
    }
  });

  test('who has used a connection keeps it while strangers only connect, however long ago that was', async () => {
    const port = await serve(hello, { connectionsMax: 6, headerTimeMs: 60_000, keepAliveIdleMs: 60_000 });
    const good = new RawClient(port);
    await good.say(`${get}\r\n`).until((heard) => heard.endsWith('hello'));
    // With its five places taken, each stranger is refused or takes the place of another: so one always ends.
    const strangers = new Map<RawClient, Promise<unknown>>();
    let displaced = 0;
    while (displaced < 6) {
      const stranger = new RawClient(port);
      const end = new Promise((resolve) => {
        stranger.socket.once('end', resolve);
        stranger.socket.once('error', resolve);
      });
      strangers.set(stranger, end);
      if (strangers.size <= 5) continue;
      await Promise.race(strangers.values());
      await pause();
      for (const { ended, heard, socket } of strangers.keys()) {
        if (ended && heard === '') displaced++;
        if (ended) socket.destroy();
      }
      for (const one of [...strangers.keys()]) if (one.ended) strangers.delete(one);
    }
    expect(good.ended).toBe(false);
    await good.say(`${get}\r\n`).until((heard) => heard.split('hello').length === 3);
  });

  test('at the cap the slowest transfer makes room before one that is idle', async () => {
    const changes = { connectionsMax: 3, progressBytesPerSecondMin: 100 };
    const begun = Promise.withResolvers<void>();
    const port = await serve(
      async (request) => {
        if (request.method !== 'PUT') return hello(request);
        let bytes = 0;
        for await (const piece of request.body) {
          bytes += piece.byteLength;
          if (bytes === 2) begun.resolve();
        }
        return hello(request);
      },
      changes,
      { progressTickMs: 400 },
    );
    const idle = new RawClient(port);
    await idle.say(`${get}\r\n`).until((heard) => heard.endsWith('hello'));
    const slow = new RawClient(port).say(`${put}Content-Length: 1000\r\n\r\nab`);
    const working = new RawClient(port).say(`${get}\r\n`);
    await working.until((heard) => heard.endsWith('hello'));
    await begun.promise;
    await servedAtLast(port, () => {
      working.say(`${get}\r\n`);
      idle.say(`${get}\r\n`);
    });
    await slow.untilEnd();
    // Before the five ticks after which it would have been refused in any case.
    expect(slow.heard).toBe('');
    expect([idle.ended, working.ended]).toEqual([false, false]);
  });

  test('an address that speaks for many is not held to one client’s share', async () => {
    const speaksForMany = (address: string) => address === '127.0.0.1';
    const port = await serve(() => new Promise<never>(() => undefined), { connectionsPerAddressMax: 2, speaksForMany });
    const clients = Array.from({ length: 5 }, () => new RawClient(port).say(`${get}\r\n`));
    await Promise.all(clients.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))));
    const capped = await serve(hello, { connectionsMax: 5, connectionsPerAddressMax: 2, speaksForMany });
    for (let i = 0; i < 5; i++) await new RawClient(capped).say(`${get}\r\n`).until((heard) => heard.endsWith('hello'));
    expect(clients.some(({ ended }) => ended)).toBe(false);
  });
});
