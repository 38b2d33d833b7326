import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { closeAll, hello, RawClient, readAll, serve, text } from './test-client.ts';

afterEach(closeAll);

/** Five of these are a window; the rate is such that the protocol's own numbers hold at a hundred times their speed. */
const quick = { progressTickMs: 10 };
const rate = { progressBytesPerSecondMin: 102_400 };
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** What the server is told when a client that behaves as `drip` does is cut off. */
async function cutOff(port: number, words: string, drip: (client: RawClient) => void): Promise<RawClient> {
  const client = new RawClient(port).say(words);
  const timer = setInterval(() => {
    if (!client.ended) drip(client);
  }, 5);
  try {
    await client.untilEnd();
    return client;
  } finally {
    clearInterval(timer);
  }
}

describe('readers', () => {
  const big = new Uint8Array(64 * 1024 * 1024);
  const answerings = {
    resident: () => ({ status: 200, headers: {}, body: big }),
    streamed: () => ({
      status: 200,
      headers: {},
      body: (async function* pieces() {
        for (let at = 0; at < big.length; at += 65_536) yield big.subarray(at, at + 65_536);
      })(),
    }),
  };

  test.each(Object.entries(answerings))(
    'that take a byte at a time of a %s body are cut off',
    async (_name, answer) => {
      const left = Promise.withResolvers<void>();
      const port = await serve(
        (request) => {
          request.onAbort(left.resolve);
          return answer();
        },
        rate,
        quick,
      );
      const socket = net.connect({ host: '127.0.0.1', port });
      socket.on('error', () => undefined);
      socket.pause();
      socket.write(get);
      const timer = setInterval(() => socket.read(1), 5);
      await left.promise;
      clearInterval(timer);
      socket.destroy();
    },
  );

  test('are reset, so that the system keeps nothing of what they did not take', async () => {
    const left = Promise.withResolvers<void>();
    const port = await serve(
      (request) => {
        request.onAbort(left.resolve);
        return answerings.resident();
      },
      rate,
      quick,
    );
    const socket = net.connect({ host: '127.0.0.1', port });
    const ending = new Promise((resolve) => {
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.once('end', () => resolve('in good order'));
    });
    socket.pause();
    socket.write(get);
    await left.promise;
    socket.resume();
    expect(await ending).toBe('ECONNRESET');
  });

  test('whose pipelined requests are all large are cut off, and their sources with them', async () => {
    let ended = 0;
    const all = Promise.withResolvers<void>();
    const port = await serve(
      () => ({
        status: 200,
        headers: {},
        body: (async function* pieces() {
          try {
            for (;;) yield big.subarray(0, 65_536);
          } finally {
            if (++ended === 4) all.resolve();
          }
        })(),
      }),
      rate,
      quick,
    );
    const client = new RawClient(port);
    client.socket.pause();
    client.say(get.repeat(64));
    await all.promise;
  });

  test('that take a piece in every other turn of the loop get all of it', async () => {
    const size = 16 * 1024 * 1024;
    const port = await serve(() => ({ status: 200, headers: {}, body: big.subarray(0, size) }), rate, quick);
    const client = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    client.socket.on('data', () => {
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    expect((await client.untilEnd()).length).toBeGreaterThan(size);
  });
});

describe('writers', () => {
  test('of a body, a byte at a time: 408', async () => {
    const port = await serve(
      async (request) => {
        await readAll(request);
        return hello(request);
      },
      rate,
      quick,
    );
    const put = 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n';
    expect((await cutOff(port, put, (client) => client.say('x'))).heard).toMatch(/^HTTP\/1\.1 408 /);
    const chunked = 'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect((await cutOff(port, chunked, (client) => client.say('1\r\nx\r\n'))).heard).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('of a header block, a byte at a time, also for the second request of a connection: 408', async () => {
    const port = await serve(hello, { headerTimeMs: 150 });
    const first = await cutOff(port, 'GET / HTTP/1.1\r\nX: ', (client) => client.say('a'));
    expect(first.heard).toMatch(/^HTTP\/1\.1 408 /);
    const second = await cutOff(port, `${get}GET / HTTP/1.1\r\nX: `, (client) => client.say('a'));
    expect(second.heard).toMatch(/hello[\s\S]*HTTP\/1\.1 408 /);
  });

  test('of chunk extensions and of trailers without end', async () => {
    const port = await serve(
      async (request) => {
        await readAll(request);
        return hello(request);
      },
      rate,
      quick,
    );
    const chunked = 'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    for (const start of [`${chunked}1;`, `${chunked}0\r\nX: `]) {
      const { heard } = await cutOff(port, start, (client) => client.say('a'.repeat(8_192)));
      expect(heard).not.toMatch(/ 200 /);
    }
  });
});

describe('sockets that are half closed', () => {
  test('have left: the handler is told, and nothing is kept for them', async () => {
    const left = Promise.withResolvers<void>();
    const port = await serve((request) => {
      request.onAbort(left.resolve);
      return new Promise<never>(() => undefined);
    });
    const client = new RawClient(port);
    client.socket.end(get);
    await client.untilEnd();
    await left.promise;
  });

  test('without a request are closed at once', async () => {
    const client = new RawClient(await serve(hello));
    client.socket.end();
    await client.untilEnd();
  });

  test('in the middle of a header block or a body are closed, and nothing is handled twice', async () => {
    let handled = 0;
    const port = await serve(async (request) => {
      handled++;
      await readAll(request).catch(() => 0);
      return hello(request);
    });
    for (const words of ['GET / HTTP/1.1\r\nHos', 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc']) {
      const client = new RawClient(port);
      client.socket.end(words);
      await client.untilEnd();
    }
    expect(handled).toBe(1);
  });

  test('that never read a large response are cut off', async () => {
    const left = Promise.withResolvers<void>();
    const port = await serve(
      (request) => {
        request.onAbort(left.resolve);
        return { status: 200, headers: {}, body: new Uint8Array(64 * 1024 * 1024) };
      },
      rate,
      quick,
    );
    const client = new RawClient(port);
    client.socket.pause();
    client.socket.end(get);
    await left.promise;
  });
});

test('hundreds of slow ones do not keep others out, and none is left behind', async () => {
  const port = await serve(
    async (request) => {
      if (request.method === 'PUT') await readAll(request);
      if (request.target !== '/big') return hello(request);
      return { status: 200, headers: {}, body: new Uint8Array(4 * 1024 * 1024) };
    },
    { ...rate, headerTimeMs: 500, connectionsMax: 140, connectionsPerAddressMax: 140 },
    quick,
  );
  const ways = [
    'GET / HTTP/1.1\r\nX: ',
    'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx',
    'GET /big HTTP/1.1\r\nHost: a\r\n\r\n',
  ];
  const slow = Array.from({ length: 120 }, (_, i) => {
    const client = new RawClient(port).say(text(ways[i % 3] as string));
    if (i % 3 === 2) client.socket.pause();
    return client;
  });
  for (let i = 0; i < 20; i++) await new RawClient(port).say(get).until((heard) => heard.endsWith('hello'));
  for (const client of slow) client.socket.resume();
  await Promise.all(slow.map((client) => client.untilEnd()));
});
