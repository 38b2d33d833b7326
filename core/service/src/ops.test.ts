import type { HttpRequest } from '@ron/kernel';
import { expect, test } from 'vitest';
import type { Gate } from './define.ts';
import { createOpsEndpoints, isOpsTarget } from './ops.ts';

function ask(target: string, gates: readonly Gate[] = [], method = 'GET') {
  const endpoints = createOpsEndpoints({
    uptimeMs: () => 1_234.6,
    gates: () => gates,
    exposition: async () => 'up 1\n',
    version: () => ({ name: 'test' }),
    openApi: () => ({ openapi: '3.1.0' }),
  });
  return endpoints({ method, target } as HttpRequest);
}

const body = async (reply: ReturnType<typeof ask>) => new TextDecoder().decode((await reply)?.body as Uint8Array);

test('each endpoint answers GET and HEAD, with a query or without, and is never cached', async () => {
  for (const path of ['/healthz', '/readyz', '/version', '/openapi.json', '/metrics']) {
    for (const target of [path, `${path}?x=1`]) {
      for (const method of ['GET', 'HEAD']) {
        expect(await ask(target, [], method)).toMatchObject({
          status: 200,
          headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
        });
      }
      expect(isOpsTarget(target)).toBe(true);
    }
    expect(ask(path, [], 'POST')).toBeUndefined();
  }
  expect(await body(ask('/healthz'))).toBe('{"ok":true,"uptime_ms":1235}');
  expect(await body(ask('/metrics'))).toBe('up 1\n');
});

test('everything else goes on to the routes', () => {
  for (const target of ['/', '/healthz/', '/HEALTHZ', '/o/x', '/metrics%20', `/${'x'.repeat(40)}`]) {
    expect(ask(target)).toBeUndefined();
    expect(isOpsTarget(target)).toBe(false);
  }
});

test('readiness is 503 as long as one gate is closed, and names its reason', async () => {
  const gates = [
    { gate: 'a', ok: true },
    { gate: 'b', ok: false, reason: 'the disk is full' },
  ];
  const red = await ask('/readyz', gates);
  expect(red?.status).toBe(503);
  expect(JSON.parse(await body(red))).toEqual({ ready: false, gates });
  expect((await ask('/readyz', [gates[0]!]))?.status).toBe(200);
});

test('the metrics are made a bounded number of times, and anew for who asks now and then', async () => {
  let nowMs = 0;
  let made = 0;
  const endpoints = createOpsEndpoints({
    uptimeMs: () => nowMs,
    gates: () => [],
    exposition: async () => `made ${++made}\n`,
    version: () => ({}),
    openApi: () => ({}),
  });
  const scrape = () => body(endpoints({ method: 'GET', target: '/metrics' } as HttpRequest) as ReturnType<typeof ask>);
  for (let at = 0; at < 100; at += 1) await scrape();
  expect(made).toBe(8);
  nowMs += 249;
  expect(await scrape()).toBe('made 8\n');
  nowMs += 1;
  expect(await scrape()).toBe('made 9\n');
  nowMs += 10_000;
  for (let at = 0; at < 100; at += 1) await scrape();
  expect(made).toBe(17);
});

test('the description of the API is made once, however often it is asked for', async () => {
  let made = 0;
  const endpoints = createOpsEndpoints({
    uptimeMs: () => 0,
    gates: () => [],
    exposition: async () => '',
    version: () => ({}),
    openApi: () => ({ made: ++made }),
  });
  expect(made).toBe(0);
  for (let time = 0; time < 3; time += 1) {
    const reply = await endpoints({ method: 'GET', target: '/openapi.json' } as HttpRequest);
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
    expect(new TextDecoder().decode(reply?.body as Uint8Array)).toBe('{"made":1}');
  }
});
