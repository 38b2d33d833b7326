import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { MailboxBench, type MailboxHarness, messageId } from './mailbox-calls.ts';

const dayMs = 86_400_000;

/** What durable engines promise about restarts. */
export function mailboxRestarts(harness: MailboxHarness): void {
  test.each(['stop', 'kill', 'power cut'] as const)(
    '%s: everything is there, and time goes on where it stood',
    async (how) => {
      await using bench = await MailboxBench.open(harness, { attempts_max: 2 });
      const dead = await bench.send({ key: 'd' });
      await bench.exhaust(dead);
      const leased = await bench.send({
        content: { body: { kind: 'text', text: 'x'.repeat(300_000) }, headers: { a: 'b' } },
      });
      const lease = await bench.one({ visibilityMs: 10_000 });
      const delayed = await bench.send({ delayMs: 10_000 });
      const ready = await bench.send({ group: 'g', priority: 9, ttlMs: 10_000 });
      await bench.pass(1_000);
      const last = await bench.send();
      const before = { ...(await bench.stats()), ...zeros };
      await bench.restart(how);
      expect({ ...(await bench.stats()), ...zeros }).toEqual(before);
      expect(await bench.dead()).toMatchObject([
        { id: dead, cause: 'attempts', attempt: 2, history: [{}, { outcome: 'nack' }] },
      ]);
      expect(await bench.ids()).toEqual([ready, last]);
      await bench.pass(8_999);
      expect(await bench.ids()).toEqual([]);
      expect(await bench.end('extend', [lease], { visibilityMs: 250 })).toEqual([true]);
      await bench.pass(1);
      expect(await bench.ids()).toEqual([delayed]);
      await bench.pass(249 + 400);
      expect(bench.damage).toEqual([]);
      expect(await bench.one()).toMatchObject({ id: leased, attempt: 2, fence: 2, content: { headers: { a: 'b' } } });
    },
  );

  test('a death that time alone brings about once more takes its old place among the dead', async () => {
    await using bench = await MailboxBench.open(harness);
    const expiring = await bench.send({ ttlMs: 1_000, deadOnExpiry: true });
    const damaged = await bench.send();
    await bench.pass(2_000);
    expect(await bench.settle(bench.engine.execute({ op: 'quarantine', tenant: 't', box: 'b', id: damaged }))).toBe(
      true,
    );
    const order = async () => (await bench.dead())?.map(({ id }) => id);
    expect(await order()).toEqual([expiring, damaged]);
    await bench.restart('kill');
    expect(await order()).toEqual([expiring, damaged]);
  });

  test('the time while the node is down does not pass', async () => {
    await using bench = await MailboxBench.open(harness);
    await bench.send({ ttlMs: 10_000 });
    await bench.settle(bench.engine[Symbol.asyncDispose]());
    bench.env = bench.env.kill();
    await bench.pass(dayMs);
    await bench.start();
    await bench.pass(9_999);
    expect(await bench.stats()).toMatchObject({ ready: 1 });
    await bench.pass(1);
    expect((await bench.stats())?.ready ?? 0).toBe(0);
  });
}

/** What engines on the Disk port promise about disks that fail. */
export function mailboxDiskFaults(harness: MailboxHarness): void {
  test('on a full disk only new messages are refused, and that ends without a restart', async () => {
    await using bench = await MailboxBench.open(harness);
    const { faults } = bench.env.machineDisk;
    for (let count = 0; count < 20; count += 1) await bench.send();
    faults.capacityBytes = bench.env.machineDisk.usedBytes;
    const body = { kind: 'text', text: 'x'.repeat(200_000) } as const;
    let refusal: unknown;
    for (let count = 0; count < 50 && refusal === undefined; count += 1) {
      refusal = await bench
        .sending({ id: messageId(1_000 + count), content: { body, headers: undefined } })
        .then(() => undefined)
        .catch((error: unknown) => error);
    }
    expect(refusal).toBeInstanceOf(RonError);
    expect(refusal).toMatchObject({ code: 'insufficient_storage' });
    const leases = await bench.receive({ max: 20 });
    expect(await bench.end('ack', leases.slice(0, 9))).toEqual(new Array(9).fill(true));
    expect(await bench.remove(leases[9]!.id)).toBe(true);
    expect(bench.engine.failure).toBeUndefined();
    faults.capacityBytes = Number.POSITIVE_INFINITY;
    await bench.send({ id: messageId(2_000) });
    await bench.restart('power cut');
    expect(await bench.stats()).toMatchObject({ inFlight: leases.length - 10 });
  });

  test('after a failed write or sync nothing is acknowledged, and nothing acknowledged is lost', async () => {
    for (const operation of ['write', 'sync'] as const) {
      await using bench = await MailboxBench.open(harness);
      await bench.send();
      bench.env.machineDisk.faults.failNth(operation, 1);
      await expect(bench.sending()).rejects.toMatchObject({ code: 'unavailable' });
      expect(bench.engine.failure).toBeDefined();
      await expect(bench.sending()).rejects.toMatchObject({ code: 'unavailable' });
      await expect(bench.receive()).rejects.toMatchObject({ code: 'unavailable' });
      await bench.restart('power cut');
      expect((await bench.ids())[0]).toBe(messageId(1));
    }
  });
}

/** Counted since the start of the node. */
const zeros = { sent: 0, duplicates: 0, delivered: 0, redelivered: 0, acked: 0, expired: 0, deleted: 0 };
