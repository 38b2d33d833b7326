import type { NetAddress } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { limits } from '@ron/oap';
import type { Operation } from '@ron/proto/contract';
import type { ByteStream } from '@ron/proto/stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { OapLink } from './bind-oap-client.ts';
import { bindOapServer } from './bind-oap-server.ts';
import { readWhole } from './bodies.ts';
import type { DispatcherOptions } from './dispatcher.ts';
import { principal, testHost } from './testing/echo-service.ts';
import { type AnyHandler, startPipeline } from './testing/pipeline.ts';
import { silence } from './testing/silence.ts';
import { loadCompiler } from './validators.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

const address: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 9_000 };
type AnyPeer = Record<string, (input: unknown, options?: unknown) => Promise<{ output: unknown; body: ByteStream }>>;

/** A pipeline behind OAP and a link to it, in one simulated world. */
async function start(
  operations: Readonly<Record<string, Partial<Operation> & { readonly handler: AnyHandler }>>,
  options: Partial<DispatcherOptions> = {},
) {
  const env = createSimEnv({ seed: 1 });
  const host = testHost({ env });
  const { dispatcher, contract } = startPipeline(operations, { env, metrics: host.metrics, ...options });
  const run = <T>(work: Promise<T>) => env.scheduler.settle(work);
  const listener = await run(
    bindOapServer({
      ...host,
      address,
      dispatchers: [dispatcher],
      identity: { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 },
    }),
  );
  const link = new OapLink({ env, address, capability: () => undefined });
  const peer = link.peer(contract) as never as AnyPeer;
  return { env, host, dispatcher, run, listener, link, peer, contract };
}

async function* pieces(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes);
}

describe('what never comes', () => {
  test('a body: the handler and the caller are told after ten seconds, and the slot is free', async () => {
    const { env, run, peer, dispatcher } = await start({
      op: { body: 'in', handler: async (_input, { body }) => ({ size: (await readWhole(body, 1e9)).byteLength }) },
    });
    const { state, body } = silence();
    const startMs = env.clock.monotonicMs();
    await expect(run(peer['op']!({}, { body }))).rejects.toMatchObject({ code: 'request_timeout' });
    expect(env.clock.monotonicMs() - startMs).toBeLessThan(13_000);
    expect(state.left).toBe(1);
    expect(dispatcher.inflight).toBe(0);
    expect(await run(peer['op']!({}, { body: pieces(3, 100_000) }))).toEqual({ size: 300_000 });
  });

  test('a body that drips below 1 KiB/s is cut, one above it is not', async () => {
    const { env, run, peer } = await start({
      op: { body: 'in', handler: async (_input, { body }) => ({ size: (await readWhole(body, 1e9)).byteLength }) },
    });
    const dripping = async function* (bytes: number) {
      for (let second = 0; second < 40; second += 1) {
        await new Promise<void>((resolve) => env.clock.after(1_000, resolve));
        yield new Uint8Array(bytes);
      }
    };
    await expect(run(peer['op']!({}, { body: dripping(500) }))).rejects.toMatchObject({ code: 'request_timeout' });
    expect(await run(peer['op']!({}, { body: dripping(2_000) }))).toEqual({ size: 80_000 });
  });

  test('an answer: the caller has the operation’s own deadline even if the callee keeps none', async () => {
    const { env, run, peer } = await start({
      op: { limits: { timeoutMs: 100_000 }, handler: () => new Promise(() => undefined) },
    });
    const startMs = env.clock.monotonicMs();
    await expect(run(peer['op']!({}))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(env.clock.monotonicMs() - startMs).toBeLessThan(102_000);
  });

  test('a reader: its answer is let go after a minute, and the source is told', async () => {
    let left = 0;
    const { env, run, peer, dispatcher, host } = await start({
      op: {
        body: 'out',
        handler: () => ({
          output: {},
          body: (async function* () {
            try {
              yield* pieces(1_000, 65_536);
            } finally {
              left += 1;
            }
          })(),
        }),
      },
    });
    const { body } = await run(peer['op']!({}));
    await env.scheduler.runFor(55_000);
    expect(dispatcher.inflight).toBe(1);
    await env.scheduler.runFor(10_000);
    expect(dispatcher.inflight).toBe(0);
    expect(left).toBe(1);
    expect(host.metrics.read('requests_total', { service: 'probe', op: 'op', code: 'abandoned' })).toBe(1);
    await expect(run(readWhole(body, 1e9))).rejects.toMatchObject({ code: 'request_timeout' });
  });
});

describe('a caller that leaves', () => {
  test('while it is asked who it is: its handler finds that nobody waits', async () => {
    const asked = Promise.withResolvers<void>();
    const known = Promise.withResolvers<ReturnType<typeof principal>>();
    const authenticate = () => {
      asked.resolve();
      return known.promise;
    };
    let aborted: boolean | undefined;
    const handler: AnyHandler = (_input, { context }) => {
      aborted = context.signal.aborted;
      return {};
    };
    const { run, peer, link, env } = await start({ op: { handler } }, { authenticator: { authenticate } });
    const call = peer['op']!({}).catch(() => undefined);
    await run(asked.promise);
    await run(link[Symbol.asyncDispose]());
    await env.scheduler.runFor(1_000);
    known.resolve(principal(() => true));
    await run(call);
    await env.scheduler.runFor(1_000);
    expect(aborted).toBe(true);
  });

  test('in the middle of its body: the handler gets an error, never a body that ends short', async () => {
    let outcome: unknown;
    const { run, peer, link, dispatcher, env } = await start({
      op: {
        body: 'in',
        handler: async (_input, { body }) => {
          outcome = await readWhole(body, 1e9).then(
            (bytes) => `stored ${bytes.byteLength}`,
            (error) => error.code,
          );
          return {};
        },
      },
    });
    const body = (async function* () {
      yield* pieces(3, 1_000);
      await new Promise<void>((resolve) => env.clock.after(500, resolve));
      await link[Symbol.asyncDispose]();
      yield* pieces(3, 1_000);
    })();
    await expect(run(peer['op']!({}, { body }))).rejects.toMatchObject({ code: 'unavailable' });
    await env.scheduler.runFor(1_000);
    expect(outcome).toBe('request_timeout');
    expect(dispatcher.inflight).toBe(0);
  });

  test('during its answer: the source is told while it waits', async () => {
    const { state, body } = silence();
    const { run, peer, env, dispatcher } = await start({ op: { body: 'out', handler: () => ({ output: {}, body }) } });
    const reply = await run(peer['op']!({}));
    expect(dispatcher.inflight).toBe(1);
    await reply.body[Symbol.asyncIterator]().return!();
    await env.scheduler.runFor(1_000);
    expect(state.left).toBe(1);
    expect(dispatcher.inflight).toBe(0);
  });
});

describe('the link', () => {
  test('many first calls share one connection, and so do those after it was lost', async () => {
    const { env, run, peer, host, listener, contract, dispatcher } = await start({
      op: { handler: () => ({ ok: true }) },
    });
    await run(Promise.all(Array.from({ length: 50 }, () => peer['op']!({}))));
    expect(host.metrics.read('oap_connections')).toBe(1);
    const gone = run(listener.close(0));
    await gone;
    await env.scheduler.runFor(1_000);
    await expect(run(peer['op']!({}))).rejects.toMatchObject({ code: 'unavailable' });
    expect(contract.name).toBe('probe');
    const again = await run(
      bindOapServer({
        ...host,
        address,
        dispatchers: [dispatcher],
        identity: { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 },
      }),
    );
    await run(Promise.all(Array.from({ length: 50 }, () => peer['op']!({}))));
    expect(host.metrics.read('oap_connections')).toBe(1);
    await run(again.close(0));
  });

  test('after its end it dials no more, and a call that is late already is not sent', async () => {
    const { run, peer, link, env } = await start({ op: { handler: () => ({}) } });
    const context = { corrId: 'corr-id-1', tenant: '', deadlineMs: env.clock.monotonicMs() };
    await expect(run(peer['op']!({}, { context }))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await run(Promise.resolve(link[Symbol.asyncDispose]()));
    await expect(run(peer['op']!({}))).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('the listener', () => {
  test('refuses new calls while it drains, and lets running ones end', async () => {
    let finish: (output: object) => void = () => undefined;
    const { env, run, peer, listener } = await start({
      slow: {
        handler: () =>
          new Promise((resolve) => {
            finish = resolve;
          }),
      },
      op: { handler: () => ({}) },
    });
    const running = peer['slow']!({});
    await env.scheduler.runFor(500);
    const closed = listener.close(5_000);
    await expect(run(peer['op']!({}))).rejects.toMatchObject({ code: 'unavailable' });
    finish({ ok: true });
    expect(await run(running)).toEqual({ ok: true });
    await run(closed);
  });

  test('takes 64 connections from one address', async () => {
    const { env, run, host } = await start({ op: { handler: () => ({}) } });
    const pipes = [];
    for (let index = 0; index < limits.connectionsPerAddressMax + 2; index += 1) {
      pipes.push(await run(env.net.dial(address, 1_000)));
    }
    await env.scheduler.runFor(100);
    expect(host.metrics.read('oap_connections')).toBe(limits.connectionsPerAddressMax);
    expect(host.metrics.read('rejected_total', { service: 'oap', reason: 'over_capacity' })).toBe(2);
    for (const pipe of pipes) pipe.destroy();
    await env.scheduler.runFor(1_000);
    expect(host.metrics.read('oap_connections')).toBe(0);
  });

  test('an answer that fits no frame is told and leaves nothing in flight', async () => {
    const { run, peer, dispatcher } = await start({
      op: { body: 'out', handler: () => ({ output: { text: 'x'.repeat(1_048_576) }, body: pieces(9, 9) }) },
    });
    await expect(run(peer['op']!({}))).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(dispatcher.inflight).toBe(0);
  });
});
