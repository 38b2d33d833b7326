import { createConfig, createMetrics, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { expect, test } from 'vitest';
import { micronodeTables } from './config.ts';
import { openEngines } from './engines.ts';
import { createNodeBus, startMicronode } from './node.ts';

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

async function start(overrides: Record<string, string> = {}) {
  const metrics = createMetrics();
  const bus = createNodeBus(metrics);
  const flags = { 'server.listen': '127.0.0.1:0', 'server.oap_listen': '127.0.0.1:0', 'server.drain_ms': '500' };
  const sources = { file: undefined, environment: {}, flags: { ...flags, ...overrides } };
  const config = createConfig(micronodeTables, sources, bus);
  const env = createRealEnv();
  const engines = await openEngines(env, config, silent, undefined);
  const node = await startMicronode({ env, config, log: silent, engines, bus, metrics });
  const url = `http://127.0.0.1:${(node.http as { port: number }).port}`;
  const capability = node.authority.mint({
    subject: 'test',
    rights: [{ methods: ['read', 'write'], prefix: '' }],
  });
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${capability}`, ...init.headers } });
  return { node, config, bus, metrics, ask };
}

test('a node is ready with a reason for each gate, stores and gives back, and shows its golden metrics', async () => {
  const { node, ask, config } = await start();
  await using _node = node;
  const ready = await (await ask('/readyz')).json();
  expect(ready).toMatchObject({ ready: true });
  const put = await ask('/put', { method: 'PUT', body: 'hello', headers: { 'idempotency-key': 'k1' } });
  expect(put.status).toBe(201);
  const { address } = (await put.json()) as { address: string };
  expect(await (await ask(`/o/${address}`)).text()).toBe('hello');
  expect((await ask(`/o/${address}`, { method: 'HEAD' })).headers.get('content-length')).toBe('5');
  config.reload('[gateway]\nrequests_per_second = 77\n');
  const text = await (await ask('/metrics')).text();
  for (const metric of [
    'requests_total{service="gateway",op="put",code="ok"} 1',
    'bytes_in_total{service="gateway"} 5',
    'bytes_out_total{service="gateway"} 5',
    'latency_seconds_count{service="gateway",op="put"} 1',
    'inflight{service="gateway"} 0',
    'rejected_total',
    'quota_exhaustions_total',
    'bus_overflow_dropped_total 0',
    'service_restarts_total',
    'ready{gate="node"} 1',
    'ready{gate="service:storage"} 1',
    'ready{gate="storage.',
    'build_info{version=',
    'config_updates_total 1',
  ]) {
    expect(text).toContain(metric);
  }
});

test('a node that stops is red first, refuses, lets what runs finish, and is gone', async () => {
  const { node, bus, metrics, ask } = await start();
  const told: string[] = [];
  bus.onEvent((event) => {
    told.push(event.type === 'Health' ? `${event.service} ${event.ok}` : event.type);
  });
  const stopping = node[Symbol.asyncDispose]();
  expect(node.gates().find(({ gate }) => gate === 'node')).toEqual({
    gate: 'node',
    ok: false,
    reason: 'the node is stopping',
  });
  await stopping;
  expect(told[0]).toBe('node false');
  expect(told.indexOf('Shutdown')).toBeGreaterThan(0);
  expect(metrics.read('inflight', { service: 'gateway' })).toBe(0);
  await expect(ask('/healthz')).rejects.toThrow();
});

test('a start that fails leaves no listener behind', async () => {
  const { node } = await start();
  await using _node = node;
  const port = (node.http as { port: number }).port;
  await expect(start({ 'server.oap_listen': `127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
