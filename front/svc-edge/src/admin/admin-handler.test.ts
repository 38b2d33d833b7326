import type { HttpResponse } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { ResidentBody } from '@ron/proto/stream';
import { createOpsEndpoints } from '@ron/service';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Exchange } from '../fixtures/raw-origin.ts';
import { type EdgeRig, type RigOptions, startEdge, textOf } from '../fixtures/start-edge.ts';
import { warmUrlsMax } from '../handlers/warm.ts';
import { finishBytesMax } from '../store/growing-body.ts';
import { createAdminHandler } from './admin-handler.ts';

let edge: EdgeRig;
const start = async (options: RigOptions = {}) => {
  edge = await startEdge(options);
  edge.origin.script = (exchange) => exchange.answer(200, { 'Cache-Control': 'max-age=60' }, exchange.target);
};
beforeEach(() => start());
afterEach(() => edge[Symbol.asyncDispose]());

interface Told {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

async function tell(
  method: string,
  target: string,
  value?: unknown,
  headers: Record<string, string> = {},
  remote = '127.0.0.1',
): Promise<Told> {
  const handle = createAdminHandler({
    cache: edge.cache,
    env: createRealEnv(),
    ops: createOpsEndpoints({
      uptimeMs: () => 1,
      gates: () => [{ gate: 'waiters', ok: !edge.cache.isCrowded }],
      exposition: async () => '',
      version: () => ({}),
      openApi: () => ({}),
    }),
  });
  const body = new ResidentBody(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));
  const response: HttpResponse = await handle({
    method,
    target,
    headers: { host: 'localhost:1', 'content-type': 'application/json', ...headers },
    body,
    remote,
    onAbort: () => undefined,
  });
  return { status: response.status, json: JSON.parse(new TextDecoder().decode(response.body as Uint8Array)) };
}

const wordsOf = async (...targets: string[]) => {
  const words: unknown[] = [];
  for (const target of targets) words.push((await edge.ask(target)).headers['x-cache']);
  return words;
};

describe('purge', () => {
  test('one URL with all its variants, and nothing else', async () => {
    edge.origin.script = (exchange) => exchange.answer(200, { 'Cache-Control': 'max-age=60', Vary: 'Accept' });
    for (const accept of ['text/a', 'text/b']) await edge.ask('/a', { headers: { accept } });
    await wordsOf('/ab');
    expect(await tell('POST', '/purge', { url: '/a' })).toEqual({ status: 200, json: { purged: 2 } });
    expect(edge.cache.usage.entries).toBe(1);
    expect(await wordsOf('/a', '/ab')).toEqual(['MISS', 'HIT']);
  });

  test('by a prefix', async () => {
    await wordsOf('/a/1', '/a/2?q', '/b');
    expect((await tell('POST', '/purge', { prefix: '/a/' })).json).toEqual({ purged: 2 });
    expect(await wordsOf('/a/1', '/b')).toEqual(['MISS', 'HIT']);
  });

  test('everything', async () => {
    await wordsOf('/a', '/b', '/c');
    expect((await tell('POST', '/purge', { all: true })).json).toEqual({ purged: 3 });
    expect(edge.cache.usage).toMatchObject({ entries: 0, bytes: 0 });
  });

  test('what is being fetched is not stored afterwards', async () => {
    for (const [selection, target] of [
      [{ url: '/x' }, '/x'],
      [{ prefix: '/' }, '/y'],
      [{ all: true }, '/z'],
    ] as const) {
      let held: Exchange | undefined;
      edge.origin.script = (exchange) => {
        held = exchange;
      };
      const asked = edge.ask(target);
      await edge.origin.heard(edge.origin.requests.length + 1);
      await tell('POST', '/purge', selection);
      held?.answer(200, { 'Cache-Control': 'max-age=60' });
      await asked;
      expect(edge.cache.usage.entries).toBe(0);
    }
  });

  test('nor is a long part whose head was answered with already', async () => {
    const length = finishBytesMax + 1;
    const last = length - 1;
    let held: Exchange | undefined;
    edge.origin.script = (exchange) => {
      held = exchange;
      const place = `Content-Range: bytes 0-${last}/${2 * length}\r\nContent-Length: ${length}`;
      exchange.say(`HTTP/1.1 206 Part\r\nCache-Control: max-age=60\r\nETag: "a"\r\n${place}\r\n\r\nx`);
    };
    const { body } = await edge.open('/', { headers: { range: `bytes=0-${last}` } });
    await tell('POST', '/purge', { all: true });
    held?.say('x'.repeat(last));
    expect(await textOf(body)).toHaveLength(length);
    expect(edge.cache.usage).toMatchObject({ entries: 0, flights: 0 });
  });

  test('an absolute URL means the same as its path, and one host where these are kept apart', async () => {
    await wordsOf('/a');
    expect((await tell('POST', '/purge', { url: 'https://www.example/a' })).json).toEqual({ purged: 1 });
    await edge[Symbol.asyncDispose]();
    await start({ keepHost: true });
    const store = async () => {
      for (const host of ['one', 'two']) await edge.ask('/a', { headers: { host } });
    };
    await store();
    expect((await tell('POST', '/purge', { url: 'http://One/a' })).json).toEqual({ purged: 1 });
    expect((await tell('POST', '/purge', { url: '/a' })).json).toEqual({ purged: 1 });
    await store();
    expect((await tell('POST', '/purge', { prefix: 'http://one/' })).json).toEqual({ purged: 1 });
    expect((await tell('POST', '/purge', { prefix: '/a' })).json).toEqual({ purged: 1 });
  });
});

describe('warm-up', () => {
  test('fetches, stores, and tells what was not to be had', async () => {
    edge.origin.script = (exchange) => {
      if (exchange.target === '/gone') exchange.hangUp();
      else if (exchange.target === '/broken') {
        exchange.say('HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 9\r\n\r\nx');
        exchange.hangUp();
      } else if (exchange.target === '/none') exchange.answer(404, { 'Cache-Control': 'max-age=60' }, 'no');
      else exchange.answer(200, { 'Cache-Control': exchange.target === '/own' ? 'private' : 'max-age=60' }, 'xyz');
    };
    const { json } = await tell('POST', '/warm', { urls: ['/a', 'http://x/b', '/own', '/gone', '/broken', '/none'] });
    expect(json).toMatchObject({ stored: 2, passed: 1, bytes: 9, left: [] });
    expect(json['failed']).toEqual(
      expect.arrayContaining([
        { url: '/gone', status: 502 },
        { url: '/broken', status: 200 },
        // Remembered as any client's would be, and told: it is not what was to be warmed.
        { url: '/none', status: 404 },
      ]),
    );
    expect(await wordsOf('/a', '/b', '/none')).toEqual(['HIT', 'HIT', 'HIT']);
    expect((await tell('POST', '/warm', { urls: ['/a'] })).json).toMatchObject({ stored: 1 });
    expect(edge.origin.requests.filter(({ target }) => target === '/a')).toHaveLength(1);
  });

  test('chooses variants by headers', async () => {
    await tell('POST', '/warm', { urls: ['/v'], headers: { 'Accept-Encoding': 'gzip' } });
    expect(edge.origin.requests.at(-1)?.headers['accept-encoding']).toBe('gzip');
  });

  test.each([warmUrlsMax, warmUrlsMax + 1, 0])('%i URLs', async (count) => {
    edge.origin.script = (exchange) => exchange.answer(200, { 'Cache-Control': 'max-age=60' });
    const urls = Array.from({ length: count }, () => '/same');
    const { status } = await tell('POST', '/warm', { urls });
    expect(status).toBe(count > 0 && count <= warmUrlsMax ? 200 : 400);
  });
});

describe('what is refused', () => {
  test.each([
    ['two selections', '/purge', { url: '/a', all: true }],
    ['no selection', '/purge', {}],
    ['all that is not true', '/purge', { all: false }],
    ['another scheme', '/purge', { url: 'ftp://a/b' }],
    ['no path', '/purge', { url: 'a' }],
    ['a space', '/purge', { prefix: '/a b' }],
    ['a list', '/purge', []],
    ['null', '/purge', null],
    ['no JSON', '/purge', '{'],
    ['URLs that are none', '/warm', { urls: [1] }],
    ['credentials', '/warm', { urls: ['/a'], headers: { cookie: 'x' } }],
    ['another field', '/warm', { urls: ['/a'], depth: 2 }],
  ])('%s is a bad request', async (_what, target, value) => {
    expect(await tell('POST', target, value)).toMatchObject({ status: 400, json: { code: 'bad_request' } });
  });

  test('a page of another site: by its type or by the name that it uses', async () => {
    await wordsOf('/a');
    const all = { all: true };
    expect((await tell('POST', '/purge', all, { 'content-type': 'text/plain' })).status).toBe(415);
    for (const host of ['evil.example', 'evil.example:8080', '127.0.0.1.evil.example', 'localhost.evil.example', '']) {
      expect((await tell('POST', '/purge', all, { host })).status).toBe(403);
      expect((await tell('GET', '/metrics', {}, { host })).status).toBe(403);
    }
    expect(await wordsOf('/a')).toEqual(['HIT']);
    for (const host of ['127.0.0.1:9', 'LOCALHOST', '[::1]:9']) {
      expect((await tell('GET', '/usage', {}, { host })).status).toBe(200);
    }
    expect((await tell('GET', '/usage', {}, { host: 'evil.example' }, 'unix')).status).toBe(200);
  });

  test('other paths and methods, and admin paths of the cache itself are the origin’s', async () => {
    expect((await tell('GET', '/purge')).status).toBe(404);
    expect((await tell('POST', '/elsewhere', {})).status).toBe(404);
    const { body } = await edge.ask('/usage');
    expect(body).toBe('/usage');
    expect((await edge.ask('/purge', { method: 'POST', body: '{"all":true}' })).status).toBe(200);
    expect(edge.origin.requests.at(-1)?.target).toBe('/purge');
  });
});

test('usage and readiness', async () => {
  await wordsOf('/a', '/a');
  const { json } = await tell('GET', '/usage');
  expect(json).toMatchObject({ entries: 1, flights: 0, waiting: 0, origin: { fetches: 1, failures: 0 } });
  expect((await tell('GET', '/readyz')).json).toMatchObject({ ready: true, gates: [{ gate: 'waiters', ok: true }] });
});
