import type { HttpRequest } from '@ron/kernel';
import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, emptyBody } from '@ron/proto/stream';
import { Type } from 'typebox';
import { beforeAll, describe, expect, test } from 'vitest';
import { bindHttp } from './bind-http.ts';
import { bindLocal } from './bind-local.ts';
import { readWhole } from './bodies.ts';
import { principal } from './testing/echo-service.ts';
import { type AnyHandler, startPipeline } from './testing/pipeline.ts';
import { silence } from './testing/silence.ts';
import { loadCompiler } from './validators.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

const stopping = { code: 'unavailable', retryAfterMs: 1_000, details: { gate: 'draining' } };

/** Never answers; ends as its signal says. */
const poll: AnyHandler = (_input, { context }) =>
  new Promise((_resolve, reject) => {
    context.signal.addEventListener('abort', () => reject(context.signal.reason));
  });

function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'ok',
    ({ code, details }) => [code, details?.gate],
  );
}

/** What it was refused with. Not `run`, which would let time pass until the call is late. */
function refusalOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error) => error,
  );
}

describe('the ceiling of those that wait', () => {
  test('does not count a call that its input says does not wait', async () => {
    const input = Type.Object({ wait_ms: Type.Optional(Type.Integer()) });
    const { call, run, dispatcher, env } = startPipeline(
      { recv: { waits: 'wait_ms', input, handler: poll } },
      { waitingMax: 1, inflightMax: 2 },
    );
    const asked = [{ wait_ms: 9 }, { wait_ms: 0 }, {}].map((fields) => codeOf(call('recv', { input: fields })));
    await env.scheduler.runFor(1);
    expect(dispatcher.inflight).toBe(3);
    expect(await run(codeOf(call('recv', { input: { wait_ms: 1 } })))).toEqual(['unavailable', 'waiting']);
    expect(await run(codeOf(call('recv')))).toEqual(['unavailable', 'inflight']);
    dispatcher.abort(new RonError('unavailable', 'over'));
    await run(Promise.all(asked));
  });

  test('holds at -1, 0 and +1 of it, and is not that of those that work', async () => {
    const { call, run, dispatcher, env, metrics } = startPipeline(
      { poll: { waits: true, handler: poll }, work: { handler: poll } },
      { waitingMax: 3, inflightMax: 2 },
    );
    const running = [call('poll'), call('poll'), call('work'), call('poll'), call('work')].map(codeOf);
    await env.scheduler.runFor(1);
    expect(dispatcher.inflight).toBe(5);
    expect(metrics.read('inflight', { service: 'probe' })).toBe(5);
    await expect(run(call('poll'))).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterMs: 250,
      details: { gate: 'waiting' },
    });
    expect(await run(codeOf(call('work')))).toEqual(['unavailable', 'inflight']);
    dispatcher.abort(new RonError('unavailable', 'over'));
    await run(Promise.all(running));
    expect(dispatcher.inflight).toBe(0);
  });

  test('is 4,096', async () => {
    const { call, run, dispatcher, env } = startPipeline({ poll: { waits: true, handler: poll } });
    const running = Array.from({ length: 4_096 }, () => codeOf(call('poll')));
    await env.scheduler.runFor(1);
    expect(dispatcher.inflight).toBe(4_096);
    expect(await run(codeOf(call('poll')))).toEqual(['unavailable', 'waiting']);
    void dispatcher.drain();
    expect(new Set((await run(Promise.all(running))).map(String))).toEqual(new Set(['unavailable,draining']));
  });
});

describe('draining', () => {
  test('ends what waits at once, while what works is left to end by itself', async () => {
    const { call, run, dispatcher, env } = startPipeline({
      poll: { waits: true, handler: poll },
      work: { handler: () => new Promise((resolve) => env.clock.after(1_000, () => resolve({}))) },
    });
    const refused = refusalOf(call('poll'));
    const working = codeOf(call('work'));
    await env.scheduler.runFor(1);
    const drained = dispatcher.drain();
    expect(await refused).toMatchObject(stopping);
    expect(env.clock.monotonicMs()).toBeLessThan(1_000);
    expect(dispatcher.inflight).toBe(1);
    expect(await run(codeOf(call('poll')))).toEqual(['unavailable', 'draining']);
    await run(drained);
    expect(await working).toBe('ok');
  });

  test('ends a stream that waits: one that is being read fails, and one that nobody reads is over', async () => {
    const { state, body } = silence();
    const { call, run, dispatcher, metrics } = startPipeline({
      sub: { waits: true, body: 'out', handler: () => ({ output: {}, body }) },
    });
    const read = await run(call('sub'));
    const unread = await run(call('sub'));
    const reading = expect(readWhole(read.body!, 10)).rejects.toMatchObject(stopping);
    expect(dispatcher.inflight).toBe(2);
    await dispatcher.drain();
    await reading;
    await expect(readWhole(unread.body!, 10)).rejects.toMatchObject(stopping);
    expect(state.left).toBe(2);
    expect(dispatcher.inflight).toBe(0);
    expect(metrics.read('requests_total', { service: 'probe', op: 'sub', code: 'unavailable' })).toBe(2);
    unread.release();
    await dispatcher.drain();
  });

  test('ends a reply that comes after it', async () => {
    const { state, body } = silence();
    const reply = Promise.withResolvers<unknown>();
    const { call, run, dispatcher } = startPipeline({
      sub: { waits: true, body: 'out', handler: () => reply.promise },
    });
    const outgoing = call('sub');
    const drained = dispatcher.drain();
    reply.resolve({ output: {}, body });
    await expect(run(readWhole((await outgoing).body!, 10))).rejects.toMatchObject(stopping);
    await drained;
    expect(state.left).toBe(1);
  });
});

describe('a stream that waits', () => {
  test('has no deadline', async () => {
    const { call, run, env } = startPipeline({
      sub: {
        waits: true,
        body: 'out',
        handler: () => ({
          output: {},
          body: (async function* () {
            for (let index = 0; index < 3; index += 1) {
              await new Promise<void>((resolve) => env.clock.after(600_000, resolve));
              yield new Uint8Array(3);
            }
          })(),
        }),
      },
    });
    const { body } = await run(call('sub', { timeoutMs: 1_000 }));
    expect((await run(readWhole(body!, 100))).byteLength).toBe(9);
    expect(env.clock.monotonicMs()).toBeGreaterThanOrEqual(3 * 600_000);
  });

  test('fails with its source, and its reader may leave before, while and after it asks', async () => {
    const error = new Error('broken');
    const broken = (async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
      throw error;
    })();
    const silent = [silence(), silence()];
    const bodies: ByteStream[] = [broken, ...silent.map(({ body }) => body)];
    const { call, run, dispatcher } = startPipeline({
      sub: { waits: true, body: 'out', handler: () => ({ output: {}, body: bodies.shift()! }) },
    });
    await expect(run(readWhole((await run(call('sub'))).body!, 10))).rejects.toBe(error);
    const unbegun = (await run(call('sub'))).body![Symbol.asyncIterator]();
    await unbegun.return!();
    await unbegun.return!();
    expect(await unbegun.next()).toMatchObject({ done: true });
    const asked = await run(call('sub'));
    const pending = asked.body![Symbol.asyncIterator]().next();
    const settled = pending.then(
      () => 'over',
      ({ code }) => code,
    );
    asked.release();
    expect(await settled).toBe('request_timeout');
    expect(silent.map(({ state }) => state)).toEqual([
      { asked: 0, left: 1 },
      { asked: 1, left: 1 },
    ]);
    expect(dispatcher.inflight).toBe(0);
  });

  test('over HTTP: the source is told that its client left while it is silent', async () => {
    const { state, body } = silence();
    const { env, dispatcher } = startPipeline({
      sub: {
        waits: true,
        body: 'out',
        http: [{ method: 'GET', path: '/sub', reply: 'stream' }],
        handler: () => ({ output: {}, body }),
      },
    });
    const http = bindHttp({ env, dispatchers: [dispatcher], ops: () => undefined });
    let leave: () => void = () => undefined;
    const request: HttpRequest = {
      method: 'GET',
      target: '/sub',
      headers: {},
      body: emptyBody,
      remote: 'x',
      onAbort: (callback) => {
        leave = callback;
      },
    };
    const response = await http(request);
    const pending = (response.body as ByteStream)[Symbol.asyncIterator]().next();
    const ended = expect(pending).rejects.toMatchObject({ code: 'request_timeout' });
    expect(dispatcher.inflight).toBe(1);
    leave();
    await ended;
    expect(state).toEqual({ asked: 1, left: 1 });
    expect(dispatcher.inflight).toBe(0);
  });
});

describe('one that waits for another service', () => {
  /** As a gateway passes on to its mailboxes. */
  function chain(source: () => ByteStream) {
    const below = startPipeline({
      poll: { waits: true, handler: poll },
      sub: { waits: true, body: 'out', handler: () => ({ output: {}, body: source() }) },
    });
    const { env } = below;
    const rights = principal(() => true, 'above');
    const peer = bindLocal(below.contract, () => below.dispatcher, rights, env) as never as Record<
      string,
      (input: unknown, options: { readonly context: CallContext }) => Promise<unknown>
    >;
    const above = startPipeline(
      {
        poll: { waits: true, handler: (_input, { context }) => peer['poll']!({}, { context }) },
        sub: { waits: true, body: 'out', handler: (_input, { context }) => peer['sub']!({}, { context }) },
      },
      { env },
    );
    return { above, below, env };
  }

  test.each(['above', 'below'] as const)('ends with the drain of the one %s', async (which) => {
    const { state, body } = silence();
    const { above, below, env } = chain(() => body);
    const { body: stream } = await above.run(above.call('sub'));
    const refused = [refusalOf(above.call('poll')), refusalOf(readWhole(stream!, 10))];
    await env.scheduler.runFor(1);
    expect([above.dispatcher.inflight, below.dispatcher.inflight]).toEqual([2, 2]);
    await (which === 'above' ? above : below).dispatcher.drain();
    expect(await Promise.all(refused)).toMatchObject([stopping, stopping]);
    expect([above.dispatcher.inflight, below.dispatcher.inflight]).toEqual([0, 0]);
    expect(state.left).toBe(1);
    expect(env.clock.monotonicMs()).toBeLessThan(1_000);
  });

  test('ends when the caller of the one above leaves', async () => {
    const { above, below, env } = chain(() => emptyBody);
    let context: { abort(reason: unknown): void } | undefined;
    const incoming = { operation: 'poll', input: {}, credential: {}, corrId: 'corr-id-1', remote: 'test' };
    const refused = refusalOf(
      above.dispatcher.dispatch(incoming, (started) => {
        context = started;
      }),
    );
    await env.scheduler.runFor(1);
    context!.abort(new RonError('request_timeout', 'the caller left'));
    expect(await refused).toMatchObject({ code: 'request_timeout' });
    expect(below.dispatcher.inflight).toBe(0);
  });
});

test('a service that remembers idempotency keys itself sees every call and its key', async () => {
  const seen: unknown[] = [];
  const remember: AnyHandler = (_input, { context }) => ({ n: seen.push(context.idempotencyKey) });
  const { call, run } = startPipeline({
    own: { mutation: true, idempotency: 'handler', handler: remember },
    pipeline: { mutation: true, handler: remember },
  });
  const outputs = [];
  for (const operation of ['own', 'own', 'pipeline', 'pipeline']) {
    outputs.push((await run(call(operation, { idempotencyKey: 'k1' }))).output);
  }
  expect(outputs).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 3 }]);
  expect(seen).toEqual(['k1', 'k1', 'k1']);
});
