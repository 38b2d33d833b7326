import { RonError } from '@ron/proto/errors';
import type { Message } from '@ron/proto/mailbox';
import { describe, expect, test } from 'vitest';
import type { MailboxEngine } from '../engine/engine.ts';
import type { Receive } from '../state/command.ts';
import { type Bed, codeOf, slowly, startMailboxes } from '../test-bed.ts';

/** A receiver that waits, and when it was answered. */
function wait(bed: Bed, more: { wait_ms?: number; max?: number; visibility_ms?: number; box?: string } = {}) {
  const state = { atMs: -1, messages: undefined as readonly Message[] | undefined };
  const input = { box: 'a', wait_ms: 30_000, ...more };
  const answer = bed.box.recv(input).then(({ messages }) => {
    state.atMs = bed.env.clock.monotonicMs();
    state.messages = messages;
    return messages;
  });
  return { state, answer };
}

const stats = (bed: Bed) => bed.run(bed.box.stats({ box: 'a' }));

describe('a receiver that waits is woken', () => {
  test('by a send, to a box that was not there too', async () => {
    await using bed = await startMailboxes();
    const { state } = wait(bed);
    await bed.pass(4_321);
    await bed.send('b', 'not this box');
    await bed.run(bed.peer('u').send({ box: 'a', body: 'not this tenant' }));
    await bed.pass(1);
    expect(state.messages).toBeUndefined();
    await bed.send('a', 'x');
    await bed.pass(0);
    expect(state).toMatchObject({ atMs: 4_322, messages: [{ body: 'x', attempt: 1 }] });
  });

  test('by a delay that passes', async () => {
    await using bed = await startMailboxes();
    await bed.run(bed.box.send({ box: 'a', body: 'x', delay_ms: 700 }));
    const { state } = wait(bed);
    await bed.pass(699);
    expect(state.messages).toBeUndefined();
    await bed.pass(1);
    expect(state).toMatchObject({ atMs: 700, messages: [{ body: 'x' }] });
  });

  test('by a lease that runs out, once its backoff has passed', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', 'x');
    await bed.run(bed.box.recv({ box: 'a', visibility_ms: 500 }));
    const { state } = wait(bed);
    await bed.pass(499);
    expect(state.messages).toBeUndefined();
    await bed.pass(401);
    expect(state).toMatchObject({ messages: [{ body: 'x', attempt: 2, fence: 2 }] });
  });

  test.each([0, 1, 60_000])('by a nack with a delay of %i ms', async (delay_ms) => {
    await using bed = await startMailboxes({ config: { visibility_default_ms: 43_200_000 } });
    await bed.send('a', 'x');
    const [message] = (await bed.run(bed.box.recv({ box: 'a' }))).messages;
    const { state } = wait(bed);
    await bed.run(bed.box.nack({ box: 'a', leases: [message!.lease], delay_ms }));
    await bed.pass(Math.min(delay_ms, 30_000));
    expect(state.messages).toMatchObject(delay_ms > 30_000 ? [] : [{ body: 'x', attempt: 2 }]);
    expect(state.atMs).toBe(Math.min(delay_ms, 30_000));
  });

  test('by a redrive', async () => {
    await using bed = await startMailboxes({ config: { attempts_max: 1 } });
    await bed.send('a', 'x');
    const [message] = (await bed.run(bed.box.recv({ box: 'a' }))).messages;
    await bed.run(bed.box.nack({ box: 'a', leases: [message!.lease] }));
    const { state } = wait(bed);
    await bed.pass(10);
    expect(await bed.run(bed.box.redrive({ box: 'a' }))).toEqual({ redriven: 1, left: 0 });
    await bed.pass(0);
    expect(state).toMatchObject({ atMs: 10, messages: [{ body: 'x', attempt: 1, fence: 2 }] });
  });

  test('by the end of the message before its own in the group', async () => {
    await using bed = await startMailboxes();
    for (const body of ['1', '2']) await bed.run(bed.box.send({ box: 'a', body, group: 'g' }));
    const { messages } = await bed.run(bed.box.recv({ box: 'a', max: 10 }));
    expect(messages.map(({ body }) => body)).toEqual(['1']);
    const { state } = wait(bed);
    await bed.pass(10);
    expect(state.messages).toBeUndefined();
    await bed.run(bed.box.ack({ box: 'a', leases: [messages[0]!.lease] }));
    await bed.pass(0);
    expect(state).toMatchObject({ atMs: 10, messages: [{ body: '2' }] });
  });
});

test('of several, as many are woken as there are messages, first come first served', async () => {
  await using bed = await startMailboxes();
  const waiters: ReturnType<typeof wait>[] = [];
  for (let count = 0; count < 5; count += 1) {
    waiters.push(wait(bed, { max: 10 }));
    await bed.pass(1);
  }
  const bodies = () => waiters.map(({ state }) => state.messages?.map(({ body }) => body).join());
  await bed.send('a', '1', '2');
  await bed.pass(0);
  expect(bodies()).toEqual(['1', '2', undefined, undefined, undefined]);
  await bed.send('a', '3');
  await bed.pass(0);
  expect(bodies()).toEqual(['1', '2', '3', undefined, undefined]);
  expect(await stats(bed)).toMatchObject({ in_flight: 3, delivered: 3 });
  await bed.pass(30_000);
  expect(bodies()).toEqual(['1', '2', '3', '', '']);
});

test('a wait that ends has an empty answer, at its time and not before', async () => {
  await using bed = await startMailboxes();
  const waits = [wait(bed, { wait_ms: 0 }), wait(bed, { wait_ms: 1 }), wait(bed)];
  await bed.pass(29_999);
  expect(waits.map(({ state }) => state.atMs)).toEqual([0, 1, -1]);
  await bed.pass(1);
  expect(waits[2]!.state).toEqual({ atMs: 30_000, messages: [] });
  expect(bed.dispatcher.inflight).toBe(0);
});

test('a message whose receiver failed to take it goes to one that still waits, at the latest at the end', async () => {
  let failures = 0;
  const around = (inner: MailboxEngine) => ({
    ...slowly(inner, () => Promise.resolve()),
    async receive(command: Receive) {
      if (failures > 0) {
        failures -= 1;
        throw new RonError('unavailable', 'too much waits', { retryAfterMs: 250 });
      }
      return inner.receive(command);
    },
  });
  await using bed = await startMailboxes({ around });
  const refused = expect(bed.begin('recv', { box: 'a', wait_ms: 30_000 }).reply).rejects.toMatchObject({
    code: 'unavailable',
  });
  await bed.pass(1);
  const second = bed.begin('recv', { box: 'a', wait_ms: 1_000 }).reply;
  await bed.pass(1);
  failures = 1;
  await bed.send('a', 'x');
  await refused;
  expect((await bed.run(second)).output).toMatchObject({ messages: [{ body: 'x' }] });
});

describe('a caller that goes away', () => {
  test('while it waits gets nothing, and the next one does', async () => {
    await using bed = await startMailboxes();
    const gone = bed.begin('recv', { box: 'a', wait_ms: 30_000 });
    await bed.pass(5);
    const { state } = wait(bed);
    gone.leave();
    await bed.send('a', 'x');
    await bed.pass(0);
    expect(state.messages).toMatchObject([{ body: 'x', attempt: 1 }]);
    expect((await gone.reply).output).toEqual({ messages: [] });
  });

  test.each([
    ['while its messages are on their way', 0],
    ['after it was woken', 1],
  ])('%s leases nothing: they are there at once, no attempt counted', async (_when, waitFirst) => {
    const held = Promise.withResolvers<void>();
    await using bed = await startMailboxes({
      around: (inner) => slowly(inner, () => held.promise),
    });
    if (waitFirst === 0) await bed.send('a', 'x', 'y');
    const gone = bed.begin('recv', { box: 'a', wait_ms: 30_000, max: 10 });
    await bed.pass(5);
    if (waitFirst === 1) await bed.send('a', 'x', 'y');
    await bed.pass(5);
    gone.leave();
    held.resolve();
    expect((await bed.run(gone.reply)).output).toEqual({ messages: [] });
    expect(await stats(bed)).toMatchObject({ ready: 2, in_flight: 0 });
    const { messages } = await bed.run(bed.box.recv({ box: 'a', max: 10 }));
    expect(messages.map(({ body, attempt }) => [body, attempt])).toEqual([
      ['x', 1],
      ['y', 1],
    ]);
  });
});

describe('how many may wait', () => {
  test('is a quota of each tenant, for receivers and subscriptions together, and a reload holds at once', async () => {
    await using bed = await startMailboxes({ config: { waiters_max: 2 } });
    const { body } = await bed.run(bed.box.subscribe({ box: 'a' }));
    const waiting = wait(bed);
    await bed.pass(1);
    const before = await bed.everything();
    const refused = { code: 'quota_exhausted', retryAfterMs: 1_000 };
    await expect(bed.run(bed.box.recv({ box: 'a', wait_ms: 1 }))).rejects.toMatchObject(refused);
    for (const peek of [false, true]) {
      await expect(bed.run(bed.box.subscribe({ box: 'a', peek }))).rejects.toMatchObject(refused);
    }
    expect(await bed.everything()).toEqual(before);
    expect(await bed.run(bed.box.recv({ box: 'a' }))).toEqual({ messages: [] });
    expect(await bed.run(bed.peer('u').recv({ box: 'a', wait_ms: 1 }))).toEqual({ messages: [] });
    bed.config.set({ waiters_max: 3 });
    expect(await bed.run(bed.box.recv({ box: 'a', wait_ms: 1 }))).toEqual({ messages: [] });
    bed.config.set({ waiters_max: 2 });
    await body[Symbol.asyncIterator]().return?.();
    expect(await bed.run(bed.box.recv({ box: 'a', wait_ms: 1 }))).toEqual({ messages: [] });
    await bed.send('a', 'x');
    expect(await bed.run(waiting.answer)).toHaveLength(1);
  });

  test('who has a message at once does not wait, however many do', async () => {
    await using bed = await startMailboxes({ config: { waiters_max: 1 } });
    const waiting = wait(bed, { box: 'b' });
    await bed.pass(1);
    await bed.send('a', 'x');
    expect((await bed.run(bed.box.recv({ box: 'a', wait_ms: 30_000 }))).messages).toHaveLength(1);
    await bed.pass(30_000);
    expect(await waiting.answer).toEqual([]);
  });

  test('a place in the pipeline is given back too', async () => {
    await using bed = await startMailboxes({ waitingMax: 1 });
    const waiting = wait(bed, { wait_ms: 10 });
    await bed.pass(1);
    expect(await codeOf(bed, bed.box.recv({ box: 'a', wait_ms: 1 }))).toBe('unavailable');
    // Who does not wait needs no such place.
    expect(await codeOf(bed, bed.box.recv({ box: 'a' }))).toBe('accepted');
    expect(await codeOf(bed, bed.box.send({ box: 'b', body: 'x' }))).toBe('accepted');
    await bed.pass(10);
    expect(await waiting.answer).toEqual([]);
    expect(await codeOf(bed, bed.box.recv({ box: 'a', wait_ms: 1 }))).toBe('accepted');
  });
});

describe('the end', () => {
  test('a drain ends every wait at once, and leases nothing', async () => {
    await using bed = await startMailboxes();
    const waits = [bed.begin('recv', { box: 'a', wait_ms: 30_000 }), bed.begin('recv', { box: 'b', wait_ms: 30_000 })];
    const codes = waits.map(({ reply }) =>
      reply.then(
        ({ output }) => JSON.stringify(output),
        (error: { code: string }) => error.code,
      ),
    );
    await bed.pass(1);
    await bed.run(bed.dispatcher.drain());
    expect(bed.env.clock.monotonicMs()).toBe(1);
    expect(bed.dispatcher.inflight).toBe(0);
    for (const code of codes) expect(['unavailable', '{"messages":[]}']).toContain(await code);
    expect(bed.engine.totals()).toMatchObject({ inFlight: 0 });
  });

  test('mailboxes that are closed answer who waits with unavailable', async () => {
    await using bed = await startMailboxes();
    const waiting = bed.begin('recv', { box: 'a', wait_ms: 30_000 }).reply;
    const refused = expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
    await bed.pass(1);
    await bed.engine[Symbol.asyncDispose]();
    await refused;
    expect(bed.env.clock.monotonicMs()).toBe(1);
    expect(await codeOf(bed, bed.box.recv({ box: 'a', wait_ms: 30_000 }))).toBe('unavailable');
  });
});
