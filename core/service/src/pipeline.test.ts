import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { Type } from 'typebox';
import { beforeAll, describe, expect, test } from 'vitest';
import { bindLocal } from './bind-local.ts';
import { readWhole } from './bodies.ts';
import { principal } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';
import { loadCompiler } from './validators.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

async function* pieces(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes);
}

const drop = ({ body }: { body: ByteStream }) => readWhole(body, 1e9).then(({ byteLength }) => ({ size: byteLength }));

describe('time', () => {
  test('a caller that grants no time, or whose own time is over, is refused before the handler', async () => {
    let ran = 0;
    const { call, run } = startPipeline({ op: { handler: () => ({ ran: ++ran }) } });
    await run(call('op'));
    await expect(run(call('op', { timeoutMs: 0 }))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(ran).toBe(1);
  });

  test('an authenticator that never answers is a late call', async () => {
    const { call, run, dispatcher } = startPipeline(
      { op: { handler: () => ({}) } },
      { authenticator: { authenticate: () => new Promise(() => undefined) } },
    );
    await expect(run(call('op'))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(dispatcher.inflight).toBe(0);
  });

  test('a late handler is told by its signal, and the body of its late answer is let go', async () => {
    let reason: unknown;
    let left = 0;
    const { call, run, env } = startPipeline({
      op: {
        body: 'out',
        handler: (_input, { context }) =>
          new Promise((resolve) => {
            context.signal.addEventListener('abort', () => {
              reason = context.signal.reason;
            });
            env.clock.after(60_000, () =>
              resolve({
                output: {},
                body: {
                  [Symbol.asyncIterator]: () => ({
                    next: async () => ({ done: true, value: undefined }),
                    return: async () => {
                      left += 1;
                      return { done: true, value: undefined };
                    },
                  }),
                },
              }),
            );
          }),
      },
    });
    await expect(run(call('op'))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(reason).toMatchObject({ code: 'deadline_exceeded' });
    await env.scheduler.runUntilIdle();
    expect(left).toBe(1);
  });

  test('a call with a body may take long as long as it moves, and is late five minutes after the last piece', async () => {
    const { call, run, env } = startPipeline({
      op: { body: 'in', handler: async (_input, { body }) => drop({ body }) },
      stuck: { body: 'in', handler: async (_input, call) => drop(call).then(() => new Promise(() => undefined)) },
    });
    const slow = async function* () {
      for (let index = 0; index < 5; index += 1) {
        await new Promise<void>((resolve) => env.clock.after(290_000, resolve));
        yield new Uint8Array(10);
      }
    };
    expect(await run(call('op', { body: slow() }))).toMatchObject({ output: { size: 50 } });
    const startMs = env.clock.monotonicMs();
    await expect(run(call('stuck', { body: pieces(3, 3) }))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(env.clock.monotonicMs() - startMs).toBeLessThan(301_000);
  });
});

describe('bodies', () => {
  const upload = {
    op: { body: 'in' as const, handler: async (_input: never, call: { body: ByteStream }) => drop(call) },
  };

  test('the least of the limits of operation, service and capability holds, at -1, 0 and +1', async () => {
    const cases = [
      [{ bodyBytesMax: 100 }, {}, undefined],
      [{}, { limits: { bodyBytesMax: 100 } }, undefined],
      [{ bodyBytesMax: 500 }, { limits: { bodyBytesMax: 100 } }, undefined],
      [{ bodyBytesMax: 100 }, { limits: { bodyBytesMax: 500 } }, undefined],
      [{}, {}, 100],
    ] as const;
    for (const [limits, as, bodyBytesMax] of cases) {
      const { call, run } = startPipeline(
        { op: { ...upload.op, limits } },
        { as, ...(bodyBytesMax === undefined ? {} : { bodyBytesMax }) },
      );
      for (const bytes of [99, 100]) {
        expect(await run(call('op', { body: pieces(1, bytes) }))).toMatchObject({ output: { size: bytes } });
      }
      await expect(run(call('op', { body: pieces(1, 101) }))).rejects.toMatchObject({
        code: 'payload_too_large',
        details: { limit: 100 },
      });
    }
  });

  test('a body announced as too large is refused before anything of it is read or charged', async () => {
    let charged = 0;
    const { call, run, metrics } = startPipeline(upload, {
      as: { limits: { bodyBytesMax: 100 } },
      running: {
        handlers: { op: upload.op.handler } as never,
        admit: () => {
          charged += 1;
          return undefined;
        },
        [Symbol.asyncDispose]: async () => undefined,
      },
    });
    const body: ByteStream = {
      [Symbol.asyncIterator]: () => {
        throw new Error('it was read');
      },
    };
    await expect(run(call('op', { body, bodyBytes: 101 }))).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(charged).toBe(0);
    expect(metrics.read('rejected_total', { service: 'probe', reason: 'payload_too_large' })).toBe(1);
  });

  test('a body that is not as long as announced is refused', async () => {
    const { call, run } = startPipeline(upload);
    expect(await run(call('op', { body: pieces(2, 5), bodyBytes: 10 }))).toMatchObject({ output: { size: 10 } });
    for (const bodyBytes of [9, 11]) {
      await expect(run(call('op', { body: pieces(2, 5), bodyBytes }))).rejects.toMatchObject({ code: 'bad_request' });
    }
  });

  test('an operation that takes none gets none', async () => {
    let seen: ByteStream | undefined;
    const { call, run } = startPipeline({
      op: {
        handler: (_input, { body }) => {
          seen = body;
          return {};
        },
      },
    });
    await run(call('op', { body: pieces(1, 1) }));
    expect(seen).toBe(emptyBody);
  });
});

test('who finds no room has paid nothing', async () => {
  let paid = 0;
  const admit = () => {
    paid += 1;
    return undefined;
  };
  const held = Promise.withResolvers<object>();
  const { call, run } = startPipeline({ op: { handler: () => held.promise } }, { admit, inflightMax: 1 });
  const first = call('op');
  await expect(run(call('op'))).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'inflight' } });
  expect(paid).toBe(1);
  held.resolve({});
  await run(first);
});

describe('streamed answers', () => {
  function streaming(source: () => ByteStream) {
    return startPipeline({ op: { body: 'out', handler: () => ({ output: {}, body: source() }) } });
  }

  test('one that is left before it is begun is no longer in flight', async () => {
    const { call, run, dispatcher, metrics } = streaming(() => pieces(3, 3));
    const { body } = await run(call('op'));
    expect(dispatcher.inflight).toBe(1);
    await body![Symbol.asyncIterator]().return!();
    expect(dispatcher.inflight).toBe(0);
    expect(metrics.read('requests_total', { service: 'probe', op: 'op', code: 'abandoned' })).toBe(1);
    expect(metrics.read('inflight', { service: 'probe' })).toBe(0);
  });

  test('a source that breaks is recorded by its code, and an undeclared one as `internal`', async () => {
    const broken = (error: unknown) =>
      async function* (): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(1);
        throw error;
      };
    for (const [error, code] of [
      [new RonError('unavailable', 'gone'), 'unavailable'],
      [new RonError('bad_digest', 'not declared'), 'internal'],
      [new Error('anything'), 'internal'],
    ] as const) {
      const { call, run, dispatcher, metrics } = streaming(broken(error));
      const { body } = await run(call('op'));
      await expect(readWhole(body!, 100)).rejects.toBe(error);
      expect(dispatcher.inflight).toBe(0);
      expect(metrics.read('requests_total', { service: 'probe', op: 'op', code })).toBe(1);
    }
  });

  test('one in memory is finished at once and can be released as well', async () => {
    const { call, run, dispatcher, metrics } = streaming(() => new ResidentBody(new Uint8Array(9)));
    const outgoing = await run(call('op'));
    outgoing.release();
    expect(dispatcher.inflight).toBe(0);
    expect(metrics.read('bytes_out_total', { service: 'probe' })).toBe(9);
  });
});

describe('calls on behalf of calls', () => {
  /** An outer service whose handler calls an inner one, both in one process. */
  function nested(inner: Parameters<typeof startPipeline>[0], body: 'out' | undefined = undefined) {
    const below = startPipeline(inner);
    const peer = bindLocal(
      below.contract,
      () => below.dispatcher,
      principal(() => true, 'outer'),
      below.env,
    ) as never as Record<string, (input: unknown, options: unknown) => Promise<never>>;
    const above = startPipeline(
      { op: { ...(body === undefined ? {} : { body }), handler: (input, { context }) => use(input, peer, context) } },
      { env: below.env },
    );
    let use = (_input: unknown, _peer: typeof peer, _context: unknown): unknown => ({});
    return {
      below,
      above,
      serve: (next: typeof use) => {
        use = next;
      },
    };
  }

  test('corr_id, trace, tenant and deadline carry over, the subject does not', async () => {
    let seen: unknown;
    const { below, above, serve } = nested({
      get: {
        handler: (_input, { context: { corrId, traceparent, tenant, deadlineMs, principal: who } }) => {
          seen = { corrId, traceparent, tenant, deadlineMs, subject: who.subject };
          return {};
        },
      },
    });
    serve((_input, peer, context) => peer['get']!({}, { context }));
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await below.run(above.call('op', { tenant: 'acme', traceparent, timeoutMs: 1_000 }));
    expect(seen).toEqual({
      corrId: 'corr-id-1',
      traceparent,
      tenant: 'acme',
      deadlineMs: below.env.clock.monotonicMs() + 1_000,
      subject: 'outer',
    });
  });

  test('a nested call that is late on its own is told by its signal, the one above goes on', async () => {
    let aborted = false;
    const { below, above, serve } = nested({
      get: {
        limits: { timeoutMs: 100 },
        handler: (_input, { context }) =>
          new Promise(() => {
            context.signal.addEventListener('abort', () => {
              aborted = true;
            });
          }),
      },
    });
    serve((_input, peer, context) => peer['get']!({}, { context }).catch((error: RonError) => ({ code: error.code })));
    const { output } = await below.run(above.call('op'));
    expect(output).toEqual({ code: 'deadline_exceeded' });
    expect(aborted).toBe(true);
  });

  test('a stream that the one above lost is let go with it', async () => {
    const { below, above, serve } = nested({
      get: { body: 'out', handler: () => ({ output: {}, body: pieces(3, 3) }) },
    });
    serve(async (_input, peer, context) => {
      await peer['get']!({}, { context });
      throw new RonError('unavailable', 'something else went wrong');
    });
    await expect(below.run(above.call('op'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(below.dispatcher.inflight).toBe(0);
  });

  test('a stream that is passed on, wrapped or not, ends with its reader, begun or not', async () => {
    const { below, above, serve } = nested(
      { get: { body: 'out', handler: () => ({ output: {}, body: pieces(9, 3) }) } },
      'out',
    );
    for (const wrapped of [false, true]) {
      serve(async (_input, peer, context) => {
        const { output, body } = (await peer['get']!({}, { context })) as { output: unknown; body: ByteStream };
        const again = (async function* () {
          yield* body;
        })();
        return { output, body: wrapped ? again : body };
      });
      for (const reads of [0, 1]) {
        const { body } = await below.run(above.call('op'));
        expect(below.dispatcher.inflight).toBe(1);
        const iterator = body![Symbol.asyncIterator]();
        for (let read = 0; read < reads; read += 1) await iterator.next();
        await iterator.return!();
        expect(below.dispatcher.inflight).toBe(0);
        expect(above.dispatcher.inflight).toBe(0);
      }
      const whole = await below.run(above.call('op'));
      expect((await readWhole(whole.body!, 100)).byteLength).toBe(27);
      expect(below.dispatcher.inflight).toBe(0);
    }
  });
});

describe('stopping', () => {
  test('drain resolves when the last call has ended; until then new ones are refused', async () => {
    const { call, run, env, dispatcher } = startPipeline({
      op: { handler: () => new Promise((resolve) => env.clock.after(1_000, () => resolve({}))) },
    });
    const running = call('op');
    const drained = dispatcher.drain();
    await expect(run(call('op'))).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'draining' } });
    await run(drained);
    expect(env.clock.monotonicMs()).toBeGreaterThanOrEqual(1_000);
    await running;
    await dispatcher.drain();
  });

  test('abort reaches what is in flight', async () => {
    const { call, run, dispatcher } = startPipeline({
      op: {
        handler: (_input, { context }) =>
          new Promise((_resolve, reject) => {
            context.signal.addEventListener('abort', () => reject(context.signal.reason));
          }),
      },
    });
    const running = call('op', {});
    running.catch(() => undefined);
    await Promise.resolve();
    dispatcher.abort(new RonError('unavailable', 'the node is stopping'));
    await expect(run(running)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('records', () => {
  test('every refusal has one line with its corr_id, and no line has a token or an input', async () => {
    const lines: Record<string, unknown>[] = [];
    const write = (fields: Record<string, unknown>, message: string) => lines.push({ ...fields, message });
    const log = { debug: write, info: write, warn: write, error: write, child: () => log };
    const { call, run } = startPipeline(
      {
        op: {
          input: Type.Object({ secret: Type.String() }, { additionalProperties: false }),
          handler: () => {
            throw new Error('boom');
          },
        },
      },
      { log: log as never },
    );
    const credential = { token: 'token-token-token' };
    const input = { secret: 'swordfish' };
    for (const [operation, given, code] of [
      ['nothing', input, 'not_found'],
      ['op', { secret: 5 }, 'bad_request'],
      ['op', input, 'internal'],
    ] as const) {
      lines.length = 0;
      await expect(run(call(operation, { input: given, credential }))).rejects.toMatchObject({ code });
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ corr_id: 'corr-id-1', code });
      expect(JSON.stringify(lines)).not.toMatch(/token-token|swordfish/);
    }
  });

  test('a service whose contract has an operation without a handler does not start', () => {
    expect(() => startPipeline({ op: { handler: undefined as never } })).toThrow('no handler for op');
  });
});
