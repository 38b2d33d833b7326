import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import { beforeAll, describe, expect, test } from 'vitest';
import { bindOapServer } from './bind-oap-server.ts';
import { OapPool } from './oap-pool.ts';
import { testHost } from './testing/echo-service.ts';
import { type AnyHandler, startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

const address = { kind: 'tcp', host: '127.0.0.1', port: 9_000 } as const;
const identity = { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 };

interface Server extends AsyncDisposable {
  readonly calls: string[];
}

/** A process that answers `read` and `change` with `answer`, on virtual time. */
async function serve(env: SimEnv, answer: (op: string) => unknown = () => ({})): Promise<Server> {
  const calls: string[] = [];
  const handler =
    (op: string): AnyHandler =>
    () => {
      calls.push(op);
      return answer(op);
    };
  const { dispatcher } = startPipeline(
    { read: { handler: handler('read') }, change: { mutation: true, handler: handler('change') } },
    { env },
  );
  const host = testHost({ env });
  const listener = await bindOapServer({ ...host, address, dispatchers: [dispatcher], identity });
  return { calls, [Symbol.asyncDispose]: () => listener.close(0) };
}

function start() {
  const env = createSimEnv({ seed: 7 });
  const pool = new OapPool({ env, address, capability: () => undefined });
  const { contract } = startPipeline({
    read: { handler: () => ({}) },
    change: { handler: () => ({}), mutation: true },
  });
  const peer = pool.peer(contract) as unknown as Record<'read' | 'change', (input: object) => Promise<object>>;
  return { env, pool, peer, run: <T>(work: Promise<T>) => env.scheduler.settle(work) };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: RonError) => error.code,
  );

describe('a pool of connections', () => {
  test('waits for a process that is not there yet', async () => {
    const { env, peer, run } = start();
    const early = peer.read({});
    env.clock.after(2_000, () => void serve(env));
    expect(await run(early)).toEqual({});
    expect(env.clock.monotonicMs()).toBeGreaterThanOrEqual(2_000);
  });

  test('gives up after its patience', async () => {
    const { env, peer, run } = start();
    expect(await run(codeOf(peer.read({})))).toBe('unavailable');
    expect(env.clock.monotonicMs()).toBeGreaterThanOrEqual(5_000);
    expect(env.clock.monotonicMs()).toBeLessThan(6_000);
  });

  test('ends at the deadline of the call, as such, and as soon as its caller leaves', async () => {
    for (const how of ['deadline', 'leaving'] as const) {
      const { env, pool, run } = start();
      const leaving = new AbortController();
      env.clock.after(100, () => how === 'leaving' && leaving.abort(new Error('left')));
      const call = { app: 1, operation: 'read', input: {}, corrId: 'c', signal: leaving.signal };
      const asked = pool.call(how === 'deadline' ? { ...call, timeoutMs: 100 } : call, {});
      expect(await run(codeOf(asked))).toBe('deadline_exceeded');
      expect(env.clock.monotonicMs()).toBeLessThan(150);
    }
  });

  test('sends a read again when its process has gone, and a change never', async () => {
    for (const [op, calls, outcome] of [
      ['read', ['read'], 'ok'],
      ['change', [], 'unavailable'],
    ] as const) {
      const { env, peer, run } = start();
      const dying = await run(serve(env, () => new Promise(() => undefined)));
      const asked = codeOf(peer[op]({}));
      env.clock.after(100, () => void dying[Symbol.asyncDispose]());
      let next: Promise<Server> | undefined;
      env.clock.after(300, () => {
        next = serve(env);
      });
      expect(await run(asked)).toBe(outcome);
      await run(new Promise<void>((resolve) => env.clock.after(300, resolve)));
      expect((await next!).calls).toEqual(calls);
    }
  });

  test('what a stopping process refuses goes to its successor, a change too', async () => {
    const { env, peer, run } = start();
    let refusals = 1;
    const server = await run(
      serve(env, () => {
        if (refusals-- > 0) throw new RonError('unavailable', 'it stops', { details: { gate: 'draining' } });
        return {};
      }),
    );
    expect(await run(peer.change({}))).toEqual({});
    expect(server.calls).toEqual(['change', 'change']);
  });

  test('is told of a refusal without the corr_id of its own wire', async () => {
    const { env, peer, run } = start();
    await run(
      serve(env, () => {
        throw new RonError('conflict', 'no', { details: { version: 3 } });
      }),
    );
    await expect(run(peer.change({}))).rejects.toMatchObject({ code: 'conflict', details: { version: 3 } });
    await expect(run(peer.change({}))).rejects.not.toHaveProperty('details.corr_id');
  });

  test('holds calls back while it is paused, and lets them go on', async () => {
    const { env, pool, peer, run } = start();
    const server = await run(serve(env));
    pool.pause();
    const held = [peer.read({}), peer.change({})];
    // Longer than for a peer that has gone: a replacement on a busy machine takes its time.
    await run(new Promise<void>((resolve) => env.clock.after(29_000, resolve)));
    expect(server.calls).toEqual([]);
    pool.resume();
    await run(Promise.all(held));
    expect(server.calls.sort()).toEqual(['change', 'read']);
    pool.pause();
    expect(await run(codeOf(peer.read({})))).toBe('unavailable');
  });

  test('opens further connections when one has much to do, and never more than it may', async () => {
    const env = createSimEnv({ seed: 7 });
    const run = <T>(work: Promise<T>) => env.scheduler.settle(work);
    const metrics = testHost().metrics;
    const { dispatcher, contract } = startPipeline(
      { read: { handler: () => new Promise((resolve) => env.clock.after(500, () => resolve({}))) } },
      { env },
    );
    await run(bindOapServer({ ...testHost({ env }), metrics, address, dispatchers: [dispatcher], identity }));
    const pool = new OapPool({ env, address, capability: () => undefined, connectionsMax: 3 });
    const peer = pool.peer(contract) as unknown as Record<'read', (input: object) => Promise<object>>;
    await run(peer.read({}));
    const many = Promise.all(Array.from({ length: 300 }, () => peer.read({})));
    await run(new Promise<void>((resolve) => env.clock.after(100, resolve)));
    const late = Promise.all(Array.from({ length: 100 }, () => peer.read({})));
    await run(many);
    await run(late);
    const open = Number(/^oap_connections (\d+)/m.exec(await metrics.exposition())?.[1]);
    expect(open).toBeGreaterThan(1);
    expect(open).toBeLessThanOrEqual(3);
  });

  test('that is disposed refuses', async () => {
    const { env, pool, peer, run } = start();
    await run(serve(env));
    await run(peer.read({}));
    await run(pool[Symbol.asyncDispose]());
    expect(await run(codeOf(peer.read({})))).toBe('unavailable');
  });
});
