import { describe, expect, test } from 'vitest';
import { MailboxBench, type MailboxHarness, messageId } from './mailbox-calls.ts';
import { mailboxOutcomes } from './mailbox-engine-outcomes.ts';
import { mailboxProperties } from './mailbox-engine-properties.ts';
import { mailboxQueries } from './mailbox-engine-queries.ts';
import { mailboxQuotas } from './mailbox-engine-quotas.ts';
import { mailboxDiskFaults, mailboxRestarts } from './mailbox-engine-restarts.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What every implementation of `MailboxEngine` must do. */
export function describeMailboxEngine(name: string, harness: MailboxHarness): void {
  describe(`mailbox engine: ${name}`, () => {
    sending(harness);
    expiring(harness);
    receiving(harness);
    groups(harness);
    mailboxOutcomes(harness);
    mailboxQuotas(harness);
    mailboxQueries(harness);
    if (harness.durable) mailboxRestarts(harness);
    if (harness.durable && harness.outside === undefined) mailboxDiskFaults(harness);
    mailboxProperties(harness);
  });
}

function sending(harness: MailboxHarness): void {
  test('a message comes as it was sent', async () => {
    await using bench = await MailboxBench.open(harness);
    const contents = [
      { body: { kind: 'text', text: 'grüße\0' }, headers: { a: '1', b: 'é' } },
      { body: { kind: 'bytes', bytes: Uint8Array.of(0, 255, 7) }, headers: undefined },
      { body: { kind: 'address', address: `b3:${'0'.repeat(64)}` }, headers: { only: 'header' } },
      { body: { kind: 'text', text: '' }, headers: undefined },
    ] as const;
    for (const [index, content] of contents.entries()) {
      const group = index === 1 ? 'g' : undefined;
      const id = await bench.send({ content, group, priority: index, sentWallMs: 77 });
      const message = await bench.one();
      expect(message).toMatchObject({ id, group, priority: index, sentWallMs: 77, attempt: 1, fence: 1 });
      expect(message.content).toEqual(content);
    }
  });

  const ends: readonly (readonly [string, (bench: MailboxBench, id: string) => Promise<unknown>])[] = [
    ['while it waits', async () => undefined],
    ['while it is leased', (bench) => bench.receive()],
    ['after its ack', async (bench) => bench.end('ack', await bench.receive())],
    ['after its removal', (bench, id) => bench.remove(id)],
    ['after its expiry', (bench) => bench.pass(1_000)],
    ['as a dead letter', (bench, id) => bench.exhaust(id)],
  ];
  test.each(ends)(
    'the same key gives the same id and changes nothing, other content a conflict: %s',
    async (_, end) => {
      await using bench = await MailboxBench.open(harness);
      const id = await bench.send({ key: 'k', ttlMs: 1_000 });
      await end(bench, id);
      if (harness.durable) await bench.restart('kill');
      const before = await bench.engine.totals();
      expect(await bench.sending({ key: 'k', ttlMs: 1_000 })).toEqual({ ok: true, id, duplicate: true });
      expect(await bench.sending({ key: 'k', digest: 'other' })).toEqual({ ok: false, refusal: 'key-conflict' });
      expect(await bench.engine.totals()).toEqual(before);
      expect((await bench.sending({ key: 'l' })).ok).toBe(true);
    },
  );

  test.each([
    [-1, true],
    [0, false],
    [1, false],
  ])('a key is remembered for its window from the first send: %i ms off', async (offMs, duplicate) => {
    await using bench = await MailboxBench.open(harness);
    await bench.send({ key: 'k' });
    await bench.pass(dayMs / 2);
    expect(await bench.sending({ key: 'k' })).toMatchObject({ duplicate: true });
    await bench.pass(dayMs / 2 + offMs);
    expect(await bench.sending({ key: 'k' })).toMatchObject({ ok: true, duplicate });
  });

  test.each([1, 1_000, 12 * hourMs])('a delay of %i ms is kept to the millisecond', async (delayMs) => {
    await using bench = await MailboxBench.open(harness);
    const id = await bench.send({ delayMs });
    await bench.pass(delayMs - 1);
    expect(await bench.ids()).toEqual([]);
    expect(await bench.stats()).toMatchObject({ delayed: 1, ready: 0 });
    await bench.pass(1);
    expect(await bench.ids()).toEqual([id]);
  });
}

function expiring(harness: MailboxHarness): void {
  const kinds = [
    ['ready', 0],
    ['delayed', 5_000],
  ] as const;
  test.each(kinds)('a %s message is gone at its expiry, not before, and is counted', async (_, delayMs) => {
    await using bench = await MailboxBench.open(harness);
    for (const deadOnExpiry of [false, true]) await bench.send({ ttlMs: 1_000, delayMs, deadOnExpiry });
    await bench.pass(999);
    expect(await bench.stats()).toMatchObject({ expired: 0, dead: 0 });
    await bench.pass(1);
    expect(await bench.stats()).toMatchObject({ ready: 0, delayed: 0, expired: 2, dead: 1, bytes: 100 });
    expect(await bench.dead()).toMatchObject([{ id: messageId(2), cause: 'expired', attempt: 0, history: [] }]);
    expect(await bench.ids()).toEqual([]);
  });

  test('without a time to live it is the retention, which no time to live exceeds', async () => {
    await using bench = await MailboxBench.open(harness, { retention_ms: 60_000 });
    for (const ttlMs of [undefined, 61_000]) await bench.send({ ttlMs });
    bench.set({ retention_ms: 90_000 });
    await bench.send();
    await bench.pass(59_999);
    expect(await bench.stats()).toMatchObject({ ready: 3, expired: 0 });
    await bench.pass(1);
    expect(await bench.stats()).toMatchObject({ ready: 1, expired: 2 });
  });

  test.each([false, true])('a leased message is judged when its lease ends (dead letter: %s)', async (deadOnExpiry) => {
    await using bench = await MailboxBench.open(harness);
    for (let count = 0; count < 4; count += 1) await bench.send({ ttlMs: 1_000, deadOnExpiry });
    const [acked, nacked, released] = await bench.receive({ visibilityMs: 5_000 });
    await bench.pass(2_000);
    expect(await bench.stats()).toMatchObject({ inFlight: 4, expired: 0 });
    expect(await bench.end('ack', [acked])).toEqual([true]);
    expect(await bench.end('nack', [nacked], { delayMs: 0 })).toEqual([true]);
    expect(await bench.end('release', [released])).toEqual([true]);
    await bench.pass(3_000);
    expect(await bench.stats()).toMatchObject({
      inFlight: 0,
      ready: 0,
      delayed: 0,
      expired: 3,
      dead: deadOnExpiry ? 3 : 0,
    });
    expect(await bench.ids()).toEqual([]);
  });
}

function receiving(harness: MailboxHarness): void {
  test.each([
    [2, 2],
    [3, 3],
    [4, 3],
  ])('of three, at most %i come as %i', async (max, count) => {
    await using bench = await MailboxBench.open(harness);
    for (let sent = 0; sent < 3; sent += 1) await bench.send();
    expect(await bench.ids({ max })).toEqual([1, 2, 3].slice(0, count).map(messageId));
  });

  test.each([
    [1, 1],
    [199, 1],
    [200, 2],
    [201, 2],
  ])('messages of 100 bytes in %i bytes: %i; the first always comes', async (bytesMax, count) => {
    await using bench = await MailboxBench.open(harness);
    for (let sent = 0; sent < 3; sent += 1) await bench.send();
    expect(await bench.ids({ bytesMax })).toHaveLength(count);
  });

  test('higher priority first, then those that are ready for longest; what comes back goes to the end', async () => {
    await using bench = await MailboxBench.open(harness);
    for (const [index, priority] of [0, 9, 5, 9, 5].entries()) {
      await bench.send({ id: messageId(100 + index), priority, delayMs: index === 1 ? 10 : 0 });
    }
    await bench.pass(10);
    const leases = await bench.receive();
    expect(leases.map(({ id }) => id)).toEqual([103, 101, 102, 104, 100].map(messageId));
    await bench.end('nack', [leases[2]], { delayMs: 0 });
    await bench.send({ id: messageId(200), priority: 5 });
    await bench.end('nack', [leases[3]], { delayMs: 0 });
    await bench.end('nack', [leases[0]], { delayMs: 0 });
    expect(await bench.ids()).toEqual([103, 102, 200, 104].map(messageId));
  });

  test('each lease has the next attempt and a higher fence, and nobody else gets the message meanwhile', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 100 });
    await bench.send();
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      const lease = await bench.one({ visibilityMs: 1_000 });
      expect(lease).toMatchObject({ attempt, fence: attempt });
      await bench.pass(999);
      expect(await bench.ids()).toEqual([]);
      await bench.end('nack', [lease], { delayMs: 0 });
    }
  });

  test('boxes and tenants have nothing to do with each other', async () => {
    await using bench = await MailboxBench.open(harness);
    const id = await bench.send();
    await bench.send({ box: 'c' });
    await bench.send({ tenant: 'u' });
    const lease = await bench.one();
    expect(lease.id).toBe(id);
    for (const more of [{ box: 'c' }, { tenant: 'u' }, { box: 'nowhere' }, { tenant: 'nobody' }]) {
      for (const op of ['ack', 'nack', 'release', 'extend'] as const) {
        expect(await bench.end(op, [lease], more)).toEqual([false]);
      }
      expect(await bench.settle(bench.engine.execute({ op: 'remove', tenant: 't', box: 'b', ...more, id }))).toBe(
        false,
      );
    }
    expect(await bench.ids({ box: 'nowhere' })).toEqual([]);
    expect(await bench.end('ack', [lease])).toEqual([true]);
  });

  test('a jump of the wall clock moves nothing', async () => {
    await using bench = await MailboxBench.open(harness);
    for (const byMs of [dayMs, -2 * dayMs]) {
      const id = await bench.send({ ttlMs: 60_000, key: `${byMs}` });
      const lease = await bench.one({ visibilityMs: 10_000 });
      bench.env.clock.jumpWall(byMs);
      await bench.pass(9_999);
      expect(await bench.ids()).toEqual([]);
      expect(await bench.end('extend', [lease], { visibilityMs: 1_000 })).toEqual([true]);
      expect(await bench.sending({ key: `${byMs}` })).toMatchObject({ id, duplicate: true });
      expect(await bench.end('ack', [lease])).toEqual([true]);
    }
  });
}

function groups(harness: MailboxHarness): void {
  test('of a group one is in flight, and the next follows only when it is settled', async () => {
    await using bench = await MailboxBench.open(harness);
    for (const group of ['g', 'g', 'h', 'g', undefined]) await bench.send({ group });
    const [first, other] = await bench.receive();
    expect([first!.id, other!.id]).toEqual([1, 3].map(messageId));
    expect(await bench.stats()).toMatchObject({ ready: 2, inFlight: 3 });
    await bench.end('nack', [first], { delayMs: 500 });
    await bench.pass(499);
    expect(await bench.ids()).toEqual([]);
    await bench.pass(1);
    const again = await bench.receive();
    expect(again.map(({ id }) => id)).toEqual([messageId(1)]);
    await bench.end('ack', again);
    expect(await bench.ids()).toEqual([messageId(2)]);
    expect(await bench.ids()).toEqual([]);
  });

  const ways: readonly (readonly [string, (bench: MailboxBench, id: string) => Promise<unknown>])[] = [
    ['removed', (bench, id) => bench.remove(id)],
    ['dead', (bench, id) => bench.exhaust(id)],
    ['expired', (bench) => bench.pass(1_000)],
    ['damaged', (bench, id) => bench.settle(bench.engine.execute({ op: 'quarantine', tenant: 't', box: 'b', id }))],
  ];
  test.each(ways)('the next comes when the first is %s, and a redriven one to the end', async (how, act) => {
    await using bench = await MailboxBench.open(harness);
    const id = await bench.send({ group: 'g', ttlMs: 1_000, deadOnExpiry: true });
    await bench.send({ group: 'g' });
    await act(bench, id);
    const redriven = how === 'dead' || how === 'expired';
    expect(await bench.move('redrive', [id])).toEqual({ moved: redriven ? 1 : 0, left: how === 'damaged' ? 1 : 0 });
    const second = await bench.receive();
    expect(second.map((message) => message.id)).toEqual([messageId(2)]);
    await bench.end('ack', second);
    expect(await bench.ids()).toEqual(redriven ? [id] : []);
  });

  test('a delayed first holds up its group, and the same group of another box is another one', async () => {
    await using bench = await MailboxBench.open(harness);
    await bench.send({ group: 'g', delayMs: 1_000 });
    await bench.send({ group: 'g' });
    await bench.send({ group: 'g', box: 'c' });
    expect(await bench.ids()).toEqual([]);
    expect(await bench.ids({ box: 'c' })).toEqual([messageId(3)]);
    await bench.pass(1_000);
    expect(await bench.ids()).toEqual([messageId(1)]);
  });
}
