import { afterEach, expect, test } from 'vitest';
import { createRealClock } from '../clock.ts';
import { closeAll, RawClient, serve, text } from './test-client.ts';

afterEach(closeAll);

/** Readers are judged over five of these. */
const progressTickMs = 5;
const clock = createRealClock();
const windows = (count: number) => new Promise<void>((resolve) => clock.after(count * 5 * progressTickMs, resolve));
const headers = { 'content-type': 'text/event-stream' };

test('a source that is silent for long is no slow reader', async () => {
  async function* events() {
    yield text('first');
    await windows(4);
    yield text('second');
    await windows(4);
    yield text('third');
  }
  const port = await serve(() => ({ status: 200, headers, body: events() }), {}, { progressTickMs });
  const client = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(await client.until((heard) => heard.endsWith('0\r\n\r\n'))).toMatch(/first[\s\S]*second[\s\S]*third/);
});

test('a reader that takes nothing is cut off, also after the source was silent for long', async () => {
  const left = Promise.withResolvers<void>();
  async function* events() {
    try {
      yield text('first');
      await windows(2);
      for (;;) yield new Uint8Array(65_536);
    } finally {
      left.resolve();
    }
  }
  const port = await serve(() => ({ status: 200, headers, body: events() }), {}, { progressTickMs });
  const client = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((heard) => heard.includes('first'));
  client.socket.pause();
  await left.promise;
});

test('a client that leaves a source that never gives a piece is told to it', async () => {
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const body = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        asked.resolve();
        return new Promise<never>(() => undefined);
      },
      return: async () => {
        left.resolve();
        return { done: true as const, value: undefined };
      },
    }),
  };
  const port = await serve(() => ({ status: 200, headers, body }));
  const client = new RawClient(port).say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await asked.promise;
  client.socket.destroy();
  await left.promise;
});
