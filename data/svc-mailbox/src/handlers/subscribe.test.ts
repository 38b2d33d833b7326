import { describe, expect, test } from 'vitest';
import { type Bed, EventReader, slowly, startMailboxes, subscribe } from '../test-bed.ts';

const stats = (bed: Bed) => bed.run(bed.box.stats({ box: 'a' }));
const bodies = ['1', '2', '3', '4', '5'];

async function settle(bed: Bed, work: Promise<unknown>): Promise<void> {
  await bed.run(work);
  await bed.pass(0);
}

test('server-sent events, one a message, with ids to resume after', async () => {
  await using bed = await startMailboxes();
  const [id] = await bed.send('a', 'a line\nand "another"\u2028');
  const reader = await subscribe(bed, { box: 'a', visibility_ms: 5_000 });
  expect(reader.text).toMatch(/^retry: 1000\n: open\n\nid: s\.[0-9A-Z]{26}\.1\nevent: message\ndata: \{[^\n]+\}\n\n$/);
  const lease = expect.any(String) as string;
  expect(reader.events.map(({ data }) => data)).toEqual([
    {
      id,
      body: 'a line\nand "another"\u2028',
      priority: 0,
      sent_at: Date.UTC(2026, 0, 1),
      attempt: 1,
      lease,
      fence: 1,
      lease_ms: 5_000,
    },
  ]);
  expect((await bed.run(bed.box.subscribe({ box: 'b' }))).output).toEqual({
    content_type: 'text/event-stream',
    cache_control: 'no-store',
  });
});

test('a quiet stream gives a sign of life every 15 s, also while others are woken for nothing', async () => {
  await using bed = await startMailboxes();
  const reader = await subscribe(bed, { box: 'a', credit: 1 });
  await bed.pass(14_999);
  expect(reader.comments).toBe(1);
  await bed.pass(1);
  expect(reader.comments).toBe(2);
  await bed.send('a', 'x');
  await bed.pass(14_999);
  expect([reader.comments, reader.bodies]).toEqual([2, ['x']]);
  await bed.pass(1);
  expect(reader.comments).toBe(3);
  expect(reader.text.endsWith('}\n\n: \n\n')).toBe(true);
});

test('a stream for so many messages ends after them, and leases no further one', async () => {
  await using bed = await startMailboxes();
  await bed.send('a', ...bodies);
  const reader = await subscribe(bed, { box: 'a', credit: 2, max: 3 });
  expect(reader.bodies).toEqual(['1', '2']);
  await settle(bed, bed.box.ack({ box: 'a', leases: [reader.leases[0]!] }));
  expect(reader.bodies).toEqual(['1', '2', '3']);
  await settle(bed, bed.box.ack({ box: 'a', leases: [reader.leases[1]!, reader.leases[2]!] }));
  expect([reader.bodies.length, (await stats(bed)).in_flight, (await stats(bed)).ready]).toEqual([3, 0, 2]);
});

describe('never more than the credit unsettled', () => {
  test.each<[string, (bed: Bed, reader: EventReader) => Promise<unknown>]>([
    ['ack', (bed, { leases }) => bed.box.ack({ box: 'a', leases: [leases[0]!] })],
    ['nack', (bed, { leases }) => bed.box.nack({ box: 'a', leases: [leases[0]!], delay_ms: 9_000_000 })],
    ['remove', (bed, { events }) => bed.box.remove({ box: 'a', id: events[0]!.data.id })],
  ])('%s makes room for one', async (_how, work) => {
    await using bed = await startMailboxes({ config: { visibility_default_ms: 43_200_000 } });
    await bed.send('a', ...bodies);
    const reader = await subscribe(bed, { box: 'a', credit: 2 });
    await bed.pass(60_000);
    expect(reader.bodies).toEqual(['1', '2']);
    await settle(bed, work(bed, reader));
    expect(reader.bodies).toEqual(['1', '2', '3']);
    await bed.pass(60_000);
    expect(reader.bodies).toEqual(['1', '2', '3']);
    expect((await stats(bed)).in_flight).toBe(2);
  });

  test('a lease that runs out does, and an extended one later', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2', '3');
    const reader = await subscribe(bed, { box: 'a', credit: 2, visibility_ms: 1_000 });
    await bed.run(bed.box.extend({ box: 'a', leases: [reader.leases[1]!], visibility_ms: 43_200_000 }));
    await bed.pass(999);
    expect(reader.bodies).toEqual(['1', '2']);
    await bed.pass(1);
    expect(reader.bodies).toEqual(['1', '2', '3']);
    await bed.pass(1_500);
    expect(reader.events.slice(3).map(({ data }) => [data.body, data.attempt])).toEqual([['1', 2]]);
  });

  test('a message that died and was redriven comes again', async () => {
    await using bed = await startMailboxes({ config: { attempts_max: 1 } });
    await bed.send('a', 'x');
    const reader = await subscribe(bed, { box: 'a', credit: 1, visibility_ms: 250 });
    await bed.pass(250);
    await settle(bed, bed.box.redrive({ box: 'a' }));
    expect(reader.events.map(({ data }) => [data.body, data.attempt, data.fence])).toEqual([
      ['x', 1, 1],
      ['x', 1, 2],
    ]);
  });

  test('a lease that is not good makes no room, wherever it is tried', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2');
    await bed.send('b', 'x');
    const reader = await subscribe(bed, { box: 'a', credit: 1 });
    const leases = [reader.leases[0]!];
    const swallow = (work: Promise<unknown>) =>
      settle(
        bed,
        work.catch(() => undefined),
      );
    for (const peer of [bed.box, bed.peer('u')]) {
      await swallow(peer.ack({ box: 'b', leases }));
      await swallow(peer.nack({ box: 'b', leases }));
      await swallow(peer.extend({ box: 'b', leases, visibility_ms: 250 }));
      await swallow(peer.remove({ box: 'b', id: reader.events[0]!.data.id }));
    }
    await bed.pass(20_000);
    expect(reader.bodies).toEqual(['1']);
    expect(await stats(bed)).toMatchObject({ in_flight: 1, ready: 1 });
  });

  test('two subscriptions share a box, each with its credit', async () => {
    await using bed = await startMailboxes();
    const readers = [await subscribe(bed, { box: 'a', credit: 1 }), await subscribe(bed, { box: 'a', credit: 2 })];
    await bed.send('a', ...bodies);
    await bed.pass(0);
    expect(readers.map(({ events }) => events.length)).toEqual([1, 2]);
    expect(new Set(readers.flatMap((reader) => reader.bodies)).size).toBe(3);
  });
});

describe('resuming', () => {
  test('what came after the last event that the client saw comes again at once, no attempt counted', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', ...bodies);
    const first = await subscribe(bed, { box: 'a', credit: 4 });
    await bed.run(bed.box.ack({ box: 'a', leases: [first.leases[0]!] }));
    await first.leave();
    await bed.pass(20_000);
    const cursor = first.events[1]!.id;
    const second = await subscribe(bed, { box: 'a', credit: 4, cursor });
    expect(second.events.map(({ data }) => [data.body, data.attempt])).toEqual([
      ['3', 1],
      ['4', 1],
      ['5', 1],
    ]);
    // The second message was seen: its first lease is still good, and still counts.
    expect((await bed.run(bed.box.ack({ box: 'a', leases: [first.leases[1]!] }))).results).toMatchObject([
      { ok: true },
    ]);
    const ids = [...first.events.slice(0, 2), ...second.events].map(({ id }) => id);
    expect(new Set(ids).size).toBe(5);
    expect(new Set(ids.map((id) => id.split('.')[1])).size).toBe(1);
  });

  test('events that never left a stream go back into the box when it ends', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', ...bodies);
    const reader = await subscribe(bed, { box: 'a', credit: 10 }, { eager: false });
    await bed.run(reader.step());
    await bed.run(reader.step());
    await bed.run(reader.step());
    expect(reader.bodies).toEqual(['1', '2']);
    expect(await stats(bed)).toMatchObject({ in_flight: 5 });
    await reader.leave();
    await bed.pass(0);
    expect(await stats(bed)).toMatchObject({ in_flight: 2, ready: 3 });
    const { messages } = await bed.run(bed.box.recv({ box: 'a', max: 10 }));
    expect(messages.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test('takes over a stream whose client is gone and nobody has noticed', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2');
    const old = await subscribe(bed, { box: 'a', credit: 5 });
    const fresh = await subscribe(bed, { box: 'a', credit: 5, cursor: old.events[0]!.id });
    expect(old.end).toBe('over');
    expect(fresh.events.map(({ data }) => [data.body, data.attempt])).toEqual([['2', 1]]);
    await bed.send('a', '3');
    await bed.pass(0);
    expect([old.bodies, fresh.bodies]).toEqual([
      ['1', '2'],
      ['2', '3'],
    ]);
    expect(await stats(bed)).toMatchObject({ in_flight: 3, redelivered: 0 });
  });

  test('takes over a stream at once when it has nothing to say, and one in the middle of what it had to say', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2', '3');
    const slow = await subscribe(bed, { box: 'a', credit: 3 }, { eager: false });
    await bed.run(slow.step());
    await bed.run(slow.step());
    const next = await subscribe(bed, { box: 'a', credit: 3, cursor: slow.events[0]!.id });
    await bed.run(slow.step());
    expect([slow.bodies, slow.end, next.bodies]).toEqual([['1'], 'over', ['2', '3']]);
    const last = await subscribe(bed, { box: 'a', credit: 3, cursor: next.events[1]!.id });
    expect([next.end, last.events, last.end]).toEqual(['over', [], 'open']);
    expect(await stats(bed)).toMatchObject({ in_flight: 3, redelivered: 0 });
  });

  test('takes over a stream whose messages are on their way: they go to the new one, no attempt counted', async () => {
    const held = Promise.withResolvers<void>();
    let gate = Promise.resolve();
    await using bed = await startMailboxes({ around: (inner) => slowly(inner, () => gate) });
    await bed.send('a', '1');
    const old = await subscribe(bed, { box: 'a', credit: 2 });
    gate = held.promise;
    await bed.send('a', '2');
    await bed.pass(1);
    const next = await subscribe(bed, { box: 'a', credit: 2, cursor: old.events[0]!.id });
    expect(await stats(bed)).toMatchObject({ in_flight: 2 });
    held.resolve();
    await bed.pass(1);
    expect([old.bodies, old.end]).toEqual([['1'], 'over']);
    expect(next.events.map(({ data }) => [data.body, data.attempt])).toEqual([['2', 1]]);
    await bed.send('a', '3');
    await settle(bed, bed.box.ack({ box: 'a', leases: next.leases }));
    expect(next.bodies).toEqual(['2', '3']);
  });

  test('of two clients with the same cursor the last has the subscription, and nothing is lost', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2', '3');
    const first = await subscribe(bed, { box: 'a', credit: 3 });
    await first.leave();
    await bed.pass(1);
    const cursor = first.events[0]!.id;
    const one = await subscribe(bed, { box: 'a', credit: 3, cursor });
    const other = await subscribe(bed, { box: 'a', credit: 3, cursor });
    expect(one.end).toBe('over');
    expect(other.bodies).toEqual(['2', '3']);
    expect(await stats(bed)).toMatchObject({ in_flight: 3, ready: 0 });
  });

  test.each([
    ['after more than a minute', 60_001, { box: 'a' }, 't'],
    ['in another box', 1, { box: 'b' }, 't'],
    ['by another tenant', 1, { box: 'a' }, 'u'],
  ])('%s is a fresh start that moves nothing', async (_what, ms, input, tenant) => {
    await using bed = await startMailboxes({ config: { visibility_default_ms: 43_200_000 } });
    await bed.send('a', '1', '2');
    const first = await subscribe(bed, { box: 'a', credit: 2 });
    await first.leave();
    await bed.pass(ms);
    const cursor = `${first.events[0]!.id.slice(0, -1)}0`;
    const second = await subscribe(bed, { ...input, credit: 2, cursor }, { tenant });
    expect(second.events).toEqual([]);
    await bed.send('b', 'x');
    await bed.run(bed.peer('u').send({ box: 'a', body: 'x' }));
    await bed.pass(0);
    expect(await stats(bed)).toMatchObject({ in_flight: 2 });
    for (const { id } of second.events) expect(id.split('.')[1]).not.toBe(cursor.split('.')[1]);
  });

  test('a subscription that nobody has heard of is a fresh start', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', 'x');
    const reader = await subscribe(bed, { box: 'a', cursor: `s.${'0'.repeat(26)}.999999999999999` });
    expect(reader.bodies).toEqual(['x']);
    expect(reader.events[0]!.id).toMatch(/\.1$/);
  });
});

describe('the end', () => {
  test('a stream that nobody began to read holds nothing: no place, no lease', async () => {
    await using bed = await startMailboxes({ config: { waiters_max: 1 } });
    await bed.send('a', 'x');
    for (const peek of [false, true, false, true]) {
      const { body } = await bed.run(bed.box.subscribe({ box: 'a', peek }));
      await body[Symbol.asyncIterator]().return?.();
    }
    const { reply } = bed.begin('subscribe', { box: 'a' });
    (await bed.run(reply)).release();
    await bed.pass(1);
    expect(await stats(bed)).toMatchObject({ ready: 1, delivered: 0 });
    expect(bed.dispatcher.inflight).toBe(0);
  });

  test('a caller that goes away ends its stream at once', async () => {
    await using bed = await startMailboxes({ config: { waiters_max: 1 } });
    const { reply, leave } = bed.begin('subscribe', { box: 'a' });
    const reader = new EventReader((await bed.run(reply)).body!);
    await bed.pass(100);
    leave();
    await bed.pass(0);
    expect(reader.end).toMatchObject({ error: { code: 'request_timeout' } });
    await bed.send('a', 'x');
    await bed.pass(1);
    expect(await stats(bed)).toMatchObject({ ready: 1, delivered: 0 });
    const next = await subscribe(bed, { box: 'a' });
    expect(next.bodies).toEqual(['x']);
  });

  test('a drain ends every stream, one that is read and one that is not', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2');
    const read = await subscribe(bed, { box: 'a', credit: 1 });
    const unread = await subscribe(bed, { box: 'a', credit: 1 }, { eager: false });
    await bed.run(bed.dispatcher.drain());
    await bed.pass(0);
    expect(read.end).toMatchObject({ error: { code: 'unavailable' } });
    await unread.step();
    expect(unread.end).toMatchObject({ error: { code: 'unavailable' } });
    expect(bed.engine.totals()).toMatchObject({ inFlight: 1, ready: 1 });
  });

  test('mailboxes that fail end every stream, and begin none', async () => {
    await using bed = await startMailboxes();
    const readers = [await subscribe(bed, { box: 'a' }), await subscribe(bed, { box: 'a', peek: true })];
    await bed.engine[Symbol.asyncDispose]();
    await bed.pass(0);
    expect(readers.map(({ end }) => end)).toEqual(['over', 'over']);
    await expect(bed.run(bed.box.subscribe({ box: 'a' }))).rejects.toMatchObject({ code: 'unavailable' });
  });
});
