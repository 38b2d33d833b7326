import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import type { HttpHandler, HttpRequest } from '../../../env/http.ts';
import { closeAll, hello, listen, readAll, refusals, serve, text } from '../test-client.ts';
import { createTestIdentity } from '../test-identity.ts';
import { FrameClient, fields, frame, frameTypes, head, request, u32 } from './test-frames.ts';

const identity = createTestIdentity();
const secure = { tls: identity };
const sessions: http2.ClientHttp2Session[] = [];

afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await closeAll();
});

function connect(port: number): http2.ClientHttp2Session {
  const session = http2.connect(`https://localhost:${port}`, { ca: identity.certificateChainPem });
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

async function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: string | Buffer) {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [answer] = await new Promise<[http2.IncomingHttpHeaders]>((resolve, reject) => {
    stream.once('response', (fieldsOf) => resolve([fieldsOf]));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error(`reset ${stream.rstCode}`)));
  });
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return { status: answer[':status'], headers: answer, body: Buffer.concat(pieces) };
}

describe('one port with TLS 1.3', () => {
  test('speaks HTTP/2 and HTTP/1.1, as the client asks', async () => {
    const port = await serve((message) => ({ status: 200, headers: {}, body: text(message.version ?? '') }), secure);
    expect((await ask(connect(port), { ':path': '/' })).body.toString()).toBe('2');
    const { promise, resolve } = Promise.withResolvers<string>();
    https.get({ port, host: '127.0.0.1', servername: 'localhost', ca: identity.certificateChainPem }, (response) => {
      response.on('data', (bytes: Buffer) => resolve(bytes.toString()));
    });
    expect(await promise).toBe('1.1');
  });

  test('refuses TLS 1.2, a protocol that it does not speak, and clear text', async () => {
    const port = await serve(hello, secure);
    const attempt = (options: tls.ConnectionOptions) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
        socket.once('secureConnect', () => resolve('connected'));
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      });
    expect(await attempt({ maxVersion: 'TLSv1.2' })).toMatch(/ALERT_PROTOCOL_VERSION|ECONNRESET/);
    expect(await attempt({ ALPNProtocols: ['spdy/3'] })).toMatch(/NO_APPLICATION_PROTOCOL|ECONNRESET/);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  test('shows a new certificate to new connections and keeps the old ones', async () => {
    const { port, listener } = await listen(hello, secure);
    const old = connect(port);
    expect((await ask(old, { ':path': '/' })).status).toBe(200);
    const next = createTestIdentity();
    listener.renewIdentity(next);
    const fresh = http2.connect(`https://localhost:${port}`, { ca: next.certificateChainPem });
    sessions.push(fresh);
    expect((await ask(fresh, { ':path': '/' })).status).toBe(200);
    expect((await ask(old, { ':path': '/' })).status).toBe(200);
    expect(() => listener.renewIdentity({ ...identity, keyPem: next.keyPem })).toThrow(/no pair/);
    const still = http2.connect(`https://localhost:${port}`, { ca: next.certificateChainPem });
    sessions.push(still);
    expect((await ask(still, { ':path': '/' })).status).toBe(200);
  });

  test('a listener in clear text has nothing to renew', async () => {
    const { listener } = await listen(hello);
    expect(() => listener.renewIdentity(identity)).toThrow(/no TLS/);
  });
});

describe('messages', () => {
  test('a resident body, a stream, HEAD, 204 and an upload', async () => {
    const big = Buffer.alloc(300_000, 'x');
    const handler: HttpHandler = async (message) => {
      if (message.method === 'PUT') return { status: 200, headers: {}, body: text(String(await readAll(message))) };
      if (message.target === '/none') return { status: 204, headers: {} };
      if (message.target === '/all') return { status: 200, headers: {}, body: big };
      async function* pieces() {
        for (let at = 0; at < big.length; at += 70_000) yield big.subarray(at, at + 70_000);
      }
      return { status: 200, headers: { 'content-length': big.length }, body: pieces() };
    };
    const session = connect(await serve(handler, secure));
    for (const path of ['/all', '/pieces']) {
      const { body, headers } = await ask(session, { ':path': path });
      expect([body.equals(big), headers['content-length']]).toEqual([true, '300000']);
      const onlyHead = await ask(session, { ':method': 'HEAD', ':path': path });
      expect([onlyHead.body.length, onlyHead.headers['content-length']]).toEqual([0, '300000']);
    }
    const none = await ask(session, { ':path': '/none' });
    expect([none.status, none.headers['content-length']]).toEqual([204, undefined]);
    expect((await ask(session, { ':method': 'PUT', ':path': '/' }, big)).body.toString()).toBe('300000');
  });

  test('the authority stands for Host, cookies are one field, and a proxy gets the lines of HTTP/1.1', async () => {
    let seen: HttpRequest | undefined;
    const session = connect(
      await serve((message) => {
        seen = message;
        return hello(message);
      }, secure),
    );
    await ask(session, { ':path': '/x?y', ':authority': 'n.example', cookie: ['a=b', 'c=d'], 'x-a': '1' });
    expect(seen?.target).toBe('/x?y');
    expect(seen?.headers.host).toBe('n.example');
    expect(seen?.headers.cookie).toBe('a=b; c=d');
    expect(seen?.fieldLines).toEqual(['host', 'n.example', 'x-a', '1', 'cookie', 'a=b; c=d']);
  });

  test('a stream that breaks its promise is reset, and a source that fails too', async () => {
    async function* broken() {
      yield text('abc');
      throw new Error('broken');
    }
    async function* short() {
      yield text('abc');
    }
    const session = connect(
      await serve(
        ({ target }) => ({
          status: 200,
          headers: target === '/short' ? { 'content-length': 4 } : {},
          body: target === '/short' ? short() : broken(),
        }),
        secure,
      ),
    );
    for (const path of ['/short', '/broken']) await expect(ask(session, { ':path': path })).rejects.toThrow();
  });

  test('a handler that throws gives 500', async () => {
    const session = connect(
      await serve(() => {
        throw new Error('broken');
      }, secure),
    );
    expect((await ask(session, { ':path': '/' })).status).toBe(500);
  });

  test('a body that the client resets never looks complete, whatever the code', async () => {
    for (const code of [0, 8]) {
      const outcome = Promise.withResolvers<unknown>();
      const port = await serve(async (message) => {
        outcome.resolve(await readAll(message).catch((error: unknown) => error));
        return hello(message);
      }, secure);
      const client = new FrameClient(port).say(request(1, head('PUT', '/'), false));
      client.say(frame(frameTypes.data, 0, 1, text('abc')));
      await client.until((frames) => frames.some(({ type }) => type === frameTypes.settings));
      client.say(frame(frameTypes.reset, 0, 1, u32(code)));
      expect(await outcome.promise).toBeInstanceOf(Error);
      client.socket.destroy();
    }
  });

  test('a client that resets ends the stream and calls back once', async () => {
    const left = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    let aborts = 0;
    const port = await serve((message) => {
      message.onAbort(() => {
        aborts++;
        left.resolve();
      });
      const body = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => undefined),
          return: async () => {
            ended.resolve();
            return { done: true as const, value: undefined };
          },
        }),
      };
      return { status: 200, headers: {}, body };
    }, secure);
    const client = new FrameClient(port).say(request(1, head('GET', '/')));
    await client.until(() => client.of(frameTypes.headers, 1).length > 0);
    client.say(frame(frameTypes.reset, 0, 1, u32(8)));
    await Promise.all([left.promise, ended.promise]);
    expect(aborts).toBe(1);
    client.socket.destroy();
  });

  test('closing: GOAWAY, and what runs is finished', async () => {
    const go = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { port, listener } = await listen(async (message) => {
      started.resolve();
      await go.promise;
      return hello(message);
    }, secure);
    const session = connect(port);
    const goaway = new Promise((resolve) => session.once('goaway', resolve));
    const answer = ask(session, { ':path': '/' });
    await started.promise;
    const closed = listener.close(10_000);
    await goaway;
    go.resolve();
    expect((await answer).body.toString()).toBe('hello');
    await closed;
  });
});

describe('what is refused, with the envelope', () => {
  const plain = (more: readonly (readonly [string, string])[]) => head('GET', '/', more);
  const pseudo = (...pairs: readonly (readonly [string, string])[]) => fields(pairs);
  const https1 = [':scheme', 'https'] as const;
  const get = [':method', 'GET'] as const;
  test.each([
    ['a Host that differs from the authority', plain([['host', 'b']]), 'two_hosts', '400'],
    ['CONNECT', pseudo([':method', 'CONNECT'], [':authority', 'a:443']), 'malformed', '400'],
    ['another scheme', pseudo(get, [':scheme', 'http'], [':authority', 'a'], [':path', '/']), 'malformed', '400'],
    [
      'two authorizations',
      plain([
        ['authorization', 'a'],
        ['authorization', 'b'],
      ]),
      'malformed',
      '400',
    ],
    ['an expectation that nobody knows', plain([['expect', 'wonders']]), 'malformed', '400'],
    ['101 fields', plain(Array.from({ length: 101 }, () => ['x', 'y'] as const)), 'headers_too_large', '431'],
    [
      '17 KiB of fields',
      plain([
        ['x', 'y'.repeat(16_000)],
        ['z', 'y'.repeat(600)],
      ]),
      'headers_too_large',
      '431',
    ],
  ] as const)('%s', async (_name, block, reason, status) => {
    let handled = 0;
    const port = await serve((message) => {
      handled++;
      return hello(message);
    }, secure);
    const client = new FrameClient(port);
    client.say(...inFrames(block));
    await client.until(() => client.of(frameTypes.data, 1).length > 0);
    expect(client.bodyOf(1).toString()).toContain(`"${reason}"`);
    // The status is a literal or an index of the static table: 400 has index 12.
    const answer = client.of(frameTypes.headers, 1)[0]?.payload ?? Buffer.alloc(0);
    expect(
      answer[0] === 0x8c ? '400' : answer.toString('latin1').includes('431') || answer[0] === 0x48 ? '431' : '',
    ).toBe(status);
    expect([handled, refusals]).toEqual([0, [reason]]);
    client.socket.destroy();
  });

  test.each([
    ['an upper-case name', plain([['X-A', 'b']])],
    ['a field of a connection', plain([['connection', 'close']])],
    ['transfer-encoding', plain([['transfer-encoding', 'chunked']])],
    ['te other than trailers', plain([['te', 'gzip']])],
    ['a pseudo-header field after the others', pseudo(get, https1, [':authority', 'a'], ['x', 'y'], [':path', '/'])],
    ['two methods', pseudo(get, get, https1, [':authority', 'a'], [':path', '/'])],
    ['an unknown pseudo-header field', pseudo(get, https1, [':authority', 'a'], [':path', '/'], [':x', 'y'])],
    ['no path', pseudo(get, https1, [':authority', 'a'])],
    ['no host at all', pseudo(get, https1, [':path', '/'])],
    ['userinfo', pseudo(get, https1, [':authority', 'u@a'], [':path', '/'])],
    ['an empty path', pseudo(get, https1, [':authority', 'a'], [':path', ''])],
  ] as const)('%s: the stream is reset, for the message is malformed', async (_name, block) => {
    let handled = 0;
    const port = await serve((message) => {
      handled++;
      return hello(message);
    }, secure);
    const client = new FrameClient(port).say(...inFrames(block));
    const wasReset = () => client.of(frameTypes.reset, 1).length > 0 || client.bodyOf(1).length > 0;
    await client.until(wasReset);
    expect(handled).toBe(0);
    client.socket.destroy();
  });

  test('a value with a NUL is not handed on', async () => {
    let seen: HttpRequest | undefined;
    const port = await serve((message) => {
      seen = message;
      return hello(message);
    }, secure);
    const client = new FrameClient(port).say(
      request(
        1,
        plain([
          ['x', 'a\0b'],
          ['y', 'c'],
        ]),
      ),
    );
    await client.until(() => client.bodyOf(1).length > 0);
    expect([seen?.headers['x'], seen?.headers['y']]).toEqual([undefined, 'c']);
    client.socket.destroy();
  });

  test('100 fields and 16 KiB are allowed', async () => {
    const session = connect(await serve(hello, secure));
    const hundred = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'y']));
    expect((await ask(session, { ':path': '/', ...hundred })).status).toBe(200);
    expect((await ask(session, { ':path': '/', 'x-big': 'y'.repeat(16_000) })).status).toBe(200);
  });
});

/** A block that is too long for one frame goes on in CONTINUATION. */
function inFrames(block: Buffer): Buffer[] {
  if (block.length <= 16_384) return [request(1, block)];
  return [frame(frameTypes.headers, 1, 1, block.subarray(0, 16_384)), frame(9, 4, 1, block.subarray(16_384))];
}
