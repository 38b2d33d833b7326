import { createMetrics, createSettableLoad, type LogFields } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import type { Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { gatewayContract } from '@ron/proto/gateway';
import { beforeAll, expect, test } from 'vitest';
import type { PressureLimits } from './pressure.ts';
import { createPressure, shedKindOf } from './pressure-gate.ts';
import { principal } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

beforeAll(loadCompiler);

const limits: PressureLimits = {
  loopDelayMs: 25,
  queueDelayMs: 250,
  queuedMin: 1,
  inflightMax: 8,
  heapShare: 0.85,
  dwellMs: 250,
};

function start(changes: Partial<PressureLimits> = {}) {
  const env = createSimEnv({ seed: 'pressure' });
  const load = createSettableLoad();
  const metrics = createMetrics();
  const lines: LogFields[] = [];
  const log = {
    debug: drop,
    info: drop,
    error: drop,
    warn: (fields: LogFields) => lines.push(fields),
    child: () => log,
  };
  const pressure = createPressure({ env, load, metrics, log, limits: () => ({ ...limits, ...changes }) });
  return { env, load, metrics, lines, pressure };
}

function drop(): void {
  // Nobody reads it.
}

const full = { heapUsedBytes: 99, heapLimitBytes: 100 };

test('a call from outside is refused before anything of it is looked at, and is counted by its reason', async () => {
  const { load, pressure, metrics } = start();
  load.set(full);
  let asked = 0;
  const { call, run } = startPipeline(
    { op: { handler: () => ({}) } },
    {
      pressure,
      metrics,
      authenticator: {
        authenticate: () => {
          asked += 1;
          return principal(() => true);
        },
      },
    },
  );
  const outside = { input: 'not what the schema says', credential: { token: 'x' } };
  await expect(run(call('op', outside))).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'heap' } });
  expect(asked).toBe(0);
  expect(await metrics.exposition()).toMatch(/^rejected_total\{service="[a-z]+",reason="heap"\} 1$/m);
});

test('what one service asks of another is never refused by it', async () => {
  const { load, pressure } = start();
  load.set(full);
  const { call, run } = startPipeline({ op: { handler: () => ({ ran: true }) } }, { pressure });
  await expect(run(call('op', { credential: { principal: principal(() => true) } }))).resolves.toMatchObject({
    output: { ran: true },
  });
});

test('waits are spread over as long again, grow with what is refused, and are told in the envelope', async () => {
  const { env, load, pressure } = start();
  load.set(full);
  const waits = Array.from({ length: 500 }, () => pressure.refusal('write', env.clock.monotonicMs())!.retryAfterMs!);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_250);
  expect(Math.max(...waits)).toBeLessThan(2_500);
  expect(new Set(waits).size).toBeGreaterThan(8);
});

test('thousands of refusals are one line of the log', () => {
  const { env, load, lines, pressure } = start();
  load.set(full);
  for (let at = 0; at < 5_000; at += 1) pressure.refusal('read', env.clock.monotonicMs());
  expect(lines).toHaveLength(0);
  pressure.drain();
  expect(lines).toEqual([expect.objectContaining({ shed: 5_000, reason: 'heap' })]);
});

test('calls in flight count until they end', () => {
  const { env, pressure } = start();
  const at = (nowMs: number) => pressure.refusal('write', nowMs)?.details?.['gate'];
  const nowMs = env.clock.monotonicMs();
  for (let calls = 0; calls < 7; calls += 1) pressure.inflight(1);
  expect(at(nowMs + 100)).toBe('inflight');
  for (let calls = 0; calls < 2; calls += 1) pressure.inflight(-1);
  expect(at(nowMs + 200)).toBeUndefined();
});

test('who stood too long in his own line is refused, whatever the node can take; a write first', () => {
  const { env, pressure } = start();
  const nowMs = env.clock.monotonicMs();
  expect(pressure.refusal('write', nowMs, 249)).toBeUndefined();
  expect(pressure.refusal('write', nowMs, 250)).toMatchObject({
    code: 'unavailable',
    details: { gate: 'queue_delay' },
  });
  expect(pressure.refusal('read', nowMs, 499)).toBeUndefined();
  expect(pressure.refusal('read', nowMs, 500)).toBeInstanceOf(RonError);
  expect(pressure.refusal('write', nowMs)).toBeUndefined();
  expect(pressure.gates().every(({ ok }) => ok)).toBe(true);
});

test('readiness names every signal with its value and bound, and is red while reads are served', () => {
  const { env, load, pressure } = start();
  expect(pressure.gates().map(({ gate, ok }) => [gate, ok])).toEqual([
    ['pressure', true],
    ['loop_delay', true],
    ['inflight', true],
    ['heap', true],
  ]);
  load.set({ heapUsedBytes: 86, heapLimitBytes: 100 });
  const nowMs = env.clock.monotonicMs() + 1_000;
  expect(pressure.refusal('write', nowMs)).toBeInstanceOf(RonError);
  expect(pressure.refusal('read', nowMs)).toBeUndefined();
  expect(pressure.gates()).toEqual([
    expect.objectContaining({ gate: 'pressure', ok: false, bound: 1 }),
    { gate: 'loop_delay', ok: true, value: 0, bound: 25 },
    { gate: 'inflight', ok: true, value: 0, bound: 7 },
    { gate: 'heap', ok: false, value: 0.86, bound: 0.85, reason: '0.86 of 0.85 of the heap' },
  ]);
});

test('after the drain began every kind is refused, and the gate says why', () => {
  const { env, pressure } = start();
  pressure.drain();
  for (const kind of ['write', 'costly', 'read', 'free'] as const) {
    expect(pressure.refusal(kind, env.clock.monotonicMs())).toMatchObject({
      code: 'unavailable',
      retryAfterMs: 1_000,
      details: { gate: 'draining' },
    });
  }
});

test('of the public API, what frees something goes last, and who needs no right goes with the costly unless it says otherwise', () => {
  const kinds = Object.groupBy(Object.keys(gatewayContract.operations), (name) =>
    shedKindOf((gatewayContract.operations as Readonly<Record<string, Operation>>)[name]!),
  );
  expect(kinds.free).toEqual([
    'upload_abort',
    'remove_name',
    'mailbox_ack',
    'mailbox_nack',
    'mailbox_extend',
    'mailbox_remove',
    'mailbox_purge',
  ]);
  expect(kinds.costly).toEqual(expect.arrayContaining(['upload_options', 'list_names', 'history']));
  expect(kinds.write).toEqual(expect.arrayContaining(['put', 'upload_write', 'mailbox_send', 'collect']));
  expect(kinds.read).toEqual(expect.arrayContaining(['get', 'has', 'resolve', 'whoami']));
});
