import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { HttpHeaders } from '../../env/http.ts';
import type { HttpClient, HttpClientRequest } from '../../env/http-client.ts';
import { errorCode } from '../../env/system-error.ts';
import { createHttpClient, type HttpClientOptions } from './client.ts';
import { text } from './test-client.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

type Talk = (socket: net.Socket, heard: string) => void;

/** A server that calls `talk` with all that a connection has said whenever it says more. */
async function serve(talk: Talk, options: Partial<HttpClientOptions> = {}) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    let heard = '';
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      talk(socket, heard);
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
  return { client, sockets, port };
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const answering: Talk = (socket, heard) => {
  if (heard.endsWith('\r\n\r\n')) socket.write(ok);
};

async function ask(client: HttpClient, changes: Partial<HttpClientRequest> = {}) {
  const response = await client.request({ method: 'GET', target: '/', fieldLines: [], ...changes });
  let body = '';
  for await (const piece of response.body) body += new TextDecoder('latin1').decode(piece);
  return { ...response, body, trailers: response.trailers() };
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing failed',
    (error: unknown) => errorCode(error),
  );

describe('what is said', () => {
  const said = async (changes: Partial<HttpClientRequest>, until: string) => {
    const whole = Promise.withResolvers<string>();
    const { client, port } = await serve((socket, heard) => {
      if (!heard.includes(until)) return;
      whole.resolve(heard);
      socket.write(ok);
    });
    await ask(client, changes);
    return (await whole.promise).replaceAll(String(port), 'PORT');
  };

  test('the target and the lines as they stand, with the Host of the origin', async () => {
    const fieldLines = ['X-A', '1', 'x-a', '2'];
    expect(await said({ target: '/a/../b?%41', fieldLines }, '\r\n\r\n')).toBe(
      'GET /a/../b?%41 HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\nX-A: 1\r\nx-a: 2\r\nConnection: keep-alive\r\n\r\n',
    );
    expect(await said({ fieldLines: ['Host', 'other'] }, '\r\n\r\n')).toContain('\r\nHost: other\r\n');
  });

  test('content with its length, chunked without one; a POST without content says so', async () => {
    async function* body() {
      yield text('hel');
      yield text('lo');
    }
    const sized = await said({ method: 'PUT', body: body(), fieldLines: ['Content-Length', '5'] }, 'hello');
    expect(sized).not.toContain('chunked');
    expect(await said({ method: 'PUT', body: body() }, '0\r\n\r\n')).toMatch(
      /chunked[\s\S]*3\r\nhel\r\n2\r\nlo\r\n0\r\n/,
    );
    expect(await said({ method: 'POST' }, '\r\n\r\n')).toContain('content-length: 0\r\n');
    expect(await said({ method: 'DELETE' }, '\r\n\r\n')).not.toContain('content-length');
  });

  test('Expect holds the content back until the origin wants it', async () => {
    async function* body() {
      yield text('hello');
    }
    const { client } = await serve((socket, heard) => {
      if (heard.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      else if (heard.endsWith('\r\n\r\nhello')) socket.write(ok);
      else socket.write('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n');
    });
    const fieldLines = ['Content-Length', '5', 'Expect', '100-continue'];
    expect((await ask(client, { method: 'PUT', body: body(), fieldLines })).status).toBe(200);
  });
});

test('content that was held back stays here when the origin answers without it', async () => {
  let asked = false;
  const body = {
    [Symbol.asyncIterator]: () => {
      asked = true;
      return { next: () => Promise.resolve({ done: true as const, value: undefined }) };
    },
  };
  // Longer than the content is held back for an origin that says nothing.
  const { client } = await serve((socket) => {
    socket.write('HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n');
    setTimeout(() => socket.write('0\r\n\r\n'), 1_100);
  });
  const fieldLines = ['Content-Length', '5', 'Expect', '100-continue'];
  expect(await ask(client, { method: 'PUT', body, fieldLines })).toMatchObject({ status: 403, body: 'no' });
  expect(asked).toBe(false);
});

describe('what is heard', () => {
  test('repeated fields, interim responses and trailers', async () => {
    const { client } = await serve((socket) => {
      socket.write('HTTP/1.1 103 Early\r\nLink: a\r\n\r\n');
      socket.write('HTTP/1.1 299 Odd\r\nSet-Cookie: a\r\nset-cookie: b\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.write('2\r\nok\r\n0\r\nT: u\r\n\r\n');
    });
    const informed: [number, HttpHeaders][] = [];
    const response = await ask(client, { onInform: (...told) => informed.push(told) });
    expect(response).toMatchObject({ status: 299, version: '1.1', body: 'ok', trailers: { t: 'u' } });
    expect(response.headers).toMatchObject({ 'set-cookie': ['a', 'b'], x: 'y' });
    expect(informed).toMatchObject([[103, { link: 'a' }]]);
  });

  test('a redirect is an answer like others', async () => {
    const { client } = await serve((socket) =>
      socket.write('HTTP/1.1 302 F\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n'),
    );
    expect(await ask(client)).toMatchObject({ status: 302, headers: { location: 'http://evil/' } });
  });

  test('connections are used again, and there are no more than allowed', async () => {
    const { client, sockets } = await serve(answering, { connectionsMax: 2 });
    expect(await Promise.all(Array.from({ length: 10 }, () => ask(client)))).toHaveLength(10);
    expect(sockets.size).toBe(2);
  });
});

describe('what fails', () => {
  test.each<[string, Talk, string]>([
    ['no HTTP', (socket) => socket.end('hello\r\n\r\n'), 'EPROTO'],
    ['nothing, and the end', (socket) => socket.end(), 'ECONNRESET'],
    ['a head over 64 KiB', (socket) => socket.end(`HTTP/1.1 200 OK\r\nA: ${'b'.repeat(65_536)}\r\n\r\n`), 'EPROTO'],
    ['half a body', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab'), 'ECONNRESET'],
    [
      'half of its chunks',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'),
      'ECONNRESET',
    ],
  ])('%s', async (_name, talk, code) => {
    const { client } = await serve(talk);
    expect(await failure(ask(client))).toBe(code);
  });

  test('nobody listens', async () => {
    // The port of a client: as long as it is connected nobody else can have it.
    const { port } = await serve(answering);
    const holder = net.connect(port, '127.0.0.1');
    await once(holder, 'connect');
    const other = createHttpClient({ origin: { secure: false, host: '127.0.0.1', port: holder.localPort! } });
    expect(await failure(ask(other))).toBe('ECONNREFUSED');
    holder.destroy();
  });

  test('each deadline: for a connection, for the head, for progress of the body', async () => {
    const silent = await serve(() => undefined, { headerMs: 30 });
    expect(await failure(ask(silent.client))).toBe('ETIMEDOUT');
    const full = await serve(() => undefined, { connectionsMax: 1, connectMs: 30 });
    const first = failure(ask(full.client, { deadlines: { headerMs: 300 } }));
    expect(await failure(ask(full.client))).toBe('ETIMEDOUT');
    expect(await first).toBe('ETIMEDOUT');
    const slow = await serve((socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'), {
      progressTickMs: 5,
    });
    expect(await failure(ask(slow.client))).toBe('ETIMEDOUT');
  });

  test('as many wait for a connection as allowed, one more is told at once, and who gave up leaves its place', async () => {
    const { client } = await serve(() => undefined, { connectionsMax: 1, waitingMax: 2 });
    const controllers = [new AbortController(), new AbortController(), new AbortController()];
    const waiting = controllers.map(({ signal }) => failure(ask(client, { signal })));
    expect(await failure(ask(client))).toBe('EAGAIN');
    controllers[2]?.abort();
    expect(await waiting[2]).toBe('ECANCELED');
    const next = new AbortController();
    const taken = failure(ask(client, { signal: next.signal }));
    expect(await failure(ask(client))).toBe('EAGAIN');
    for (const controller of [...controllers, next]) controller.abort();
    expect(await Promise.all([...waiting, taken])).toEqual(['ECANCELED', 'ECANCELED', 'ECANCELED', 'ECANCELED']);
  });

  test('a signal ends it, before the head and in the body', async () => {
    const early = new AbortController();
    const silent = await serve(() => early.abort());
    expect(await failure(ask(silent.client, { signal: early.signal }))).toBe('ECANCELED');
    const late = new AbortController();
    const { client } = await serve((socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'));
    const response = await client.request({ method: 'GET', target: '/', fieldLines: [], signal: late.signal });
    late.abort();
    const reading = (async () => {
      for await (const piece of response.body) expect(piece.byteLength).toBe(2);
    })();
    expect(await failure(reading)).toBe('ECONNRESET');
  });

  test('a kept connection that was closed meanwhile is no failure of a GET, but of a POST', async () => {
    let requests = 0;
    const { client } = await serve((socket, heard) => {
      if (!heard.endsWith('\r\n\r\n')) return;
      requests++;
      if (heard.indexOf('HTTP/1.1') === heard.lastIndexOf('HTTP/1.1')) socket.write(ok);
      else socket.resetAndDestroy();
    });
    await ask(client);
    expect((await ask(client)).body).toBe('ok');
    expect(requests).toBe(3);
    await ask(client);
    expect(await failure(ask(client, { method: 'POST' }))).toBe('ECONNRESET');
  });

  test('a reader that leaves drops the connection', async () => {
    const gone = Promise.withResolvers<void>();
    const { client } = await serve((socket) => {
      socket.once('close', () => gone.resolve());
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nab');
    });
    const response = await client.request({ method: 'GET', target: '/', fieldLines: [] });
    for await (const piece of response.body) if (piece.byteLength > 0) break;
    await gone.promise;
  });
});
