import type { HttpRequest } from '@ron/kernel';
import { createSettableLoad } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { Type } from 'typebox';
import { beforeAll, describe, expect, test } from 'vitest';
import { bindHttp } from './bind-http.ts';
import { readWhole } from './bodies.ts';
import type { Pressure } from './pressure-gate.ts';
import { createPressure } from './pressure-gate.ts';
import { silentLog } from './testing/echo-service.ts';
import { type AnyHandler, startPipeline } from './testing/pipeline.ts';
import { silence } from './testing/silence.ts';
import { loadCompiler } from './validators.ts';

beforeAll(loadCompiler);

const take: AnyHandler = async (_input, { body }) => ({ bytes: (await readWhole(body, 100)).byteLength });
const give: AnyHandler = () => ({ output: {}, body: pieces() });

const operations = {
  put: { mutation: true, body: 'in', handler: take },
  get: { body: 'out', handler: give },
  work: { mutation: true, handler: () => ({}) },
} as const;

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < 3; count += 1) yield new Uint8Array(4);
}

/** Counts what a pipeline tells it of calls that work. */
function countingPressure() {
  const state = { working: 0 };
  const pressure: Pressure = {
    refusal: () => undefined,
    inflight(change) {
      state.working += change;
    },
    drain: () => undefined,
    gates: () => [],
    [Symbol.dispose]: () => undefined,
  };
  return { state, pressure };
}

describe('a call that waits for its client', () => {
  test('keeps nobody from working, whether its body does not come or its reader does not take it', async () => {
    const { state, pressure } = countingPressure();
    const { call, run, dispatcher, env, metrics } = startPipeline(operations, {
      inflightMax: 8,
      heldMax: 100,
      pressure,
    });
    const bodies = Array.from({ length: 20 }, () => call('put', { body: silence().body }).catch(({ code }) => code));
    const readers = [];
    for (let count = 0; count < 20; count += 1) readers.push(await run(call('get')));
    for (const { body } of readers) await body![Symbol.asyncIterator]().next();
    await env.scheduler.runFor(1);
    expect(dispatcher.inflight).toBe(40);
    expect(state.working).toBe(0);
    await metrics.exposition();
    expect(metrics.read('inflight', { service: 'probe' })).toBe(40);
    expect(metrics.read('inflight_held', { service: 'probe' })).toBe(40);
    await expect(run(call('work'))).resolves.toMatchObject({ output: {} });
    for (const { release } of readers) release();
    expect(new Set(await run(Promise.all(bodies)))).toEqual(new Set(['deadline_exceeded']));
    expect([dispatcher.inflight, state.working]).toEqual([0, 0]);
    await metrics.exposition();
    expect(metrics.read('inflight_held', { service: 'probe' })).toBe(0);
  });

  test('works while it makes something of a piece, and while its reader waits for the next', async () => {
    const { state, pressure } = countingPressure();
    const seen: number[] = [];
    const source = async function* (): AsyncGenerator<Uint8Array> {
      seen.push(state.working);
      yield new Uint8Array(1);
      seen.push(state.working);
    };
    const consume: AnyHandler = async (_input, { body }) => {
      for await (const _piece of body) seen.push(state.working);
      seen.push(state.working);
      return {};
    };
    const { call, run } = startPipeline(
      {
        put: { mutation: true, body: 'in', handler: consume },
        get: { body: 'out', handler: () => ({ output: {}, body: source() }) },
      },
      { pressure },
    );
    await run(call('put', { body: pieces() }));
    expect(seen.splice(0)).toEqual([1, 1, 1, 1]);
    await run(readWhole((await run(call('get'))).body!, 10));
    expect(seen).toEqual([1, 1]);
    expect(state.working).toBe(0);
  });

  test('counts as work past the bound of those that wait', async () => {
    const { call, run, env, dispatcher } = startPipeline(operations, { inflightMax: 8, heldMax: 2 });
    const bodies = Array.from({ length: 9 }, () => call('put', { body: silence().body }).catch(({ code }) => code));
    await env.scheduler.runFor(1);
    expect(dispatcher.inflight).toBe(9);
    await expect(run(call('work'))).rejects.toMatchObject({ details: { gate: 'inflight' } });
    dispatcher.abort(new RonError('unavailable', 'over'));
    await run(Promise.all(bodies));
  });
});

test('under pressure a call over HTTP is refused before its JSON is read, and counted once', async () => {
  const load = createSettableLoad();
  load.set({ heapUsedBytes: 99, heapLimitBytes: 100 });
  const first = startPipeline({ op: { handler: () => ({}) } });
  const pressure = createPressure({
    env: first.env,
    load,
    metrics: first.metrics,
    log: silentLog,
    limits: () => ({
      loopDelayMs: 40,
      queueDelayMs: 250,
      queuedMin: 1,
      inflightMax: 512,
      heapShare: 0.85,
      dwellMs: 250,
    }),
  });
  const { dispatcher, env, metrics } = startPipeline(
    {
      op: {
        input: Type.Object({ n: Type.Integer() }),
        http: [{ method: 'POST', path: '/op', json: true, reply: 'json' }],
        handler: () => ({}),
      },
    },
    { pressure },
  );
  const handler = bindHttp({ env, dispatchers: [dispatcher], ops: () => undefined });
  let asked = 0;
  const body: ByteStream = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: asked++ > 0, value: new TextEncoder().encode('{"n":1}') }) as never,
    }),
  };
  const headers = { 'content-length': '7' };
  const request: HttpRequest = { method: 'POST', target: '/op', headers, body, remote: 'x', onAbort: () => undefined };
  expect((await handler(request)).status).toBe(503);
  expect(asked).toBe(0);
  expect(metrics.read('rejected_total', { service: 'probe', reason: 'heap' })).toBe(1);
  load.set({ heapUsedBytes: 1, heapLimitBytes: 100 });
  await first.env.scheduler.runFor(100);
  await env.scheduler.runFor(100);
  expect((await env.scheduler.settle(Promise.resolve(handler(request)))).status).toBe(200);
  expect(metrics.read('rejected_total', { service: 'probe', reason: 'heap' })).toBe(1);
});
