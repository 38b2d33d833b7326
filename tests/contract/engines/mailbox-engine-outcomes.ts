import { expect, test } from 'vitest';
import { MailboxBench, type MailboxHarness, messageId } from './mailbox-calls.ts';

const dayMs = 86_400_000;

/** How deliveries end, and what becomes of messages then. */
export function mailboxOutcomes(harness: MailboxHarness): void {
  settling(harness);
  failing(harness);
  deadLetters(harness);
}

function settling(harness: MailboxHarness): void {
  const ops = ['ack', 'nack', 'release', 'extend'] as const;

  test.each(ops)('%s of a lease that is stale, foreign or unreadable is refused and changes nothing', async (op) => {
    await using bench = await MailboxBench.open(harness);
    await bench.send();
    const old = await bench.one({ visibilityMs: 1_000 });
    await bench.pass(1_000 + 60_000);
    const live = await bench.one();
    const bad = [
      old,
      undefined,
      { ...live, nonce: live.nonce + 1 },
      { ...live, fence: live.fence - 1 },
      { ...live, fence: live.fence + 1 },
      { ...live, id: messageId(999) },
    ];
    const before = [await bench.stats(), await bench.engine.totals()];
    expect(await bench.end(op, bad)).toEqual(bad.map(() => false));
    expect([await bench.stats(), await bench.engine.totals()]).toEqual(before);
    expect(await bench.end(op, [undefined, live, old])).toEqual([false, true, false]);
  });

  test.each(ops)('%s works to the last millisecond of the lease', async (op) => {
    await using bench = await MailboxBench.open(harness);
    for (let count = 0; count < 2; count += 1) await bench.send();
    const [early, late] = await bench.receive({ visibilityMs: 1_000 });
    await bench.pass(999);
    expect(await bench.end(op, [early])).toEqual([true]);
    await bench.pass(1);
    expect(await bench.end(op, [late])).toEqual([false]);
  });

  test.each(ops)('%s of the same lease twice in one call', async (op) => {
    await using bench = await MailboxBench.open(harness);
    await bench.send();
    const lease = await bench.one();
    expect(await bench.end(op, [lease, lease], { delayMs: 0 })).toEqual([true, op === 'extend']);
    expect(await bench.end(op, [lease], { delayMs: 0 })).toEqual([op === 'extend']);
  });

  test('what was acknowledged is gone', async () => {
    await using bench = await MailboxBench.open(harness);
    const id = await bench.send();
    expect(await bench.end('ack', await bench.receive())).toEqual([true]);
    expect(await bench.engine.totals()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 0, bytes: 0 });
    expect(await bench.stats()).toMatchObject({ sent: 1, delivered: 1, acked: 1, oldestAgeMs: 0 });
    await bench.pass(dayMs - 1);
    expect(await bench.ids()).toEqual([]);
    expect(await bench.remove(id)).toBe(false);
  });

  test('a released message counts no attempt and is at once the next', async () => {
    await using bench = await MailboxBench.open(harness);
    const id = await bench.send();
    await bench.send();
    for (let fence = 1; fence <= 7; fence += 1) {
      const lease = await bench.one();
      expect(lease).toMatchObject({ id, attempt: 1, fence });
      await bench.end('release', [lease]);
    }
    expect(await bench.stats()).toMatchObject({ ready: 2, inFlight: 0 });
  });

  test.each([250, 60_000])('extend: the lease lasts for %i ms from now on', async (visibilityMs) => {
    await using bench = await MailboxBench.open(harness);
    await bench.send();
    const lease = await bench.one({ visibilityMs: 5_000 });
    await bench.pass(1_000);
    expect(await bench.end('extend', [lease], { visibilityMs })).toEqual([true]);
    await bench.pass(visibilityMs - 1);
    expect(await bench.stats()).toMatchObject({ inFlight: 1 });
    await bench.pass(1);
    expect(await bench.stats()).toMatchObject({ inFlight: 0 });
    expect(await bench.end('ack', [lease])).toEqual([false]);
  });
}

function failing(harness: MailboxHarness): void {
  test('a failed delivery waits at most 200 ms · 2ⁿ, by chance, and at most a minute', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 100 });
    const waits: number[][] = [];
    const seen = new Set<number>();
    for (let count = 0; count < 8; count += 1) await bench.send();
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      const bound = Math.min(60_000, 200 * 2 ** attempt);
      const leases = await bench.receive({ visibilityMs: 1_000 });
      expect(leases.map((lease) => lease.attempt)).toEqual(leases.map(() => attempt));
      // Half are returned, half are left to end by themselves.
      await bench.pass(999);
      await bench.end('nack', leases.slice(0, 4));
      await bench.pass(1);
      expect(await bench.stats()).toMatchObject({ inFlight: 0 });
      waits.push([]);
      for (let step = 0; step < 20; step += 1) {
        waits.at(-1)!.push((await bench.stats())!.ready);
        await bench.pass(bound / 20);
      }
      expect(await bench.stats()).toMatchObject({ ready: 8, delayed: 0 });
      for (const ready of waits.at(-1)!) seen.add(ready);
    }
    // Spread over the span, not all at one moment of it.
    expect(seen.size).toBeGreaterThan(4);
    expect(waits.filter((ready) => ready[5]! < 8).length).toBeGreaterThan(5);
  });

  test('after the last attempt it is a dead letter with its history, by nack and by the end of the lease', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 2 });
    await bench.send();
    const outcomes = [];
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const lease = await bench.one({ visibilityMs: 1_000 });
      if (attempt === 2) await bench.end('nack', [lease], { reason: 'broken', delayMs: 5_000, wallMs: 99 });
      else await bench.pass(1_000 + 400);
      outcomes.push(lease.attempt);
    }
    expect(outcomes).toEqual([1, 2]);
    const [letter] = (await bench.dead())!;
    expect(letter).toMatchObject({ id: messageId(1), cause: 'attempts', attempt: 2 });
    expect(letter!.history).toMatchObject([
      { attempt: 1, outcome: 'expired', reason: undefined },
      { attempt: 2, outcome: 'nack', reason: 'broken' },
    ]);
    await bench.send();
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await bench.one({ visibilityMs: 1_000 });
      await bench.pass(1_000 + (attempt === 1 ? 400 : 0));
    }
    expect(await bench.dead()).toMatchObject([{ id: messageId(1) }, { id: messageId(2), cause: 'attempts' }]);
  });

  test('how many attempts a message has is settled when it is sent', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    await bench.send();
    bench.set({ attempts_max: 3 });
    const id = await bench.send();
    await bench.end('nack', await bench.receive(), { delayMs: 0 });
    expect(await bench.stats()).toMatchObject({ dead: 1, ready: 1 });
    expect(await bench.one()).toMatchObject({ id, attempt: 2 });
  });
}

function deadLetters(harness: MailboxHarness): void {
  test('redrive: fresh attempts, a fresh time to live, a fence that goes on, the end of the box', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 2, retention_ms: 60_000 });
    const id = await bench.send({ ttlMs: 30_000 });
    await bench.exhaust(id);
    await bench.pass(40_000);
    await bench.send();
    expect(await bench.move('redrive')).toEqual({ moved: 1, left: 0 });
    const leases = await bench.receive();
    expect(leases).toMatchObject([{ id: messageId(2) }, { id, attempt: 1, fence: 3 }]);
    await bench.end('release', leases);
    await bench.pass(59_999);
    expect(await bench.stats()).toMatchObject({ ready: 2 });
    await bench.pass(1);
    expect(await bench.stats()).toMatchObject({ ready: 0, expired: 2 });
  });

  test.each(['redrive', 'purge'] as const)('%s: these, or the oldest; others are passed over', async (op) => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1 });
    expect(await bench.move(op)).toBeUndefined();
    for (let count = 1; count <= 5; count += 1) {
      await bench.exhaust(await bench.send());
      await bench.pass(10);
    }
    const alive = await bench.send();
    expect(await bench.move(op, [messageId(4), messageId(99), alive, messageId(4)])).toEqual({ moved: 1, left: 4 });
    expect(await bench.move(op, undefined, { max: 2 })).toEqual({ moved: 2, left: 2 });
    expect((await bench.dead())!.map(({ id }) => id)).toEqual([3, 5].map(messageId));
    expect(await bench.move(op, [messageId(3)], { box: 'nowhere' })).toBeUndefined();
    expect(await bench.move(op)).toEqual({ moved: 2, left: 0 });
    const back = op === 'redrive' ? [alive, ...[4, 1, 2, 3, 5].map(messageId)] : [alive];
    expect(await bench.ids()).toEqual(back);
  });

  test('dead letters are forgotten after their time', async () => {
    await using bench = await MailboxBench.open(harness, { attempts_max: 1, dead_retention_ms: 60_000 });
    await bench.exhaust(await bench.send());
    await bench.pass(59_999);
    expect(await bench.dead()).toHaveLength(1);
    await bench.pass(1);
    expect(await bench.dead()).toEqual([]);
    expect(await bench.engine.totals()).toMatchObject({ dead: 0, bytes: 0 });
  });

  test.each(['ready', 'delayed', 'leased', 'dead'])(
    'a %s message can be removed, once, and its lease ends',
    async (state) => {
      await using bench = await MailboxBench.open(harness);
      const id = await bench.send({ delayMs: state === 'delayed' ? 1_000 : 0 });
      const leases = state === 'leased' ? await bench.receive() : [];
      if (state === 'dead') await bench.exhaust(id);
      expect(await bench.remove(id, 'c')).toBe(false);
      expect(await bench.remove(id)).toBe(true);
      expect(await bench.remove(id)).toBe(false);
      expect(await bench.end('ack', leases)).toEqual(leases.map(() => false));
      expect(await bench.engine.totals()).toMatchObject({ ready: 0, delayed: 0, inFlight: 0, dead: 0, bytes: 0 });
      expect(await bench.stats()).toMatchObject({ deleted: 1 });
    },
  );

  test('a damaged message is a dead letter that says so, and is not delivered again', async () => {
    await using bench = await MailboxBench.open(harness);
    const id = await bench.send();
    const lease = await bench.one();
    const quarantine = (box: string) => bench.settle(bench.engine.execute({ op: 'quarantine', tenant: 't', box, id }));
    expect(await quarantine('c')).toBe(false);
    expect(await quarantine('b')).toBe(true);
    expect(await bench.end('ack', [lease])).toEqual([false]);
    expect(await bench.dead()).toMatchObject([{ id, cause: 'damaged' }]);
    expect(await bench.move('redrive')).toEqual({ moved: 0, left: 1 });
    expect(await bench.ids()).toEqual([]);
  });
}
