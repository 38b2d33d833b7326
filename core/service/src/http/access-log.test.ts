import type { HttpRequest, HttpResponse, Log, LogFields } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { expect, test } from 'vitest';
import { bindHttp } from '../bind-http.ts';
import { startPipeline } from '../testing/pipeline.ts';
import { type AccessLogMode, createAccessLog, type Seen } from './access-log.ts';

interface Line extends LogFields {
  readonly level: string;
}

function notes() {
  const lines: Line[] = [];
  const at = (level: string) => (fields: LogFields) => void lines.push({ level, ...fields });
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: () => log };
  return { lines, log };
}

const requestOf = (more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  target: '/o/secret-name?token=abc',
  headers: {},
  body: emptyBody,
  remote: '203.0.113.9',
  version: '2',
  onAbort: () => undefined,
  ...more,
});
const seenOf = (more: Partial<Seen> = {}): Seen => ({
  corrId: 'corr-0001',
  route: '/o/:address',
  remote: '203.0.113.9',
  bytesIn: 3,
  capabilityId: 'cap-1',
  shedBy: undefined,
  endless: false,
  ...more,
});

function start(mode: AccessLogMode, linesPerSecondMax?: number, showPaths?: boolean) {
  const env = createSimEnv({ seed: 1 });
  const { lines, log } = notes();
  const access = createAccessLog({
    log,
    clock: env.clock,
    mode: () => mode,
    ...(linesPerSecondMax === undefined ? {} : { linesPerSecondMax }),
    ...(showPaths === undefined ? {} : { showPaths }),
  });
  const answer = (response: HttpResponse, seen: Partial<Seen> = {}, request: Partial<HttpRequest> = {}) =>
    access.follow(requestOf(request), seenOf(seen), response, env.clock.monotonicMs());
  return { env, lines, access, answer };
}

const ok: HttpResponse = { status: 200, headers: {}, body: new Uint8Array(7) };

test('one line: what was asked, what came of it, for whom; never the path, the query or a token', () => {
  const { lines, answer } = start('all');
  answer(ok);
  expect(lines).toEqual([
    {
      level: 'info',
      method: 'GET',
      route: '/o/:address',
      status: 200,
      bytes_in: 3,
      bytes_out: 7,
      ms: 0,
      corr_id: 'corr-0001',
      remote: '203.0.113.9',
      http: '2',
      capability_id: 'cap-1',
    },
  ]);
  expect(JSON.stringify(lines)).not.toMatch(/secret|token/);
});

test('paths are shown when asked for, their queries never', () => {
  const { lines, answer } = start('all', undefined, true);
  answer(ok);
  expect(lines[0]).toMatchObject({ path: '/o/secret-name' });
  expect(JSON.stringify(lines)).not.toContain('token');
});

test.each([
  ['off', []],
  ['errors', [500, 503]],
  ['all', [200, 404, 429, 500, 503]],
] as const)('%s: %j', (mode, listed) => {
  const { lines, answer } = start(mode);
  for (const status of [200, 404, 429, 500, 503]) answer({ ...ok, status });
  expect(lines.map(({ status }) => status)).toEqual(listed);
});

test.each([
  [false, [{ broke_off: true }]],
  [true, []],
])('a client that leaves a stream, endless %j, is an error: %j', async (endless, listed) => {
  const { lines, answer } = start('errors');
  async function* pieces() {
    for (;;) yield new Uint8Array(5);
  }
  const { body } = answer({ status: 200, headers: {}, body: pieces() }, { endless });
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    expect(piece.byteLength).toBe(5);
    break;
  }
  expect(lines).toMatchObject(listed);
});

test('a subscription that its client leaves has a line among all, and none among errors', async () => {
  for (const [mode, listed] of [
    ['errors', []],
    ['all', [{ level: 'info', status: 200 }]],
  ] as const) {
    const { lines, access, env } = start(mode);
    const operation = {
      body: 'out',
      waits: true,
      http: [{ method: 'GET', path: '/sub', reply: 'stream' }],
    } as const;
    async function* events() {
      for (;;) yield new Uint8Array(1);
    }
    const { dispatcher } = startPipeline(
      { sub: { ...operation, handler: () => ({ output: {}, body: events() }) } },
      { env },
    );
    const serve = bindHttp({ env, dispatchers: [dispatcher], ops: () => undefined, accessLog: access });
    const { body } = await env.scheduler.settle(Promise.resolve(serve(requestOf({ target: '/sub' }))));
    for await (const _event of body as AsyncIterable<Uint8Array>) break;
    expect(lines).toMatchObject(listed);
    expect(lines).toHaveLength(listed.length);
  }
});

test('a stream has its line at its end, with the bytes that left; one that broke off is an error', async () => {
  const { lines, answer } = start('errors');
  async function* pieces(fails: boolean) {
    yield new Uint8Array(5);
    if (fails) throw new Error('broken');
  }
  const read = async (fails: boolean) => {
    const { body } = answer({ status: 200, headers: {}, body: pieces(fails) });
    for await (const piece of body as AsyncIterable<Uint8Array>) expect(piece.byteLength).toBe(5);
  };
  await read(false);
  expect(lines).toEqual([]);
  await expect(read(true)).rejects.toThrow('broken');
  expect(lines).toMatchObject([{ level: 'warn', status: 200, broke_off: true, bytes_out: 5 }]);
});

test('HEAD has no bytes, a resident body has its own', () => {
  const { lines, answer } = start('all');
  answer(ok, {}, { method: 'HEAD' });
  answer({ ...ok, body: new ResidentBody(new Uint8Array(9)) });
  expect(lines.map(({ bytes_out }) => bytes_out)).toEqual([0, 9]);
});

test('lines a second at -1, 0 and +1 of the bound; the rest is one line', async () => {
  const { env, lines, answer } = start('all', 3);
  for (let i = 0; i < 4; i++) answer(ok);
  answer({ ...ok, status: 404 });
  expect(lines).toHaveLength(3);
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(1_000, resolve)));
  expect(lines.slice(3)).toMatchObject([{ unlisted: { '2xx': 1, '4xx': 1 }, shed: {} }]);
  answer(ok);
  expect(lines).toHaveLength(5);
});

test('what a gate refuses is counted by gate, and a flush tells it early', () => {
  const { lines, answer, access } = start('errors');
  for (let i = 0; i < 1_000; i++) answer({ ...ok, status: 503 }, { shedBy: i % 2 === 0 ? 'inflight' : 'heap' });
  expect(lines).toEqual([]);
  access.flush();
  access.flush();
  expect(lines).toMatchObject([{ shed: { inflight: 500, heap: 500 }, unlisted: {} }]);
});

test('the binding fills the line: route, bytes, the client behind a proxy, the gate', async () => {
  const env = createSimEnv({ seed: 1 });
  const { lines, log } = notes();
  const { dispatcher } = startPipeline(
    {
      echo: { http: [{ method: 'GET', path: '/echo/:name', reply: 'json' }], handler: () => ({}) },
      full: {
        http: [{ method: 'GET', path: '/full', reply: 'json' }],
        handler: () => {
          throw new RonError('unavailable', 'no room', { details: { gate: 'test' } });
        },
      },
    },
    { env },
  );
  const accessLog = createAccessLog({ log, clock: env.clock, mode: () => 'all' });
  const handle = bindHttp({
    env,
    dispatchers: [dispatcher],
    ops: () => undefined,
    accessLog,
    clientAddress: () => '198.51.100.1',
  });
  const ask = (target: string) =>
    env.scheduler.settle(Promise.resolve(handle(requestOf({ target, headers: { authorization: 'Bearer all' } }))));
  await ask('/full');
  await ask('/nothing-here');
  accessLog.flush();
  expect(lines.filter(({ status }) => status !== undefined)).toMatchObject([
    { route: '-', status: 404, remote: '198.51.100.1' },
  ]);
  expect(lines.at(-1)).toMatchObject({ shed: { test: 1 } });
});
