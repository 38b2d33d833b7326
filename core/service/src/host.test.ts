import type { Metrics } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { Type } from 'typebox';
import { beforeAll, expect, test } from 'vitest';
import { readWhole } from './bodies.ts';
import type { Running, Service } from './define.ts';
import { hostService } from './host.ts';
import { testHost } from './testing/echo-service.ts';
import { contractOf } from './testing/pipeline.ts';
import { silence } from './testing/silence.ts';
import { loadCompiler } from './validators.ts';

beforeAll(loadCompiler);

const start = {
  config: { current: () => ({}), onChange: () => ({ [Symbol.dispose]: () => undefined }) },
  peers: {},
  engines: undefined,
};
const env = createSimEnv({ seed: 1 });

function serviceOf(running: Partial<Running<never>>, uses: Service['uses'] = {}) {
  const told: string[] = [];
  const contract = contractOf({ op: {} });
  const service: Service = {
    contract,
    config: Type.Object({}),
    uses,
    start: async ({ signal }) => {
      signal.addEventListener('abort', () => told.push('stopping'));
      return {
        handlers: {},
        ...running,
        async [Symbol.asyncDispose]() {
          told.push('disposed');
        },
      } as never;
    },
  };
  return { service, told };
}

const call = { operation: 'op', input: {}, credential: { token: 'all' }, corrId: 'corr-id-1', remote: 'test' };

test('running calls end before the resources go; one that does not end is aborted', async () => {
  const order: string[] = [];
  const { service, told } = serviceOf({
    handlers: {
      op: (_input: unknown, { context }: { context: { signal: AbortSignal } }) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener('abort', () => {
            order.push(`aborted before ${told.length} steps`);
            reject(context.signal.reason);
          });
        }),
    } as never,
  });
  const hosted = await hostService(service, { ...testHost(), env, drainMs: 700 }, start);
  const running = hosted.dispatcher.dispatch(call).catch(({ code }) => code);
  const startMs = env.clock.monotonicMs();
  await env.scheduler.settle(Promise.resolve(hosted[Symbol.asyncDispose]()));
  expect(env.clock.monotonicMs() - startMs).toBe(700);
  expect(await running).toBe('unavailable');
  expect(order).toEqual(['aborted before 0 steps']);
  expect(told).toEqual(['stopping', 'disposed']);
});

test('calls that wait idle do not hold up a stop, streamed or not', async () => {
  const { state, body } = silence();
  const contract = contractOf({ poll: { waits: true }, sub: { waits: true, body: 'out' } });
  const { service } = serviceOf({
    handlers: {
      poll: (_input: unknown, { context }: { context: { signal: AbortSignal } }) =>
        new Promise((_resolve, reject) => {
          context.signal.addEventListener('abort', () => reject(context.signal.reason));
        }),
      sub: () => ({ output: {}, body }),
    } as never,
  });
  const hosted = await hostService(
    { ...service, contract },
    { ...testHost(), env, drainMs: 700, waitingMax: 2 },
    start,
  );
  const polled = hosted.dispatcher.dispatch({ ...call, operation: 'poll' }).catch(({ details }) => details);
  const { body: stream } = await hosted.dispatcher.dispatch({ ...call, operation: 'sub' });
  await expect(hosted.dispatcher.dispatch({ ...call, operation: 'sub' })).rejects.toMatchObject({
    details: { gate: 'waiting' },
  });
  const pending = readWhole(stream!, 1).catch(({ details }) => details);
  const startMs = env.clock.monotonicMs();
  await hosted[Symbol.asyncDispose]();
  expect(env.clock.monotonicMs()).toBe(startMs);
  expect(await Promise.all([polled, pending])).toEqual([{ gate: 'draining' }, { gate: 'draining' }]);
  expect(state.left).toBe(1);
});

test('without calls a stop takes no time', async () => {
  const { service, told } = serviceOf({ handlers: { op: () => ({}) } as never });
  const hosted = await hostService(service, { ...testHost(), env }, start);
  const startMs = env.clock.monotonicMs();
  await hosted[Symbol.asyncDispose]();
  expect(env.clock.monotonicMs()).toBe(startMs);
  expect(told).toEqual(['stopping', 'disposed']);
});

test('a peer that is not given, or a handler that is missing, stops the start and leaves nothing running', async () => {
  const absent = serviceOf({}, { index: contractOf({}) });
  await expect(hostService(absent.service, { ...testHost(), env }, start)).rejects.toThrow('uses index');
  const without = serviceOf({});
  await expect(hostService(without.service, { ...testHost(), env }, start)).rejects.toThrow('no handler for op');
  expect(without.told).toEqual(['disposed']);
});

test('gates carry the name of their service', async () => {
  const metrics: Metrics = testHost().metrics;
  const { service } = serviceOf({ handlers: { op: () => ({}) } as never, gates: () => [{ gate: 'disk', ok: true }] });
  await using hosted = await hostService(service, { ...testHost(), metrics, env }, start);
  expect(hosted.gates()).toEqual([{ gate: 'probe.disk', ok: true }]);
  const plain = await hostService(
    serviceOf({ handlers: { op: () => ({}) } as never }).service,
    { ...testHost(), env },
    start,
  );
  expect(plain.gates()).toEqual([]);
});
