import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import { someAddress, startFront, startGateway, type TestFront } from './fixtures/gateways.ts';

const get = { input: { address: someAddress } };
const change = { input: { name: 'docs', address: someAddress } };

/** Drives virtual time by `stepMs` until the condition holds; how long that took. */
async function timeUntil(env: SimEnv, condition: () => boolean, limitMs = 60_000): Promise<number> {
  const startMs = env.clock.monotonicMs();
  while (!condition()) {
    if (env.clock.monotonicMs() - startMs > limitMs) throw new Error('it never happened');
    await env.scheduler.runFor(10);
  }
  return env.clock.monotonicMs() - startMs;
}

const phaseOf = (front: TestFront, index: number) => front.backends.all[index]!.health.phase;
const whoOf = (name: string) => ({
  get: () => ({ output: { status: 200, address: name, size: 0, cache_control: '' }, body: empty() }),
});
async function* empty(): AsyncGenerator<Uint8Array> {
  yield* [];
}

async function twoGateways(seed: number) {
  const env = createSimEnv({ seed });
  const gateways = [await startGateway(env, whoOf('a')), await startGateway(env, whoOf('b'))];
  const front = startFront(env, gateways, { slow_start_ms: 1 });
  await timeUntil(env, () => front.backends.all.every((backend) => backend.takesCalls));
  return { env, gateways, front };
}

describe('on virtual time', () => {
  test('a front whose own timers are late does not take that for a backend that is slow', async () => {
    const env = createSimEnv({ seed: 1 });
    let answerMs = 0;
    const gateway = await startGateway(env, {
      set_name: () => new Promise((resolve) => void env.clock.after(answerMs, () => resolve({}))),
    });
    const limitAfter = async (lateMs: number): Promise<number> => {
      const after = (ms: number, run: () => void) => env.clock.after(ms + lateMs, run);
      const { wallMs, monotonicMs } = env.clock;
      const clock = { wallMs: wallMs.bind(env.clock), monotonicMs: monotonicMs.bind(env.clock), after };
      const front = startFront({ ...env, clock }, [gateway], { slow_start_ms: 1 });
      await timeUntil(env, () => front.backends.all.every((backend) => backend.takesCalls));
      for (const [ms, rounds] of [
        [1, 5],
        [40, 80],
      ] as const) {
        answerMs = ms;
        let open = 0;
        // More than fit at once: all room is always taken.
        for (let round = 0; round < rounds; round += 1) {
          for (; open < 80; open += 1) {
            const over = (): void => {
              open -= 1;
            };
            front.ask('set_name', change).then(over, over);
          }
          await env.scheduler.runFor(20);
        }
        await timeUntil(env, () => open === 0);
      }
      const { limit } = front.backends.all[0]!.limit;
      front[Symbol.dispose]();
      return limit;
    };
    expect(await limitAfter(0)).toBeLessThan(24);
    expect(await limitAfter(20)).toBeGreaterThanOrEqual(32);
    await gateway.listener.close(0);
  });

  test.each([1, 2, 3])('a backend that is gone is ejected within 2 s, and comes back (%i)', async (seed) => {
    const { env, gateways, front } = await twoGateways(seed);
    const { address } = gateways[0]!.listener;
    await gateways[0]!.listener.close(0);
    expect(await timeUntil(env, () => phaseOf(front, 0) === 'ejected')).toBeLessThanOrEqual(2_000);
    expect(front.backends.all[1]!.takesCalls).toBe(true);
    const again = await startGateway(env, whoOf('a'), address);
    expect(await timeUntil(env, () => phaseOf(front, 0) === 'joining')).toBeLessThanOrEqual(11_000);
    await timeUntil(env, () => phaseOf(front, 0) === 'healthy');
    front[Symbol.dispose]();
    await again.listener.close(0);
  });

  test.each([1, 2, 3])(
    'one that accepts and never answers is ejected within 2 s, and its reads go to another (%i)',
    async (seed) => {
      const { env, gateways, front } = await twoGateways(seed);
      const { address } = gateways[0]!.listener;
      await gateways[0]!.listener.close(0);
      // It takes its place, takes connections, reads what comes and says nothing.
      const silent = await env.net.listen(address, (duplex) => {
        duplex.start({ data: () => undefined, drain: () => undefined, close: () => undefined });
      });
      // Seen as dead first: let it in as if it had answered.
      await timeUntil(env, () => phaseOf(front, 0) === 'ejected');
      await env.scheduler.runFor(600);
      front.backends.all[0]!.note({ kind: 'probe_ok' });
      expect(phaseOf(front, 0)).toBe('joining');
      await env.scheduler.runFor(10);
      const startMs = env.clock.monotonicMs();
      const reads = Promise.all(Array.from({ length: 8 }, () => front.ask('get', get)));
      const answers = await env.scheduler.settle(reads);
      expect(env.clock.monotonicMs() - startMs).toBeLessThanOrEqual(2_000);
      expect(new Set(answers.map(({ output }) => (output as { address: string }).address))).toEqual(new Set(['b']));
      expect(phaseOf(front, 0)).toBe('ejected');
      front[Symbol.dispose]();
      await silent.close(0);
    },
  );

  test('when all are dead every call is refused at once, with the gate', async () => {
    const { env, gateways, front } = await twoGateways(1);
    for (const { listener } of gateways) await listener.close(0);
    await timeUntil(env, () => phaseOf(front, 0) === 'ejected' && phaseOf(front, 1) === 'ejected');
    const beforeMs = env.clock.monotonicMs();
    const error = await env.scheduler.settle(front.ask('get', get).then(undefined, (thrown) => thrown as RonError));
    expect(error).toMatchObject({ code: 'unavailable', details: { gate: 'backends' } });
    expect(env.clock.monotonicMs()).toBe(beforeMs);
    front[Symbol.dispose]();
  });

  test('one whose calls fail stands out and is ejected, but not both', async () => {
    const { env, gateways, front } = await twoGateways(1);
    const fails = {
      get: () => {
        throw new Error('broken');
      },
    };
    gateways[0]!.handlers = fails;
    gateways[1]!.handlers = fails;
    for (let calls = 0; calls < 40; calls += 1)
      await env.scheduler.settle(front.ask('get', get).catch(() => undefined));
    await env.scheduler.runFor(500);
    const phases = [phaseOf(front, 0), phaseOf(front, 1)].toSorted();
    expect(phases[0]).toBe('ejected');
    expect(phases[1]).not.toBe('ejected');
    front[Symbol.dispose]();
  });

  test('calls that are late by their caller’s own deadline do not make a backend stand out; late by the operation’s they do', async () => {
    const { env, gateways, front } = await twoGateways(1);
    for (const { dispatcher } of gateways) {
      const dispatch = dispatcher.dispatch.bind(dispatcher);
      // It says nothing at all to these calls, and answers its probes.
      const silent: typeof dispatch = (incoming, onStart) =>
        incoming.operation === 'get' ? new Promise(() => undefined) : dispatch(incoming, onStart);
      Object.assign(dispatcher, { dispatch: silent });
    }
    const failing = () =>
      front.backends.all.filter((backend) => backend.failsCalls || backend.view().ejections > 0).length;
    const late = async (timeoutMs?: number): Promise<void> => {
      const own = timeoutMs === undefined ? {} : { timeoutMs };
      const calls = Array.from({ length: 12 }, () => front.ask('get', { ...get, ...own }).catch((error) => error));
      const errors = (await env.scheduler.settle(Promise.all(calls))) as RonError[];
      expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['deadline_exceeded']));
    };
    await late(1_000);
    await late(29_999);
    expect(failing()).toBe(0);
    await late(30_000);
    expect(failing()).toBeGreaterThan(0);
    front[Symbol.dispose]();
  });

  test('a retry storm does not double the load: one retry for ten calls', async () => {
    const { env, gateways, front } = await twoGateways(1);
    const refuses = {
      get: () => {
        throw new RonError('unavailable', 'no room', { details: { gate: 'inflight' } });
      },
    };
    for (const gateway of gateways) gateway.handlers = refuses;
    for (let calls = 0; calls < 1_000; calls += 1)
      await env.scheduler.settle(front.ask('get', get).catch(() => undefined));
    const asked = gateways.flatMap((gateway) => gateway.asked).filter(({ operation }) => operation === 'get').length;
    expect(asked).toBeGreaterThan(1_000);
    expect(asked).toBeLessThanOrEqual(1_000 + 100 + 101);
    front[Symbol.dispose]();
  });
});
