import { afterEach, describe, expect, test } from 'vitest';
import { http2LimitsDefault } from '../../../env/http.ts';
import { closeAll, hello, RawClient, readAll, serve, text } from '../test-client.ts';
import { createTestIdentity } from '../test-identity.ts';
import { resetWindowSeconds } from './frame-budget.ts';
import { calm, FrameClient, fields, frame, frameTypes, head, request, u32 } from './test-frames.ts';

const secure = { tls: createTestIdentity() };
const clients: FrameClient[] = [];

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await closeAll();
});

function connect(port: number, settings?: Uint8Array, allowHalfOpen = false): FrameClient {
  const client = new FrameClient(port, settings, allowHalfOpen);
  clients.push(client);
  return client;
}

const get = head('GET', '/');
const many = (count: number, make: (index: number) => Uint8Array) =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
/** Odd ones are the client's. */
const id = (index: number) => 2 * index + 1;
const reset = (stream: number) => frame(frameTypes.reset, 0, stream, u32(8));
const never = () => new Promise<never>(() => undefined);

/** Resets are forgiven, and frames without use judged, by the tick: with this none comes. */
const noTicks = { progressTickMs: 3_600_000 };

describe('streams', () => {
  test('64 at a time are served, the next is refused, and the connection lives on', async () => {
    let running = 0;
    const go = Promise.withResolvers<void>();
    const port = await serve(async (message) => {
      running++;
      await go.promise;
      return hello(message);
    }, secure);
    const client = connect(port).say(many(65, (i) => request(id(i), get)));
    await client.until(() => client.of(frameTypes.reset).length > 0);
    // REFUSED_STREAM: the client may ask again. RFC 9113, 8.7.
    expect(client.of(frameTypes.reset).map(({ stream, payload }) => [stream, payload.readUInt32BE(0)])).toEqual([
      [129, 7],
    ]);
    expect(running).toBe(64);
    go.resolve();
    await client.until(() => client.of(frameTypes.data).filter(({ flags }) => (flags & 1) === 1).length === 64);
  });

  test('as many resets as allowed are borne; one more ends the connection with ENHANCE_YOUR_CALM', async () => {
    const allowed = http2LimitsDefault.resetsPerSecondMax * resetWindowSeconds;
    const port = await serve(never, secure, noTicks);
    const client = connect(port);
    for (let i = 0; i < allowed; i++) client.say(request(id(i), get), reset(id(i)));
    client.say(frame(frameTypes.ping, 0, 0, Buffer.alloc(8)));
    await client.until(() => client.of(frameTypes.ping).length === 1);
    expect(client.goawayCode).toBeUndefined();
    client.say(request(id(allowed), get), reset(id(allowed)));
    await client.untilEnd();
    expect(client.goawayCode).toBe(calm);
  });

  test('a rapid reset of thousands begins few handlers', async () => {
    let begun = 0;
    const port = await serve(
      () => {
        begun++;
        return never();
      },
      secure,
      noTicks,
    );
    const client = connect(port);
    await client.until(() => client.of(frameTypes.settings).length > 0);
    client.say(many(20_000, (i) => Buffer.concat([request(id(i), get), reset(id(i))])));
    await client.untilEnd();
    // It is told once, and not for each of its frames.
    expect(client.of(frameTypes.goaway).map(({ payload }) => payload.readUInt32BE(4))).toEqual([calm]);
    expect(begun).toBeLessThan(2 * http2LimitsDefault.resetsPerSecondMax * resetWindowSeconds);
  });

  test('what makes the server reset counts as well', async () => {
    // More bytes than announced: the server must reset the stream. RFC 9113, 8.1.1; CVE-2025-8671.
    const announced = head('PUT', '/', [['content-length', '1']]);
    let begun = 0;
    const port = await serve(
      () => {
        begun++;
        return never();
      },
      secure,
      noTicks,
    );
    const client = connect(port);
    for (let i = 0; i < 2_000 && !client.ended; i++) {
      client.say(request(id(i), announced, false), frame(frameTypes.data, 0, id(i), text('ab')));
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await client.untilEnd();
    expect(begun).toBeLessThanOrEqual(http2LimitsDefault.resetsPerSecondMax * resetWindowSeconds + 1);
  });
});

describe('frames that bring nothing', () => {
  const nothing = {
    PING: () => frame(frameTypes.ping, 0, 0, Buffer.alloc(8)),
    SETTINGS: () => frame(frameTypes.settings, 0, 0),
    PRIORITY: (i: number) => frame(frameTypes.priority, 0, id(i), Buffer.from([0, 0, 0, 0, 10])),
    'WINDOW_UPDATE of one byte': () => frame(frameTypes.window, 0, 0, u32(1)),
    'an unknown type': () => frame(0x77, 0, 0),
  };

  test.each(Object.entries(nothing))('a flood of %s ends the connection', async (_name, make) => {
    const port = await serve(hello, secure, { progressTickMs: 50 });
    const client = connect(port);
    const flood = many(2_000, make);
    for (let round = 0; !client.ended && round < 1_000; round++) {
      client.say(flood);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await client.untilEnd()).length).toBeGreaterThan(0);
  });

  test.each(Object.entries(nothing))('a little of %s is borne', async (_name, make) => {
    const port = await serve(hello, secure);
    const client = connect(port).say(many(50, make), request(1001, get));
    await client.until(() => client.bodyOf(1001).length > 0);
    expect(client.goawayCode).toBeUndefined();
  });

  test('empty DATA frames', async () => {
    const port = await serve(async (message) => {
      await readAll(message).catch(() => 0);
      return hello(message);
    }, secure);
    const client = connect(port).say(request(1, head('PUT', '/'), false));
    client.say(many(http2LimitsDefault.invalidFramesMax + 10, () => frame(frameTypes.data, 0, 1)));
    await client.untilEnd();
  });

  test('a header block in many CONTINUATION frames', async () => {
    const client = connect(await serve(hello, secure));
    client.say(
      frame(frameTypes.headers, 1, 1, get),
      many(1_000, () => frame(9, 0, 1)),
    );
    await client.untilEnd();
    expect(client.bodyOf(1).length).toBe(0);
  });

  test('a header list of 1 MiB in one block resets its stream and is not kept', async () => {
    const port = await serve(hello, secure);
    const client = connect(port);
    const block = Buffer.concat([
      get,
      fields(Array.from({ length: 110 }, (_, i) => [`x${i}`, 'y'.repeat(900)] as const)),
    ]);
    const parts = Array.from({ length: Math.ceil(block.length / 16_384) }, (_, i) =>
      block.subarray(i * 16_384, (i + 1) * 16_384),
    );
    client.say(
      ...parts.map((part, i) =>
        frame(i === 0 ? frameTypes.headers : 9, i === parts.length - 1 ? 5 : i === 0 ? 1 : 0, 1, part),
      ),
    );
    await client.until(() => client.of(frameTypes.reset, 1).length > 0 || client.goawayCode !== undefined);
    expect(client.bodyOf(1).length).toBe(0);
  });

  test('many small updates of the window of somebody who reads are no flood', async () => {
    const total = 3_000_000;
    const port = await serve(() => ({ status: 200, headers: {}, body: Buffer.alloc(total) }), secure, {
      progressTickMs: 20,
    });
    const client = connect(port).say(request(1, get));
    let acknowledged = 0;
    await client.until((frames) => {
      const got = client.of(frameTypes.data, 1).reduce((sum, { payload }) => sum + payload.length, 0);
      for (; acknowledged + 2_048 <= got; acknowledged += 2_048) {
        client.say(frame(frameTypes.window, 0, 1, u32(2_048)), frame(frameTypes.window, 0, 0, u32(2_048)));
      }
      return got === total || frames.length < 0;
    });
    expect(client.goawayCode).toBeUndefined();
  });
});

describe('slow ones', () => {
  const quick = { progressTickMs: 10 };
  const rate = { ...secure, progressBytesPerSecondMin: 1_024_000 };

  test('a reader that never opens its window is cut off, by its stream alone', async () => {
    const aborted = Promise.withResolvers<void>();
    const port = await serve(
      (message) => {
        if (message.target !== '/') return hello(message);
        message.onAbort(aborted.resolve);
        return { status: 200, headers: {}, body: Buffer.alloc(100_000) };
      },
      rate,
      quick,
    );
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    const client = connect(port, Buffer.from([0, 4, 0, 0, 0, 0])).say(request(1, get));
    await aborted.promise;
    await client.until(() => client.of(frameTypes.reset, 1).length > 0);
    client.say(request(3, head('HEAD', '/other')));
    await client.until(() => client.of(frameTypes.headers, 3).length > 0);
  });

  test('a window that opens by one byte at a time is too slow', async () => {
    const aborted = Promise.withResolvers<void>();
    const port = await serve(
      (message) => {
        message.onAbort(aborted.resolve);
        return { status: 200, headers: {}, body: Buffer.alloc(100_000) };
      },
      rate,
      quick,
    );
    const client = connect(port, Buffer.from([0, 4, 0, 0, 0, 0])).say(request(1, get));
    const timer = setInterval(() => client.say(frame(frameTypes.window, 0, 1, u32(1))), 5);
    await aborted.promise;
    clearInterval(timer);
  });

  test('a reader that takes nothing from its socket is cut off', async () => {
    const aborted = Promise.withResolvers<void>();
    const port = await serve(
      (message) => {
        message.onAbort(aborted.resolve);
        return { status: 200, headers: {}, body: Buffer.alloc(64_000_000) };
      },
      rate,
      quick,
    );
    const settings = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
    const client = connect(port, settings).say(
      frame(frameTypes.window, 0, 0, u32(0x7fff0000 - 65_535)),
      request(1, get),
    );
    await client.until(() => client.of(frameTypes.headers, 1).length > 0);
    client.socket.pause();
    await aborted.promise;
  });

  test('a body that stands still: 408 with the envelope', async () => {
    const port = await serve(
      async (message) => {
        await readAll(message);
        return hello(message);
      },
      rate,
      quick,
    );
    const client = connect(port).say(request(1, head('PUT', '/'), false), frame(frameTypes.data, 0, 1, text('abc')));
    await client.until(() => client.bodyOf(1).length > 0);
    expect(client.bodyOf(1).toString()).toContain('body_timeout');
  });

  test('a connection without a request and a header block that never ends are closed', async () => {
    const port = await serve(hello, { ...secure, headerTimeMs: 200 });
    await connect(port).untilEnd();
    await connect(port)
      .say(frame(frameTypes.headers, 1, 1, get))
      .untilEnd();
  });

  test('an idle connection is closed after its response', async () => {
    const idle = connect(await serve(hello, { ...secure, headerTimeMs: 60_000, keepAliveIdleMs: 100 }));
    await idle.say(request(1, get)).untilEnd();
    expect(idle.bodyOf(1).toString()).toBe('hello');
    expect(idle.goawayCode).toBe(0);
  });

  test.each([
    ['before its first request', []],
    ['after it', [request(1, get)]],
  ])('a client that said farewell %s and keeps its socket is cut off', async (_name, first) => {
    const limits = { ...secure, headerTimeMs: 1_000, keepAliveIdleMs: 100 };
    const client = connect(await serve(hello, limits), undefined, true);
    let gone = false;
    client.socket.once('close', () => {
      gone = true;
    });
    client.say(...first, frame(frameTypes.goaway, 0, 0, Buffer.alloc(8)));
    await client.untilEnd();
    // Only who writes learns that nobody is there.
    while (!gone) {
      client.say(Buffer.alloc(1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('half a handshake is given up after the time for headers', async () => {
    const port = await serve(hello, { ...secure, headerTimeMs: 100 });
    await new RawClient(port).say(Buffer.from([0x16, 3, 1])).untilEnd();
  });
});
