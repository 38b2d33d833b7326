import { expect, it } from 'vitest';
import { idOf, JournalBench, key } from './testing/journal-bench.ts';

const dayMs = 86_400_000;

it.each([-dayMs, 0, dayMs])(
  'time does not pass while the node is down, and a wall clock off by %i ms moves nothing',
  async (jumpMs) => {
    await using bench = await JournalBench.open();
    await bench.send();
    const [lease] = await bench.receive({ visibilityMs: 10_000 });
    await bench.send({ delayMs: 10_000 });
    await bench.send({ ttlMs: 10_000, deadOnExpiry: true, group: 'g' });
    await bench.pass(4_000);
    await bench.engine[Symbol.asyncDispose]();
    await bench.pass(30_000);
    bench.env = bench.env.kill();
    bench.env.clock.jumpWall(jumpMs);
    await bench.start();
    expect(bench.stats()).toMatchObject({ inFlight: 1, delayed: 1, ready: 1, dead: 0, oldestAgeMs: 4_000 });
    await bench.pass(5_999);
    expect(bench.stats()).toMatchObject({ inFlight: 1, delayed: 1, ready: 1, dead: 0 });
    expect(await bench.engine.execute({ op: 'extend', ...key, leases: [lease], visibilityMs: 250 })).toEqual([true]);
    await bench.pass(1);
    expect(bench.stats()).toMatchObject({ inFlight: 1, delayed: 0, ready: 1, dead: 1 });
    expect(await bench.ack([lease])).toEqual([true]);
    expect(await bench.ids()).toEqual([idOf(2)]);
  },
);

it.each(['stop', 'kill', 'power cut'] as const)(
  'a token from before a %s settles its message after it, once',
  async (how) => {
    await using bench = await JournalBench.open();
    await bench.send();
    await bench.send();
    const leases = await bench.receive();
    await bench.restart(how);
    expect(await bench.ids()).toEqual([]);
    expect(await bench.ack(leases.slice(0, 1))).toEqual([true]);
    await bench.restart(how);
    expect(await bench.ack(leases)).toEqual([false, true]);
  },
);

it('dead letters keep their order, their cause and their history; redriven ones go to the end, with fresh attempts', async () => {
  await using bench = await JournalBench.open({ config: { attempts_max: 2 } });
  for (let count = 1; count <= 4; count += 1) await bench.send();
  for (const id of [3, 1, 2].map(idOf)) {
    for (const reason of ['first', 'second']) {
      const leases = await bench.receive();
      await bench.nack(
        leases.filter((lease) => lease.id === id),
        reason,
      );
      await bench.engine.execute({ op: 'release', ...key, leases });
    }
    // Backwards, so that the order cannot come from the wall clock.
    bench.env.clock.jumpWall(-dayMs);
    await bench.pass(1_000);
  }
  const before = await bench.look();
  expect(before.dead.map(({ id }) => id)).toEqual([3, 1, 2].map(idOf));
  expect(before.dead[0]).toMatchObject({ cause: 'attempts', history: [{ reason: 'first' }, { reason: 'second' }] });
  await bench.restart('kill');
  expect(await bench.look()).toEqual(before);
  expect(await bench.engine.execute({ op: 'redrive', ...key, ids: undefined, max: 1 })).toEqual({ moved: 1, left: 2 });
  await bench.restart('kill');
  expect((await bench.look()).alive.map(({ id, attempt }) => [id, attempt])).toEqual([
    [idOf(4), 0],
    [idOf(3), 0],
  ]);
  expect(await bench.receive()).toMatchObject([{ id: idOf(4) }, { id: idOf(3), attempt: 1, fence: 3 }]);
});

it('keys are remembered for their window of mailbox time, also of messages that are gone', async () => {
  await using bench = await JournalBench.open();
  for (const idempotency of ['acked', 'removed', 'alive']) await bench.send({ key: idempotency });
  await bench.ack(await bench.receive({ max: 1 }));
  await bench.remove(idOf(2));
  await bench.pass(dayMs / 2);
  await bench.restart('stop');
  await bench.pass(dayMs / 2 - 1);
  for (const [index, idempotency] of ['acked', 'removed', 'alive'].entries()) {
    expect(await bench.sending({ key: idempotency })).toEqual({ ok: true, id: idOf(index + 1), duplicate: true });
  }
  await bench.pass(1);
  for (const idempotency of ['acked', 'removed', 'alive']) {
    expect(await bench.sending({ key: idempotency })).toMatchObject({ duplicate: false });
  }
});

it('boxes come back however many there may be, when there is a message in each', async () => {
  await using bench = await JournalBench.open({ config: { boxes_max: 3 } });
  await bench.send({ box: 'kept' });
  for (let count = 0; count < 9; count += 1) {
    const id = await bench.send({ box: `box${count}` });
    await bench.engine.execute({ op: 'remove', tenant: 't', box: `box${count}`, id });
  }
  await bench.send({ box: 'also' });
  await bench.restart('kill');
  expect((await bench.engine.boxes('t', undefined, 9)).map(({ box, ready }) => [box, ready])).toEqual([
    ['also', 1],
    ['kept', 1],
  ]);
  expect(await bench.ids({ box: 'kept' })).toEqual([idOf(1)]);
});

it('a log of something else is refused, and left as it is', async () => {
  const bench = await JournalBench.open();
  await bench.send();
  await bench.engine[Symbol.asyncDispose]();
  const { openJournal } = await import('@ron/journal');
  const journal = await openJournal({ env: bench.env, folder: 'mailbox' });
  await journal.append(77, [new Uint8Array(9)]);
  await journal[Symbol.asyncDispose]();
  bench.env = bench.env.kill();
  await expect(bench.start()).rejects.toThrow('unknown kind');
});

it('a view that resumes after a message of before the restart sees what was sent since', async () => {
  await using bench = await JournalBench.open();
  for (let count = 0; count < 5; count += 1) await bench.send();
  const { items } = await bench.engine.peek(key, { order: 0, id: '' }, 100);
  const { order, id } = items.at(-1)!;
  await bench.pass(1);
  await bench.ack(await bench.receive());
  for (const how of ['stop', 'kill', 'power cut'] as const) {
    await bench.restart(how);
    const sent = await bench.send();
    const page = await bench.engine.peek(key, { order, id }, 100);
    expect(page.items.map((one) => one.id)).toContain(sent);
  }
});
