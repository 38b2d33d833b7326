import { expect, test } from 'vitest';
import { startNode } from './fixtures/start-node.ts';

test('a node is ready with a reason for each gate, stores and gives back, and shows its golden metrics', async () => {
  const { node, ask, config } = await startNode();
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
    'ready{gate="service:mailbox"} 1',
    'build_info{version=',
    'config_updates_total 1',
  ]) {
    expect(text).toContain(metric);
  }
});

test('a node that stops is red first, refuses, lets what runs finish, and is gone', async () => {
  const { node, bus, metrics, ask } = await startNode();
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
  const { node } = await startNode();
  await using _node = node;
  const port = (node.http as { port: number }).port;
  await expect(startNode({ 'server.oap_listen': `127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
