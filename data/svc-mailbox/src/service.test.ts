import { createBus, createConfig, type KernelEvent } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { MailboxConfig } from './config.ts';
import { measure } from './meters.ts';
import { createRamMailboxes } from './ram/ram-mailboxes.ts';
import { codeOf, startMailboxes } from './test-bed.ts';

/** The series of the mailboxes alone, as Prometheus reads them. */
async function shown(metrics: { exposition(): Promise<string> }): Promise<Record<string, number>> {
  const lines = (await metrics.exposition()).split('\n').filter((line) => line.startsWith('mailbox_'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

test('metrics tell what is there and what happened', async () => {
  await using bed = await startMailboxes({ config: { attempts_max: 1 } });
  const { box, run } = bed;
  await run(box.send({ box: 'a', body: 'four', idempotency_key: 'k' }));
  await run(box.send({ box: 'a', body: 'four', idempotency_key: 'k' }));
  await bed.send('b', '1', '2', '3', '4');
  await run(box.send({ box: 'b', body: 'x', delay_ms: 1_000 }));
  await run(box.send({ box: 'c', body: 'x', ttl_ms: 1 }));
  await bed.pass(1);
  const [one, two] = (await run(box.recv({ box: 'b', max: 3 }))).messages;
  await run(box.ack({ box: 'b', leases: [one!.lease, 'stale'] }));
  await run(box.nack({ box: 'b', leases: [two!.lease] }));
  await run(box.remove({ box: 'b', id: (await bed.send('b', 'y'))[0]! }));
  const expected = {
    'mailbox_messages{state="ready"}': 2,
    'mailbox_messages{state="delayed"}': 1,
    'mailbox_messages{state="in_flight"}': 1,
    'mailbox_messages{state="dead"}': 1,
    mailbox_boxes: 3,
    mailbox_bytes: 8,
    mailbox_idempotency_keys: 1,
    'mailbox_events_total{event="sent"}': 8,
    'mailbox_events_total{event="duplicates"}': 1,
    'mailbox_events_total{event="delivered"}': 3,
    'mailbox_events_total{event="redelivered"}': 0,
    'mailbox_events_total{event="acked"}': 1,
    'mailbox_events_total{event="nacked"}': 1,
    'mailbox_events_total{event="expired"}': 1,
    'mailbox_events_total{event="deleted"}': 1,
    'mailbox_events_total{event="stale_leases"}': 1,
    'mailbox_dead_letters_total{reason="attempts"}': 1,
    'mailbox_dead_letters_total{reason="expired"}': 0,
    'mailbox_dead_letters_total{reason="damaged"}': 0,
  };
  expect(await shown(bed.metrics)).toEqual(expected);
  // Looking changes nothing, and boxes and tenants make no series of their own.
  for (let count = 0; count < 20; count += 1)
    await run(bed.peer(`tenant-${count}`).send({ box: `box-${count}`, body: 'x' }));
  expect(Object.keys(await shown(bed.metrics))).toEqual(Object.keys(expected));
});

test('a service that starts again on the same mailboxes goes on counting', async () => {
  await using bed = await startMailboxes();
  await bed.send('a', '1', '2');
  await bed.metrics.exposition();
  await bed.run(Promise.resolve(bed.hosted[Symbol.asyncDispose]()));
  using _measuring = measure(bed.metrics, bed.engine);
  await bed.metrics.exposition();
  expect(bed.metrics.read('mailbox_events_total', { event: 'sent' })).toBe(2);
});

test('the gate is green until the mailboxes fail, and says why', async () => {
  await using bed = await startMailboxes();
  expect(bed.hosted.gates()).toEqual([{ gate: 'mailbox.mailbox-writable', ok: true }]);
  await bed.engine[Symbol.asyncDispose]();
  expect(bed.hosted.gates()).toEqual([{ gate: 'mailbox.mailbox-writable', ok: false, reason: 'closed' }]);
  for (const work of [() => bed.box.send({ box: 'a', body: 'x' }), () => bed.box.recv({ box: 'a' })]) {
    expect(await codeOf(bed, work())).toBe('unavailable');
  }
});

const full = [
  ['tenant_messages_max', 3, 'quota_exhausted', 'tenant-messages'],
  ['tenant_bytes_max', 300, 'quota_exhausted', 'tenant-bytes'],
  ['tenant_boxes_max', 3, 'quota_exhausted', 'tenant-boxes'],
  ['messages_max', 3, 'insufficient_storage', 'messages'],
  ['boxes_max', 3, 'insufficient_storage', 'boxes'],
] as const;

test.each(full)(
  '%s holds at -1, 0 and +1, leaves room to settle, and a reload holds at once',
  async (name, max, code, limit) => {
    await using bed = await startMailboxes({ config: { [name]: max } });
    const send = (box: string) => bed.box.send({ box, body: 'x'.repeat(100) });
    for (const box of ['a', 'b', 'c']) expect(await codeOf(bed, send(box))).toBe('accepted');
    const before = await bed.everything();
    await expect(bed.run(send('d'))).rejects.toMatchObject({ code, details: { limit } });
    expect(await bed.everything()).toEqual(before);
    const { messages } = await bed.run(bed.box.recv({ box: 'a' }));
    await bed.run(bed.box.ack({ box: 'a', leases: [messages[0]!.lease] }));
    expect(await codeOf(bed, send('d'))).toBe('accepted');
    expect(await codeOf(bed, send('e'))).toBe(code);
    bed.config.set({ [name]: max * 2 });
    expect(await codeOf(bed, send('e'))).toBe('accepted');
  },
);

test('one tenant at its limits does not keep others from sending', async () => {
  await using bed = await startMailboxes({ config: { tenant_messages_max: 1 } });
  await bed.send('a', 'x');
  await expect(bed.run(bed.box.send({ box: 'b', body: 'x' }))).rejects.toMatchObject({ retryAfterMs: 1_000 });
  expect(await codeOf(bed, bed.peer('u').send({ box: 'a', body: 'x' }))).toBe('accepted');
});

test('the bytes of the node are a limit too, and dead letters count', async () => {
  await using bed = await startMailboxes({ bytesMax: 200, config: { attempts_max: 1 } });
  await bed.send('a', 'x'.repeat(200));
  const { messages } = await bed.run(bed.box.recv({ box: 'a' }));
  await bed.run(bed.box.nack({ box: 'a', leases: [messages[0]!.lease] }));
  expect(await codeOf(bed, bed.box.send({ box: 'b', body: 'x' }))).toBe('insufficient_storage');
  await bed.run(bed.box.purge({ box: 'a' }));
  expect(await codeOf(bed, bed.box.send({ box: 'b', body: 'x' }))).toBe('accepted');
});

test('a reload of the configuration is announced, and the engine goes by it', async () => {
  const bus = createBus<KernelEvent>();
  const events: KernelEvent[] = [];
  bus.onEvent((event) => events.push(event));
  const text = (max: number) => `[mailbox]\ntenant_messages_max = ${max}\n`;
  const file = { name: 'node.toml', text: text(1) };
  const config = createConfig({ mailbox: MailboxConfig }, { file, environment: {}, flags: {} }, bus);
  const env = createSimEnv({ seed: 1 });
  await using mailboxes = createRamMailboxes({ env, config: () => config.table('mailbox').current(), bytesMax: 1e9 });
  const content = { body: { kind: 'text' as const, text: 'x' }, headers: undefined };
  const rest = { key: undefined, delayMs: 0, ttlMs: undefined, deadOnExpiry: false, group: undefined, priority: 0 };
  const send = (id: string) =>
    mailboxes.execute({
      op: 'send',
      tenant: 't',
      box: 'a',
      id,
      content,
      sizeBytes: 1,
      jsonBytes: 3,
      sentWallMs: 0,
      ...rest,
    });
  expect([(await send('1')).ok, (await send('2')).ok]).toEqual([true, false]);
  expect(config.reload(text(2))).toMatchObject({ ok: true, changed: ['mailbox.tenant_messages_max'] });
  expect([(await send('2')).ok, (await send('3')).ok]).toEqual([true, false]);
  expect(events).toEqual([{ type: 'ConfigUpdated', version: 2 }]);
});
