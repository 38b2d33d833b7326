import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../limits.ts';
import { Acceptor, type Served } from '../testing/acceptor.ts';
import { concat } from '../testing/loopback.ts';
import { ManualClock, memoryPipes, settled } from '../testing/memory-pipe.ts';
import { createOapClient, type OapCall } from './client.ts';

type Serve = (served: Served) => void | Promise<void>;

function connect(serve: Serve, split?: (bytes: Uint8Array) => Uint8Array[]) {
  const clock = new ManualClock();
  const [near, far] = memoryPipes(split);
  const acceptor = new Acceptor(far, serve);
  const client = createOapClient({ pipe: near, clock });
  const call = (fields: Partial<OapCall> = {}) =>
    client.call({ app: 0x8001, operation: 'do', input: {}, corrId: 'corr-id-1', ...fields });
  return { clock, near, acceptor, client, call };
}

const echo: Serve = async ({ answer, input, body }) => answer(input, body);
const stuck: Serve = () => undefined;

async function* pieces(count: number, bytes: number, onEnd: () => void = () => undefined): AsyncGenerator<Uint8Array> {
  try {
    for (let index = 0; index < count; index += 1) yield new Uint8Array(bytes).fill(index + 1);
  } finally {
    onEnd();
  }
}

async function gather(body: ByteStream | undefined): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of body ?? []) all.push(piece);
  return concat(all);
}

describe('calls', () => {
  test('bodies pass unchanged both ways however the bytes are split and however slowly they are read', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), { maxLength: 6 }), {
          minLength: 1,
          maxLength: 70,
        }),
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 20 }),
        fc.nat(20),
        async (bodies, sizes, pauses) => {
          let turn = 0;
          const split = (bytes: Uint8Array) => {
            const cut: Uint8Array[] = [];
            for (let at = 0; at < bytes.length; ) {
              const size = sizes[turn++ % sizes.length]!;
              cut.push(bytes.subarray(at, at + size));
              at += size;
            }
            return cut;
          };
          const { call, client } = connect(echo, split);
          await Promise.all(
            bodies.map(async (body, index) => {
              const reply = await call({
                input: { index },
                body: (async function* () {
                  yield* body;
                })(),
              });
              expect(reply.output).toEqual({ index });
              const got: Uint8Array[] = [];
              for await (const piece of reply.body!) {
                got.push(piece.slice());
                for (let wait = 0; wait < pauses; wait += 1) await Promise.resolve();
              }
              expect(concat(got)).toEqual(concat(body));
            }),
          );
          client.close();
          await client.closed;
        },
      ),
      { numRuns: 15 },
    );
  });

  test('those that wait for HELLO start together, up to the streams of the connection, the rest as slots come free', async () => {
    const { call, acceptor } = connect(stuck);
    const answers = Promise.all(Array.from({ length: 200 }, (_, index) => call({ input: index })));
    await settled();
    expect(acceptor.running.size).toBe(limits.streamsPerConnectionMax);
    const order: unknown[] = [];
    while (acceptor.running.size > 0) {
      for (const served of [...acceptor.running.values()]) {
        order.push(served.input);
        await served.answer(served.input);
      }
      await settled();
    }
    expect((await answers).map(({ output }) => output)).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(order).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(acceptor.peak).toBe(64);
  });

  test('one that leaves the line does not keep the next from its slot', async () => {
    const { call, acceptor } = connect(stuck);
    await settled();
    const running = Array.from({ length: 64 }, () => call());
    const leaver = new AbortController();
    const left = call({ signal: leaver.signal });
    left.catch(() => undefined);
    const last = call({ input: 'last' });
    await settled();
    await [...acceptor.running.values()][0]!.answer('first');
    leaver.abort();
    await settled();
    await expect(left).rejects.toMatchObject({ code: 'deadline_exceeded' });
    for (const served of [...acceptor.running.values()]) await served.answer('ok');
    await settled();
    for (const served of [...acceptor.running.values()]) await served.answer('ok');
    expect(await last).toMatchObject({ output: 'ok' });
    await Promise.all(running);
  });

  test('the line is bounded at 1,024', async () => {
    const { call, client } = connect(stuck);
    await settled();
    const calls = Array.from({ length: 64 + 1_024 }, () => call());
    for (const one of calls) one.catch(() => undefined);
    await expect(call()).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 250 });
    client.close();
    const ends = await Promise.allSettled(calls);
    expect(new Set(ends.map((end) => (end as { reason: RonError }).reason.code))).toEqual(new Set(['unavailable']));
    await expect(call()).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('an input that fits no frame is refused and costs no slot', async () => {
    const { call, acceptor } = connect(({ answer }) => answer('ok'));
    for (let round = 0; round < 70; round += 1) {
      await expect(call({ input: 'x'.repeat(1_048_576) })).rejects.toMatchObject({ code: 'payload_too_large' });
    }
    expect(await call()).toMatchObject({ output: 'ok' });
    expect(acceptor.peak).toBe(1);
  });

  test('an unreadable answer is `internal`', async () => {
    const { call, acceptor } = connect(({ opened }) => {
      acceptor.connection.answer(opened.streamId, { body: new TextEncoder().encode('{'), end: false });
    });
    await expect(call()).rejects.toMatchObject({ code: 'internal' });
    await settled();
    expect(acceptor.cancelled).toBe(1);
  });
});

describe('deadlines', () => {
  test('a call ends at its own, counted from the moment it was made, and the server is told what is left', async () => {
    const { call, clock, acceptor } = connect(stuck);
    await settled();
    const others = Array.from({ length: 64 }, () => call({ timeoutMs: 5_000 }));
    for (const other of others) other.catch(() => undefined);
    const waiting = call({ timeoutMs: 9_000, input: 'waited' });
    const late = expect(waiting).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await clock.advance(6_000);
    expect((await Promise.allSettled(others)).every(({ status }) => status === 'rejected')).toBe(true);
    const [served] = acceptor.running.values();
    expect(served?.opened.header.deadline_ms).toBe(4_000);
    await clock.advance(4_000);
    await late;
    expect(acceptor.running.size).toBe(0);
  });

  test('one that waits in line is ended too', async () => {
    const { call, clock } = connect(stuck);
    await settled();
    for (let index = 0; index < 64; index += 1) call({ timeoutMs: 60_000 }).catch(() => undefined);
    const waiting = expect(call({ timeoutMs: 2_000 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await clock.advance(3_000);
    await waiting;
  });

  test('a server that says nothing ends a call without a deadline of its own after ten minutes', async () => {
    const { call, clock } = connect(stuck);
    const silent = expect(call()).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await clock.advance(602_000);
    await silent;
  });

  test('a server that stops reading a body, and one that stops sending it, end the call after a minute', async () => {
    const { call, clock, acceptor } = connect(async ({ input, answer }) => {
      if (input === 'silent') {
        await answer('begun', {
          [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
        });
      }
    });
    let left = false;
    const unread = expect(
      call({
        body: pieces(100, 65_536, () => {
          left = true;
        }),
      }),
    ).rejects.toMatchObject({ code: 'unavailable' });
    const { body } = await call({ input: 'silent' });
    const unsent = expect(gather(body)).rejects.toMatchObject({ code: 'unavailable' });
    await clock.advance(63_000);
    await unread;
    await unsent;
    expect(left).toBe(true);
    expect(acceptor.running.size).toBe(0);
  });

  test('an answer that nobody reads is not cut', async () => {
    const { call, clock } = connect(({ answer }) => answer('ok', pieces(40, 65_536)));
    const { body } = await call();
    await clock.advance(50_000);
    expect((await gather(body)).byteLength).toBe(40 * 65_536);
  });

  test('a HELLO that never comes ends what waits for it', async () => {
    const clock = new ManualClock();
    const [near] = memoryPipes();
    const client = createOapClient({ pipe: near, clock });
    const waiting = expect(
      client.call({ app: 1, operation: 'x', input: {}, corrId: 'corr-id-1' }),
    ).rejects.toBeInstanceOf(RonError);
    await clock.advance(7_000);
    await waiting;
    await client.closed;
    expect(clock.timers).toBe(0);
    expect(near.closed).toBe(true);
  });
});

describe('cancellation', () => {
  test('at every point of a call both ends are left as if it had never been, and the source is told', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.constantFrom('abort', 'leave', 'crash'), async (turns, how) => {
        const { call, acceptor, client } = connect(echo);
        const controller = new AbortController();
        let sourceEnded = 0;
        let bytes = 0;
        const doing = (async () => {
          const { body } = await call({
            signal: controller.signal,
            body: pieces(60, 65_536, () => {
              sourceEnded += 1;
            }),
          });
          for await (const piece of body!) {
            bytes += piece.byteLength;
            if (how === 'leave' && bytes > turns * 10_000) break;
          }
        })();
        doing.catch(() => undefined);
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        if (how === 'abort') controller.abort();
        if (how === 'crash') acceptor.connection.close();
        const [outcome] = await Promise.allSettled([doing]);
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(RonError);
        for (let round = 0; round < 30; round += 1) await settled();
        expect(acceptor.running.size).toBe(0);
        expect(acceptor.connection.liveStreams).toBe(0);
        // A call that never got to its stream has not begun to read.
        if (turns > 20) expect(sourceEnded).toBe(1);
        if (how !== 'crash')
          expect(await gather((await call({ body: pieces(20, 65_536) })).body)).toHaveLength(1_310_720);
        client.close();
        await client.closed;
      }),
      { numRuns: 60 },
    );
  });

  test('a source that waits for its next piece is told at once', async () => {
    const { call } = connect(stuck);
    const controller = new AbortController();
    let returned = 0;
    const body: ByteStream = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: async () => {
          returned += 1;
          return { done: true, value: undefined };
        },
      }),
    };
    const doing = call({ body, signal: controller.signal });
    await settled();
    controller.abort();
    await expect(doing).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(returned).toBe(1);
  });

  test('an early refusal stops the source, and a source that breaks cancels the call', async () => {
    const { call, acceptor } = connect(({ input, fail }) => {
      if (input === 'refuse') fail(new RonError('forbidden', 'no'));
    });
    let ended = 0;
    await expect(
      call({
        input: 'refuse',
        body: pieces(100, 65_536, () => {
          ended += 1;
        }),
      }),
    ).rejects.toMatchObject({ code: 'forbidden' });
    await settled();
    expect(ended).toBe(1);
    const broken = (async function* () {
      yield new Uint8Array(10);
      throw new RonError('bad_digest', 'the source broke');
    })();
    await expect(call({ body: broken })).rejects.toMatchObject({ code: 'bad_digest' });
    await settled();
    expect(acceptor.running.size).toBe(0);
  });

  test('an aborted signal refuses at once and listens to nothing', async () => {
    const { call, acceptor } = connect(echo);
    const controller = new AbortController();
    controller.abort();
    await expect(call({ signal: controller.signal })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await settled();
    expect(acceptor.peak).toBe(0);
  });

  test('answers that arrive whole and are left early, or never read, do not use up the connection', async () => {
    const { call } = connect(({ answer }) => answer('ok', pieces(8, 65_536)));
    for (let round = 0; round < 100; round += 1) {
      const { body } = await call();
      await settled();
      if (round % 2 === 0) for await (const _piece of body!) break;
      else await body![Symbol.asyncIterator]().return!();
    }
    expect(await gather((await call()).body)).toHaveLength(8 * 65_536);
  });
});
