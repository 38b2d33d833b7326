import { afterEach, describe, expect, test } from 'vitest';
import type { HttpHandler } from '../../env/http.ts';
import { closeAll, hello, RawClient, readAll, serve, text } from './test-client.ts';

afterEach(closeAll);

const echoLength: HttpHandler = async (request) => ({
  status: 200,
  headers: {},
  body: text(`got ${await readAll(request)}`),
});

describe('request bodies', () => {
  test('arrive whole, with a length and chunked', async () => {
    const port = await serve(echoLength);
    const bytes = new Uint8Array(1_000_000);
    const url = `http://127.0.0.1:${port}/`;
    expect(await (await fetch(url, { method: 'PUT', body: bytes })).text()).toBe('got 1000000');
    const stream = new Blob([bytes, bytes]).stream();
    const chunked = await fetch(url, { method: 'PUT', body: stream, duplex: 'half' } as RequestInit);
    expect(await chunked.text()).toBe('got 2000000');
  });

  test('a handler that stops reading, before or after the first piece, stops the sender', async () => {
    for (const first of [false, true]) {
      const asked = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const port = await serve(async (request) => {
        const reader = request.body[Symbol.asyncIterator]();
        let total = first ? (await reader.next()).value.byteLength : 0;
        asked.resolve();
        await go.promise;
        for (let step = await reader.next(); step.done !== true; step = await reader.next())
          total += step.value.byteLength;
        return { status: 200, headers: {}, body: text(`got ${total}`) };
      });
      const size = 64 * 1024 * 1024;
      const client = new RawClient(port);
      client.say(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`).say(new Uint8Array(size));
      await asked.promise;
      let left = -1;
      for (let still = 0; still < 200; still = left === client.socket.writableLength ? still + 1 : 0) {
        left = client.socket.writableLength;
        await new Promise((resolve) => setImmediate(resolve));
      }
      // The kernel's buffers hold some; the rest still waits at the client.
      expect(client.socket.writableLength).toBeGreaterThan(0);
      go.resolve();
      await client.until((heard) => heard.includes(`got ${size}`));
    }
  });

  test('100 Continue is sent only when the body is wanted', async () => {
    const head = 'PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n';
    const wants = new RawClient(await serve(echoLength)).say(head);
    expect(await wants.until((heard) => heard.includes('\r\n\r\n'))).toMatch(/^HTTP\/1\.1 100 Continue/);
    wants.say('abc');
    expect(await wants.until((heard) => heard.includes('got 3'))).toContain('200 OK');
    const refuses = new RawClient(await serve(() => ({ status: 403, headers: {}, body: text('no') }))).say(head);
    const heard = await refuses.untilEnd();
    expect(heard).not.toContain('100 Continue');
    expect(heard).toMatch(/403 Forbidden[\s\S]*connection: close/i);
  });

  test('100 Continue does not come once the response has begun', async () => {
    const port = await serve((request) => ({
      status: 200,
      headers: {},
      body: (async function* answer() {
        yield text('begun');
        yield text(`got ${await readAll(request)}`);
      })(),
    }));
    const head = 'PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n';
    const client = new RawClient(port).say(head);
    await client.until((heard) => heard.includes('begun'));
    client.say('abc');
    expect(await client.until((heard) => heard.endsWith('0\r\n\r\n'))).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*begun[\s\S]*got 3/,
    );
    expect(client.heard).not.toContain('100 Continue');
  });

  test('another expectation is refused', async () => {
    const client = new RawClient(await serve(hello)).say('GET / HTTP/1.1\r\nHost: a\r\nExpect: miracle\r\n\r\n');
    expect(await client.untilEnd()).toContain('"malformed"');
  });

  test('a small unread body is drained and the connection kept; a large one closes it after the response', async () => {
    const port = await serve(hello);
    const kept = new RawClient(port).say(
      'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    );
    expect((await kept.until((heard) => heard.split('hello').length === 3)).match(/200 OK/g)).toHaveLength(2);
    const closed = new RawClient(port).say(
      `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n${'x'.repeat(100_000)}`,
    );
    const heard = await closed.untilEnd();
    expect(heard).toMatch(/200 OK[\s\S]*connection: close[\s\S]*hello$/i);
  });

  test('the rest of a body that nobody reads must come at the same pace', async () => {
    const port = await serve(hello, {}, { progressTickMs: 20 });
    const client = new RawClient(port).say('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    expect(await client.untilEnd()).toMatch(/200 OK[\s\S]*hello$/);
  });

  test('a client that leaves in the middle of its body rejects the read', async () => {
    const failure = Promise.withResolvers<unknown>();
    const port = await serve(async (request) => {
      await readAll(request).catch(failure.resolve);
      return { status: 200, headers: {} };
    });
    const client = new RawClient(port).say('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    client.socket.end();
    expect(await failure.promise).toMatchObject({ name: 'RonError', code: 'request_timeout' });
  });

  test('a body that stops coming is refused, and its reader told', async () => {
    const failure = Promise.withResolvers<unknown>();
    const port = await serve(
      async (request) => {
        await readAll(request).catch(failure.resolve);
        return { status: 200, headers: {} };
      },
      {},
      { progressTickMs: 20 },
    );
    const client = new RawClient(port).say('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
    expect(await client.untilEnd()).toContain('"body_timeout"');
    expect(await failure.promise).toMatchObject({ code: 'request_timeout' });
  });

  test('a broken chunk is refused with the envelope', async () => {
    const port = await serve(echoLength);
    const client = new RawClient(port).say('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
    expect(await client.untilEnd()).toMatch(/^HTTP\/1\.1 400 [\s\S]*"malformed"/);
  });
});
