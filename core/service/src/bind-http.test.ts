import type { HttpRequest, HttpResponse } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import type { Call, Principal } from '@ron/proto/contract';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bindHttp, httpRefusal } from './bind-http.ts';
import { createOpsEndpoints } from './ops.ts';
import { principal, startEcho, testHost } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

const stack = new AsyncDisposableStack();
let handle: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
let ready = true;

beforeAll(async () => {
  const host = testHost();
  const service = stack.use(await startEcho(host));
  const ops = createOpsEndpoints({
    uptimeMs: () => 5,
    gates: () => [{ gate: 'test', ok: ready, ...(ready ? {} : { reason: 'because' }) }],
    exposition: () => host.metrics.exposition(),
    version: () => ({ name: 'test' }),
    openApi: () => ({ openapi: '3.1.0' }),
  });
  handle = bindHttp({
    env: host.env,
    dispatchers: [service.dispatcher],
    ops,
    corsOrigins: () => ['https://good.example'],
  });
});
afterAll(() => stack.disposeAsync());

async function ask(method: string, target: string, options: { headers?: Record<string, string>; body?: string } = {}) {
  const bytes = new TextEncoder().encode(options.body ?? '');
  const length = options.body === undefined ? {} : { 'content-length': String(bytes.byteLength) };
  const response = await handle({
    method,
    target,
    headers: { authorization: 'Bearer all', ...length, ...options.headers },
    body: options.body === undefined ? emptyBody : new ResidentBody(bytes),
    remote: '127.0.0.1',
    onAbort: () => undefined,
  });
  const text = response.body instanceof Uint8Array ? new TextDecoder().decode(response.body) : '';
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

test('path, query and JSON fill the input', async () => {
  expect((await ask('GET', '/say/a/b?times=2')).json()).toEqual({ text: 'a/ba/b' });
  expect((await ask('POST', '/say', { body: '{"text":"x","times":3}' })).json()).toEqual({ text: 'xxx' });
  expect((await ask('GET', '/say/%61%2fb')).json()).toEqual({ text: 'a/b' });
});

test.each([
  ['unknown route', 'GET', '/nothing', {}, 404, 'not_found'],
  ['wrong method', 'DELETE', '/say/x', {}, 405, 'bad_request'],
  ['unknown query parameter', 'GET', '/say/x?more=1', {}, 400, 'bad_request'],
  ['query parameter twice', 'GET', '/say/x?times=1&times=2', {}, 400, 'bad_request'],
  ['no number', 'GET', '/say/x?times=1e3', {}, 400, 'bad_request'],
  ['broken escape', 'GET', '/say/%zz', {}, 404, 'not_found'],
  ['unexpected body', 'GET', '/say/x', { body: 'hello' }, 400, 'bad_request'],
  ['broken JSON', 'POST', '/say', { body: '{"text":' }, 400, 'bad_request'],
  ['duplicate JSON key', 'POST', '/say', { body: '{"text":"a","text":"b"}' }, 400, 'bad_request'],
  ['__proto__ key', 'POST', '/say', { body: '{"text":"a","__proto__":{}}' }, 400, 'bad_request'],
  ['JSON array', 'POST', '/say', { body: '[]' }, 400, 'bad_request'],
  ['JSON too deep', 'POST', '/say', { body: `{"text":${'['.repeat(40)}${']'.repeat(40)}}` }, 400, 'bad_request'],
  ['JSON too large', 'POST', '/say', { body: `{"text":"${'x'.repeat(1_048_577)}"}` }, 413, 'payload_too_large'],
  ['no capability', 'GET', '/say/x', { headers: { authorization: '' } }, 401, 'unauthenticated'],
  ['other scheme', 'GET', '/say/x', { headers: { authorization: 'Basic abc' } }, 401, 'unauthenticated'],
  ['two capabilities', 'GET', '/say/x', { headers: { 'ron-cap': 'reader' } }, 400, 'bad_request'],
  [
    'bad idempotency key',
    'POST',
    '/count',
    { body: '{"by":1}', headers: { 'idempotency-key': 'a b' } },
    400,
    'bad_request',
  ],
] as const)('%s', async (_name, method, target, options, status, code) => {
  const reply = await ask(method, target, options);
  expect(reply.status).toBe(status);
  expect(reply.json()).toMatchObject({ code, corr_id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect(reply.headers['x-corr-id']).toBe(reply.json().corr_id);
});

test('corr_id: taken when well formed at 8 and 64 characters, else made', async () => {
  for (const [id, kept] of [
    ['a'.repeat(8), true],
    ['a'.repeat(64), true],
    ['a'.repeat(7), false],
    ['a'.repeat(65), false],
    ['bad id!!', false],
  ] as const) {
    const { headers } = await ask('GET', '/say/x', { headers: { 'x-corr-id': id } });
    expect(headers['x-corr-id'] === id).toBe(kept);
  }
});

test('bytes in and out, with headers from output fields', async () => {
  const reply = await ask('PUT', '/upper', { body: 'abc' });
  expect(reply.text).toBe('ABC');
  expect(reply.headers['content-length']).toBe(3);
});

test('operations endpoints need no capability, and readiness has the status', async () => {
  expect((await ask('GET', '/healthz', { headers: { authorization: '' } })).json()).toMatchObject({ ok: true });
  expect((await ask('GET', '/readyz')).status).toBe(200);
  ready = false;
  const red = await ask('GET', '/readyz');
  ready = true;
  expect(red.status).toBe(503);
  expect(red.json().gates).toEqual([{ gate: 'test', ok: false, reason: 'because' }]);
  expect((await ask('GET', '/metrics')).text).toContain('requests_total');
  expect((await ask('GET', '/openapi.json')).json()).toEqual({ openapi: '3.1.0' });
});

test('only listed origins get CORS headers', async () => {
  const good = await ask('OPTIONS', '/say/x', {
    headers: { origin: 'https://good.example', 'access-control-request-headers': 'authorization' },
  });
  expect(good.status).toBe(204);
  expect(good.headers).toMatchObject({
    'access-control-allow-origin': 'https://good.example',
    'access-control-allow-headers': 'authorization',
  });
  const bad = await ask('GET', '/say/x', { headers: { origin: 'https://bad.example' } });
  expect(bad.headers['access-control-allow-origin']).toBeUndefined();
});

test('vary names the origin beside what the operation varies on', async () => {
  const reply = await ask('PUT', '/upper', { body: 'abc', headers: { origin: 'https://good.example' } });
  expect(reply.headers['vary']).toBe('origin, accept');
});

test('operations endpoints echo the corr_id and refuse other methods', async () => {
  const echoed = await ask('GET', '/healthz', { headers: { 'x-corr-id': 'my-corr-id' } });
  expect(echoed.headers['x-corr-id']).toBe('my-corr-id');
  const refused = await ask('POST', '/readyz');
  expect(refused.status).toBe(405);
  expect(refused.headers['allow']).toBe('GET, HEAD, OPTIONS');
});

test('HEAD goes wherever GET goes, and OPTIONS says so', async () => {
  expect((await ask('HEAD', '/say/x')).status).toBe(200);
  expect((await ask('HEAD', '/upper')).status).toBe(405);
  expect((await ask('OPTIONS', '/say/x')).headers['allow']).toBe('GET, HEAD, OPTIONS');
  expect((await ask('OPTIONS', '/nothing')).status).toBe(404);
  expect((await ask('OPTIONS', '*')).status).toBe(404);
});

test('with listed origins every answer varies on the origin, also one to nobody’s page', async () => {
  expect((await ask('GET', '/say/x')).headers['vary']).toBe('origin');
});

test('an operations endpoint that breaks, and an answer of the wrong length, are `internal` and logged', async () => {
  const host = testHost();
  await using service = await startEcho(host);
  const lines: unknown[] = [];
  const refused: string[] = [];
  const broken = bindHttp({
    env: host.env,
    dispatchers: [{ ...service.dispatcher, contract: service.dispatcher.contract, dispatch: async () => lying }],
    ops: ({ target }) => (target === '/metrics' ? Promise.reject(new Error('a secret detail')) : undefined),
    corsOrigins: () => ['*'],
    onRefusal: (reason) => refused.push(reason),
    log: { ...host.log, error: (fields) => lines.push(fields) },
  });
  const at = (method: string, target: string) =>
    broken({ method, target, headers: {}, body: emptyBody, remote: 'x', onAbort: () => undefined });
  for (const reply of [await at('GET', '/metrics'), await at('PUT', '/upper')]) {
    expect(reply.status).toBe(500);
    expect(new TextDecoder().decode(reply.body as Uint8Array)).not.toContain('secret');
    expect(reply.headers['access-control-allow-origin']).toBe('*');
    expect(reply.headers).not.toHaveProperty('vary');
    expect(reply.headers).not.toHaveProperty('content-length');
  }
  expect(refused).toEqual(['internal', 'internal']);
  expect(lines).toHaveLength(2);
});

const lying = {
  output: { size: 5, vary: 'accept' },
  body: new ResidentBody(new Uint8Array(3)),
  quota: undefined,
  release: () => undefined,
};

test('a JSON body that keeps coming for more than 30 s is refused', async () => {
  const host = testHost({ env: createSimEnv({ seed: 1 }) });
  const { clock, scheduler } = host.env as ReturnType<typeof createSimEnv>;
  await using service = await startEcho(host);
  const slow = bindHttp({ env: host.env, dispatchers: [service.dispatcher], ops: () => undefined });
  const body = (async function* () {
    for (;;) {
      await new Promise<void>((resolve) => clock.after(1_000, resolve));
      yield new Uint8Array([0x20]);
    }
  })();
  const headers = { 'transfer-encoding': 'chunked' };
  const reply = await scheduler.settle(
    Promise.resolve(slow({ method: 'POST', target: '/say', headers, body, remote: 'x', onAbort: () => undefined })),
  );
  expect(reply.status).toBe(408);
  expect(clock.monotonicMs()).toBeLessThan(32_000);
});

test('a client that leaves before, during or after its call leaves nothing in flight', async () => {
  const host = testHost();
  await using service = await startEcho(host);
  const http = bindHttp({ env: host.env, dispatchers: [service.dispatcher], ops: () => undefined });
  const headers = { authorization: 'Bearer all' };
  let leave: () => void = () => undefined;
  const hanging = http({
    method: 'GET',
    target: '/fail/hang',
    headers,
    body: emptyBody,
    remote: 'x',
    onAbort: (callback) => {
      leave = callback;
    },
  });
  while (service.dispatcher.inflight === 0) await Promise.resolve();
  leave();
  expect((await hanging).status).toBe(408);
  expect(service.dispatcher.inflight).toBe(0);
});

test('what the parser refuses has the envelope and is told of; a full house names its gate and the wait', () => {
  const told: string[] = [];
  const refuse = httpRefusal(testHost().env, (reason) => told.push(reason));
  const full = refuse('over_capacity');
  expect([full.status, full.headers['retry-after']]).toEqual([503, 1]);
  expect(JSON.parse(new TextDecoder().decode(full.body as Uint8Array))).toMatchObject({
    code: 'unavailable',
    retry_after_ms: 1_000,
    details: { gate: 'connections' },
  });
  const slow = refuse('header_timeout');
  expect([slow.status, slow.headers['retry-after']]).toEqual([408, undefined]);
  expect(told).toEqual(['over_capacity', 'header_timeout']);
});

test('a call whose client leaves before it begins is aborted from its beginning', async () => {
  const known = Promise.withResolvers<Principal>();
  let aborted: boolean | undefined;
  const operation = { http: [{ method: 'GET', path: '/op', reply: 'json' }] } as const;
  const handler = (_input: never, { context }: Call) => {
    aborted = context.signal.aborted;
    return {};
  };
  const { dispatcher, env } = startPipeline(
    { op: { ...operation, handler } },
    { authenticator: { authenticate: () => known.promise } },
  );
  const serve = bindHttp({ env, dispatchers: [dispatcher], ops: () => undefined });
  let leave: () => void = () => undefined;
  const answered = serve({
    method: 'GET',
    target: '/op',
    headers: {},
    body: emptyBody,
    remote: 'x',
    onAbort: (callback) => {
      leave = callback;
    },
  });
  await loadCompiler();
  leave();
  known.resolve(principal(() => true));
  await answered;
  expect(aborted).toBe(true);
});
