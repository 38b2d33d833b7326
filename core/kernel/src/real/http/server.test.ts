import { afterEach, describe, expect, test } from 'vitest';
import { createRealNet } from '../net.ts';
import { closeAll, hello, limits, listen, RawClient, refusals, serve, text } from './test-client.ts';

afterEach(closeAll);

describe('responses', () => {
  test('a resident body has its length, and the connection is used again', async () => {
    const client = new RawClient(await serve(hello));
    client.say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const first = await client.until((heard) => heard.endsWith('hello'));
    expect(first).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(first).toContain('content-length: 5\r\n');
    expect(first.toLowerCase()).toContain('\r\ndate: ');
    client.say('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect((await client.untilEnd()).match(/hello/g)).toHaveLength(2);
  });

  test('the same header object can serve bodies of different lengths', async () => {
    const headers = Object.freeze({ 'content-type': 'text/plain' });
    const port = await serve((request) => ({ status: 200, headers, body: text(request.target) }));
    for (const target of ['/short', '/a-longer-one']) {
      expect(await (await fetch(`http://127.0.0.1:${port}${target}`)).text()).toBe(target);
    }
  });

  test('HEAD has the headers of GET and no body', async () => {
    const client = new RawClient(await serve(hello));
    client.say('HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const heard = await client.untilEnd();
    expect(heard).toContain('content-length: 5\r\n');
    expect(heard.endsWith('\r\n\r\n')).toBe(true);
  });

  test('no body: 204 has no length, 200 says 0', async () => {
    const port = await serve((request) => ({ status: request.target === '/204' ? 204 : 200, headers: {} }));
    expect((await fetch(`http://127.0.0.1:${port}/204`)).headers.get('content-length')).toBeNull();
    expect((await fetch(`http://127.0.0.1:${port}/200`)).headers.get('content-length')).toBe('0');
  });

  test('a stream is sent chunked, or with its length; one that breaks its promise is cut off', async () => {
    async function* pieces() {
      for (let i = 0; i < 200; i++) yield new Uint8Array(10_000).fill(97);
    }
    const port = await serve(({ target }) => ({
      status: 200,
      headers: target === '/chunked' ? {} : { 'content-length': target === '/exact' ? 2_000_000 : 2_000_001 },
      body: pieces(),
    }));
    const at = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).then((response) => response.arrayBuffer());
    expect((await at('/chunked')).byteLength).toBe(2_000_000);
    expect((await at('/exact')).byteLength).toBe(2_000_000);
    await expect(at('/short')).rejects.toThrow();
  });

  test('gives pieces back to a stream that lends them, and none before its bytes are gone', async () => {
    const [pieces, pieceBytes] = [40, 500_000];
    let returned = 0;
    const idle: Uint8Array[] = [];
    const body = {
      async *[Symbol.asyncIterator]() {
        for (let index = 0; index < pieces; index++) yield (idle.pop() ?? new Uint8Array(pieceBytes)).fill(index);
      },
      giveBack(piece: Uint8Array) {
        returned++;
        idle.push(piece);
      },
    };
    const port = await serve(() => ({ status: 200, headers: { 'content-length': pieces * pieceBytes }, body }));
    const heard = await (await fetch(`http://127.0.0.1:${port}/`)).bytes();
    for (let index = 0; index < pieces; index++) {
      const from = index * pieceBytes;
      expect(heard.subarray(from, from + pieceBytes).every((byte) => byte === index)).toBe(true);
    }
    expect(returned).toBeGreaterThan(pieces / 2);
  });

  test('a client that leaves ends the stream and calls back once', async () => {
    const left = Promise.withResolvers<void>();
    let aborts = 0;
    const ended = Promise.withResolvers<void>();
    const port = await serve((request) => {
      request.onAbort(() => {
        aborts++;
        left.resolve();
      });
      const body = {
        [Symbol.asyncIterator]: () => ({
          // A source that has nothing to say yet, like a subscription.
          next: () => new Promise<never>(() => undefined),
          return: async () => {
            ended.resolve();
            return { done: true as const, value: undefined };
          },
        }),
      };
      return { status: 200, headers: { 'content-type': 'text/event-stream' }, body };
    });
    const client = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((heard) => heard.includes('200 OK'));
    client.socket.destroy();
    await Promise.all([left.promise, ended.promise]);
    expect(aborts).toBe(1);
  });

  test('pipelined requests are answered in order', async () => {
    const held = Promise.withResolvers<void>();
    const port = await serve(async (request) => {
      if (request.target === '/1') await held.promise;
      else held.resolve();
      return { status: 200, headers: {}, body: text(`<${request.target}>`) };
    });
    const client = new RawClient(port);
    client.say('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    const heard = await client.until((sofar) => sofar.includes('</2>'));
    expect(heard.indexOf('</1>')).toBeGreaterThan(0);
    expect(heard.indexOf('</1>')).toBeLessThan(heard.indexOf('</2>'));
  });

  test('a response that waits for an earlier one learns of the end of the connection, and so does its stream', async () => {
    const second = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const port = await serve((request) => {
      if (request.target === '/1') return new Promise<never>(() => undefined);
      request.onAbort(left.resolve);
      second.resolve();
      async function* endless() {
        try {
          for (;;) yield new Uint8Array(65_536);
        } finally {
          ended.resolve();
        }
      }
      return { status: 200, headers: {}, body: endless() };
    });
    const client = new RawClient(port).say('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
    await second.promise;
    client.socket.destroy();
    await Promise.all([left.promise, ended.promise]);
  });

  test('one connection may be 64 requests ahead, not 65; four of them are handled at once', async () => {
    const held = Promise.withResolvers<void>();
    let running = 0;
    const port = await serve(async () => {
      running++;
      await held.promise;
      return { status: 200, headers: {}, body: text('ok') };
    });
    const client = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(65));
    while (refusals.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(running).toBe(4);
    held.resolve();
    expect((await client.untilEnd()).match(/ 200 OK/g)).toHaveLength(64);
  });

  test('a handler that throws or writes an impossible header gives 500', async () => {
    const port = await serve(({ target }) => {
      if (target === '/throw') throw new Error('broken');
      return { status: 200, headers: { bad: 'a\r\nb' }, body: text('x') };
    });
    for (const path of ['/throw', '/header']) expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(500);
  });

  test('a reader that takes nothing is cut off, whatever the size of the response', async () => {
    const big = new Uint8Array(32 * 1024 * 1024);
    async function* pieces() {
      for (let i = 0; i < 512; i++) yield big.subarray(0, 65_536);
    }
    const aborted = { '/all': Promise.withResolvers<void>(), '/pieces': Promise.withResolvers<void>() };
    const port = await serve(
      (request) => {
        request.onAbort(aborted[request.target as keyof typeof aborted].resolve);
        return { status: 200, headers: {}, body: request.target === '/all' ? big : pieces() };
      },
      {},
      { progressTickMs: 10 },
    );
    for (const target of ['/all', '/pieces'] as const) {
      const client = new RawClient(port);
      client.socket.pause();
      client.say(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await aborted[target].promise;
    }
  });
});

describe('closing', () => {
  test('idle connections end at once, a running request is finished, new ones are not accepted', async () => {
    const go = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { listener, port } = await listen(async (request) => {
      if (request.target === '/slow') {
        started.resolve();
        await go.promise;
      }
      return { status: 200, headers: {}, body: text('hello') };
    });
    const idle = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await idle.until((heard) => heard.endsWith('hello'));
    const busy = new RawClient(port).say('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await started.promise;
    const closed = listener.close(10_000);
    await idle.untilEnd();
    await expect(new RawClient(port).until((heard) => heard !== '')).rejects.toThrow('ended');
    go.resolve();
    expect(await busy.untilEnd()).toMatch(/connection: close[\s\S]*hello$/i);
    await closed;
  });

  test('after the grace what still runs is cut off', async () => {
    const { listener, port } = await listen(() => new Promise<never>(() => undefined));
    const client = new RawClient(port);
    client.say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => client.socket.once('connect', resolve));
    await listener.close(20);
    expect(await client.untilEnd()).toBe('');
  });

  test('beyond loopback is refused unless the profile asks for it', async () => {
    const everywhere = { kind: 'tcp', host: '0.0.0.0', port: 0 } as const;
    await expect(createRealNet().serveHttp(everywhere, limits, hello)).rejects.toMatchObject({ code: 'EACCES' });
    const listener = await createRealNet({ httpBeyondLoopback: true }).serveHttp(everywhere, limits, hello);
    await listener.close(0);
  });
});
