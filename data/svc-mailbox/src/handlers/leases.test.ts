import type { Message } from '@ron/proto/mailbox';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bed, refusalOf, startMailboxes } from '../test-bed.ts';

async function leaseOne(bed: Bed, box = 'a', visibility_ms = 1_000): Promise<Message> {
  const { messages } = await bed.run(bed.box.recv({ box, visibility_ms }));
  return messages[0]!;
}

/** Everything but how often a bad lease came. */
async function state(bed: Bed) {
  const { counters, ...rest } = await bed.everything();
  return { ...rest, counters: { ...counters, staleLeases: 0 } };
}

/** Each way to use a lease is refused, says so for each lease, and changes nothing. */
async function refusedEverywhere(bed: Bed, leases: string[], box = 'a', tenant = 't'): Promise<void> {
  const peer = bed.peer(tenant);
  const before = await state(bed);
  const details = { results: leases.map((lease) => ({ lease, ok: false, error: 'conflict' })) };
  for (const use of [
    () => peer.ack({ box, leases }),
    () => peer.nack({ box, leases, delay_ms: 0 }),
    () => peer.extend({ box, leases, visibility_ms: 43_200_000 }),
  ]) {
    expect(await refusalOf(bed, use())).toMatchObject({ code: 'conflict', details });
  }
  expect(await state(bed)).toEqual(before);
}

describe('a lease that is not good', () => {
  test('because nobody gave it out', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', 'x', 'y');
    const { lease, id } = await leaseOne(bed);
    const [, fence = '', nonce = ''] = lease.split('.');
    const other = nonce === '1' ? '2' : '1';
    const made = ['x', id, `${id}.${fence}`, `${id}.${fence}.${other}`, `${id}.2.${nonce}`, `${id}.0.${nonce}`];
    await refusedEverywhere(bed, [...made, `${lease}0`, lease.toLowerCase(), ` ${lease}`, '\0', '\ud800', '🦀']);
  });

  test('whatever is written in it', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', 'x');
    await leaseOne(bed, 'a', 43_200_000);
    const text = fc.oneof(
      fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }),
      fc.base64String({ minLength: 4 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 5 }), (leases) => refusedEverywhere(bed, leases)),
      { numRuns: 30 },
    );
  });

  test('because it was used, ended, or its message was removed', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', '1', '2', '3', '4');
    const acked = await leaseOne(bed);
    await bed.run(bed.box.ack({ box: 'a', leases: [acked.lease] }));
    const nacked = await leaseOne(bed);
    await bed.run(bed.box.nack({ box: 'a', leases: [nacked.lease], delay_ms: 5_000 }));
    const removed = await leaseOne(bed);
    await bed.run(bed.box.remove({ box: 'a', id: removed.id }));
    const ended = await leaseOne(bed, 'a', 250);
    await bed.pass(249);
    await bed.run(bed.box.extend({ box: 'a', leases: [ended.lease], visibility_ms: 250 }));
    await bed.pass(250);
    const all = [acked, nacked, removed, ended].map(({ lease }) => lease);
    await refusedEverywhere(bed, all);
    for (const lease of all) await refusedEverywhere(bed, [lease]);
  });

  test('because the message has a later one, which stays good', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', 'x');
    const first = await leaseOne(bed, 'a', 250);
    await bed.pass(2_000);
    const second = await leaseOne(bed);
    expect([second.attempt, second.fence, second.id]).toEqual([2, 2, first.id]);
    await refusedEverywhere(bed, [first.lease]);
    const acked = await bed.run(bed.box.ack({ box: 'a', leases: [second.lease] }));
    expect(acked.results).toEqual([{ lease: second.lease, ok: true }]);
  });

  test('because it is of another box, or of another tenant', async () => {
    await using bed = await startMailboxes();
    await bed.send('a', 'x');
    await bed.send('b', 'y');
    await bed.run(bed.peer('u').send({ box: 'a', body: 'z' }));
    const { lease } = await leaseOne(bed);
    await refusedEverywhere(bed, [lease], 'b');
    await refusedEverywhere(bed, [lease], 'a', 'u');
    await refusedEverywhere(bed, [lease], 'unknown');
    expect((await bed.run(bed.box.ack({ box: 'a', leases: [lease] }))).results).toEqual([{ lease, ok: true }]);
  });
});

test('of mixed leases the good ones count, each once, and every one has its result', async () => {
  await using bed = await startMailboxes();
  await bed.send('a', '1', '2');
  await bed.send('b', '3');
  const [one, two, foreign] = [await leaseOne(bed), await leaseOne(bed), await leaseOne(bed, 'b')];
  const leases = [one.lease, 'garbage', one.lease, foreign.lease, two.lease];
  const { results } = await bed.run(bed.box.ack({ box: 'a', leases }));
  expect(results.map(({ lease, ok, error }) => [lease, ok, error])).toEqual([
    [one.lease, true, undefined],
    ['garbage', false, 'conflict'],
    [one.lease, false, 'conflict'],
    [foreign.lease, false, 'conflict'],
    [two.lease, true, undefined],
  ]);
  expect(await bed.run(bed.box.stats({ box: 'a' }))).toMatchObject({ in_flight: 0, acked: 2 });
  expect(await bed.run(bed.box.stats({ box: 'b' }))).toMatchObject({ in_flight: 1, acked: 0 });
});

test('a wall clock that jumps by a day either way moves no lease', async () => {
  await using bed = await startMailboxes();
  await bed.send('a', 'x');
  const { lease } = await leaseOne(bed, 'a', 1_000);
  for (const jumpMs of [86_400_000, -172_800_000]) {
    bed.env.clock.jumpWall(jumpMs);
    await bed.pass(499);
    expect(await bed.run(bed.box.stats({ box: 'a' }))).toMatchObject({ in_flight: 1 });
  }
  expect((await bed.run(bed.box.ack({ box: 'a', leases: [lease] }))).results).toEqual([{ lease, ok: true }]);
});
