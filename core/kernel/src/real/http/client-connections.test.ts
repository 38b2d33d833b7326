import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import type { HttpClient } from '../../env/http-client.ts';
import { errorCode } from '../../env/system-error.ts';
import { createHttpClient, type HttpClientOptions } from './client.ts';
import { text } from './test-client.ts';
import { createTestIdentity } from './test-identity.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** `answer` is called with each request that is complete; `nth` counts those of its connection from 1. */
async function serve(
  answer: (socket: net.Socket, request: string, nth: number) => void,
  options: Partial<HttpClientOptions> = {},
) {
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections++;
    sockets.add(socket);
    let heard = '';
    let nth = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      for (let end = heard.indexOf('\r\n\r\n'); end !== -1; end = heard.indexOf('\r\n\r\n')) {
        const request = heard.slice(0, end);
        heard = heard.slice(end + 4);
        answer(socket, request, ++nth);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const client = createHttpClient({ origin: { secure: false, host: '127.0.0.1', port }, ...options });
  open.push(client, {
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { client, count: () => connections };
}

async function ask(client: HttpClient, target = '/', method = 'GET') {
  const response = await client.request({ method, target, fieldLines: [] });
  let body = '';
  for await (const piece of response.body) body += Buffer.from(piece).toString('latin1');
  return body;
}

const ok = (body: string, more = '') => `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
const pathOf = (request: string) => request.split(' ')[1] ?? '';

describe('a connection is used again only when it is clean', () => {
  test('bytes beyond a message are nobody’s answer', async () => {
    const { client, count } = await serve((socket, request) => socket.write(ok(pathOf(request)) + ok('smuggled')));
    for (const path of ['/a', '/b', '/c']) expect(await ask(client, path)).toBe(path);
    expect(count()).toBe(3);
  });

  test('nor are those that come while it is idle', async () => {
    const late = Promise.withResolvers<net.Socket>();
    const { client, count } = await serve((socket, request) => {
      socket.write(ok(pathOf(request)));
      if (pathOf(request) === '/a') late.resolve(socket);
    });
    expect(await ask(client, '/a')).toBe('/a');
    const socket = await late.promise;
    const gone = new Promise((resolve) => socket.once('close', resolve));
    socket.write(ok('smuggled'));
    await gone;
    expect(await ask(client, '/b')).toBe('/b');
    expect(count()).toBe(2);
  });

  test.each([
    ['it says close', (path: string) => ok(path, 'Connection: close\r\n'), 2],
    ['it keeps it for a second', (path: string) => ok(path, 'Keep-Alive: timeout=1\r\n'), 2],
    ['it keeps it for longer', (path: string) => ok(path, 'Keep-Alive: max=9, timeout=5\r\n'), 1],
  ])('%s', async (_name, answer, connections) => {
    const { client, count } = await serve((socket, request) => socket.write(answer(pathOf(request))));
    expect(await ask(client, '/a')).toBe('/a');
    expect(await ask(client, '/b')).toBe('/b');
    expect(count()).toBe(connections);
  });

  test('bodies in pieces of any size are those that were sent, also when connections are shared', async () => {
    const { client } = await serve(
      (socket, request) => {
        const message = ok(pathOf(request).repeat(3000));
        for (let at = 0; at < message.length; at += 997) socket.write(message.slice(at, at + 997));
      },
      { connectionsMax: 3 },
    );
    const paths = Array.from({ length: 60 }, (_, i) => `/${i}`);
    expect(await Promise.all(paths.map((path) => ask(client, path)))).toEqual(paths.map((path) => path.repeat(3000)));
  });

  test('a slow reader holds up its own connection, whose next answer is the right one', async () => {
    const { client, count } = await serve((socket, request) => socket.write(ok(pathOf(request).repeat(500_000))), {
      connectionsMax: 1,
    });
    for (const path of ['/a', '/b']) {
      const response = await client.request({ method: 'GET', target: path, fieldLines: [] });
      await new Promise((resolve) => setImmediate(resolve));
      let length = 0;
      for await (const piece of response.body) {
        length += piece.byteLength;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(length).toBe(1_000_000);
    }
    expect(count()).toBe(1);
  });
});

describe('what goes out is one request', () => {
  test.each([
    ['a target', { target: '/a b' }],
    ['a target with the end of a line', { target: '/a\r\nX: y' }],
    ['a method', { method: 'GET / HTTP/1.1\r\n' }],
    ['a name', { fieldLines: ['X: y\r\nZ', '1'] }],
    ['a value', { fieldLines: ['X', 'y\r\nZ: 1'] }],
    ['a coding', { fieldLines: ['Transfer-Encoding', 'chunked'] }],
    ['two lengths', { fieldLines: ['Content-Length', '0', 'content-length', '0'] }],
    ['a length of nothing', { fieldLines: ['Content-Length', '5'] }],
  ])('%s that would be more is refused', async (_name, changes) => {
    const { client, count } = await serve((socket) => socket.write(ok('x')));
    const asked = client.request({ method: 'GET', target: '/', fieldLines: [], ...changes });
    expect(await asked.catch((error: unknown) => errorCode(error))).toBe('EINVAL');
    expect(count()).toBe(0);
  });

  test.each(['hell', 'hello!'])('content of another length than announced ends the connection: %s', async (sent) => {
    const { client } = await serve(() => undefined);
    const body = (async function* () {
      yield text(sent);
    })();
    const asked = client.request({ method: 'PUT', target: '/', fieldLines: ['Content-Length', '5'], body });
    expect(await asked.catch((error: unknown) => errorCode(error))).toBe('EINVAL');
  });
});

describe('over TLS', () => {
  const identity = createTestIdentity();
  const authorities = tls.getCACertificates('default');
  afterEach(() => tls.setDefaultCACertificates(authorities));

  async function serveTls() {
    const names: unknown[] = [];
    const heard: string[] = [];
    const server = tls.createServer({ cert: identity.certificateChainPem, key: identity.keyPem }, (socket) => {
      names.push(socket.servername);
      socket.on('error', () => socket.destroy());
      socket.on('data', (bytes) => {
        heard.push(bytes.toString('latin1'));
        if (heard.at(-1)?.endsWith('\r\n\r\n')) socket.write(ok('secret'.repeat(50_000)));
      });
    });
    server.on('tlsClientError', () => undefined); // A client that trusts nobody says so.
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const client = createHttpClient({ origin: { secure: true, host: 'localhost', port } });
    open.push(client, server);
    return { client, names, heard };
  }

  test('an origin that proves its name is asked over one connection', async () => {
    tls.setDefaultCACertificates([identity.certificateChainPem]);
    const { client, names } = await serveTls();
    for (let i = 0; i < 3; i++) expect(await ask(client)).toBe('secret'.repeat(50_000));
    expect(names).toEqual(['localhost']);
    client.close();
  });

  test('another one is not asked', async () => {
    const { client, heard } = await serveTls();
    const failure = await ask(client).catch((error: unknown) => errorCode(error));
    expect(failure).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(heard).toEqual([]);
  });
});
