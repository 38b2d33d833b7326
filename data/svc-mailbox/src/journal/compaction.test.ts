import { SystemError } from '@ron/kernel';
import { createSimRandom } from '@ron/kernel/sim';
import { describe, expect, it } from 'vitest';
import { idOf, JournalBench, key } from './testing/journal-bench.ts';

const segmentBytes = 65_536;
const churnBox = { tenant: 'other', box: 'churn' };
const dayMs = 86_400_000;

const compacted = (bench: JournalBench) => bench.engine.counters.log!.compactedSegments;

/** Sends and removes until so many more segments were given back. */
async function churn(bench: JournalBench, segments: number, bytes = 4_000): Promise<void> {
  const until = compacted(bench) + segments;
  for (let turn = 0; compacted(bench) < until; turn += 1) {
    if (turn > 2_000) throw new Error('nothing is compacted');
    const id = await bench.send({ ...churnBox, text: 'x'.repeat(bytes) });
    await bench.engine.execute({ op: 'remove', ...churnBox, id });
  }
}

describe('compaction', () => {
  it('keeps a long random workload with few messages alive within twice what is alive and a few segments', async () => {
    await using bench = await JournalBench.open({ config: { attempts_max: 100 } });
    const random = createSimRandom('compaction');
    const expected = new Map<string, string>();
    for (let turn = 0; turn < 3_000; turn += 1) {
      if (expected.size < 40 && random.chance(0.5)) {
        const text = `${turn} `.padEnd(random.integer(2_000), '.');
        expected.set(await bench.send({ text }), text);
      } else {
        for (const lease of await bench.receive({ max: 3 })) {
          expect(lease.content.body).toEqual({ kind: 'text', text: expected.get(lease.id) });
          if (random.chance(0.5)) {
            expect(await bench.ack([lease])).toEqual([true]);
            expected.delete(lease.id);
          } else await bench.nack([lease], 'later');
        }
      }
      if (turn % 500 === 499) {
        const aliveBytes = [...expected.values()].reduce((sum, text) => sum + text.length + 1_000, 0);
        expect(await bench.logBytes()).toBeLessThan(2 * aliveBytes + 4 * segmentBytes);
      }
      if (turn === 1_500) await bench.restart('kill');
    }
    expect(compacted(bench)).toBeGreaterThan(5);
    const before = await bench.look();
    expect(before.alive.map(({ id }) => id).sort()).toEqual([...expected.keys()].sort());
    await bench.restart('power cut');
    expect(await bench.look()).toEqual(before);
    expect(bench.damage).toEqual([]);
  });

  it('may be stopped at any moment: an orderly stop in the middle of it loses nothing', async () => {
    let stoppedInside = 0;
    for (let turns = 0; turns < 400; turns += 3) {
      await using bench = await JournalBench.open({ hotBytesMax: 0 });
      const ids: string[] = [];
      for (let count = 0; count < 150; count += 1) ids.push(await bench.send({ text: 'k'.repeat(300) }));
      const before = compacted(bench);
      while (compacted(bench) === before && (await bench.segments()).length < 4) {
        const id = await bench.send({ ...churnBox, text: 'x'.repeat(4_000) });
        await bench.engine.execute({ op: 'remove', ...churnBox, id });
      }
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const { carriedBytes, compactedSegments } = bench.engine.counters.log!;
      if (carriedBytes > 0 && compactedSegments === 0) stoppedInside += 1;
      await bench.restart('stop');
      expect((await bench.look()).alive.map(({ id }) => id)).toEqual(ids);
    }
    expect(stoppedInside).toBeGreaterThan(3);
  });

  it('carries all of a message on: group order, attempts, fence, history, and its lease', async () => {
    await using bench = await JournalBench.open({ hotBytesMax: 0 });
    for (let count = 1; count <= 3; count += 1) await bench.send({ group: 'g' });
    await bench.nack(await bench.receive(), 'not now');
    const [lease] = await bench.receive();
    expect(lease).toMatchObject({ id: idOf(1), attempt: 2, fence: 2 });
    await bench.send({ deadOnExpiry: true, ttlMs: 10 });
    await bench.pass(10);
    const before = await bench.look();
    expect(before.dead.map(({ id, cause }) => [id, cause])).toEqual([[idOf(4), 'expired']]);
    await churn(bench, 3);
    expect(await bench.look()).toEqual(before);
    await bench.restart('kill');
    expect(await bench.look()).toEqual(before);
    expect(before.alive[0]).toMatchObject({ id: idOf(1), attempt: 2 });
    expect(await bench.ids()).toEqual([]);
    expect(await bench.ack([lease])).toEqual([true]);
    expect(await bench.receive()).toMatchObject([{ id: idOf(2), attempt: 1, fence: 1, group: 'g' }]);
  });

  it('remembers a key after its message was acked and its segment dropped, and forgets it after its window', async () => {
    await using bench = await JournalBench.open();
    await bench.send({ key: 'k' });
    await bench.ack(await bench.receive());
    await churn(bench, 3);
    await bench.restart('kill');
    expect(await bench.sending({ key: 'k' })).toEqual({ ok: true, id: idOf(1), duplicate: true });
    await bench.pass(dayMs);
    await churn(bench, 2);
    await bench.restart('kill');
    expect(await bench.sending({ key: 'k', id: idOf(9_999) })).toEqual({ ok: true, id: idOf(9_999), duplicate: false });
  });

  it('of a message that outlived its key does not take the key from the message that has it now', async () => {
    await using bench = await JournalBench.open();
    const old = await bench.send({ key: 'k' });
    await bench.pass(dayMs);
    // The younger one stands in the second segment, and stays there while the first is given back.
    while ((await bench.segments()).length < 2) await churnOnce(bench);
    const young = await bench.send({ key: 'k' });
    expect(young).not.toBe(old);
    await churn(bench, 1);
    await bench.restart('kill');
    expect(await bench.sending({ key: 'k' })).toEqual({ ok: true, id: young, duplicate: true });
    expect((await bench.look()).alive.map(({ id }) => id)).toEqual([old, young]);
  });

  it('answers commands in between, and never brings back what is settled while it runs', async () => {
    await using bench = await JournalBench.open({ hotBytesMax: 0 });
    bench.faults.latencyMs = [1, 1];
    const { scheduler } = bench.env;
    const all: string[] = [];
    for (let count = 0; count < 30; count += 1)
      all.push(await scheduler.settle(bench.send({ text: 'y'.repeat(1_500) })));
    const leases = await scheduler.settle(bench.receive({ max: 30 }));
    let acked = 0;
    for (let turn = 0; compacted(bench) < 3 || acked < 20; turn += 1) {
      expect(turn).toBeLessThan(500);
      const before = scheduler.nowMs;
      const id = await scheduler.settle(bench.send({ ...churnBox, text: 'x'.repeat(4_000) }));
      // One write and sync of others may be under way, and some more when a segment ends.
      expect(scheduler.nowMs - before).toBeLessThan(30);
      await scheduler.settle(bench.engine.execute({ op: 'remove', ...churnBox, id }));
      if (turn > 15 && acked < 20) expect(await scheduler.settle(bench.ack([leases[acked++]]))).toEqual([true]);
    }
    await scheduler.settle(Promise.resolve(bench.engine[Symbol.asyncDispose]()));
    bench.faults.latencyMs = [0, 0];
    bench.env = bench.env.kill();
    await bench.start();
    expect((await bench.look()).alive.map(({ id }) => id)).toEqual(all.slice(20));
  });

  it('that moves messages while they are read loses none of them', async () => {
    await using bench = await JournalBench.open({ hotBytesMax: 0, seed: 'moving', segmentBytes: 300_000 });
    bench.faults.latencyMs = [0, 3];
    const { scheduler } = bench.env;
    const large = 'z'.repeat(140_000);
    for (let count = 0; count < 3; count += 1) await scheduler.settle(bench.send({ text: large }));
    let deliveries = 0;
    for (let turn = 0; turn < 120; turn += 1) {
      const sending = bench.send({ ...churnBox, text: 'x'.repeat(20_000) });
      const leases = await scheduler.settle(bench.receive());
      deliveries += leases.length;
      for (const { content } of leases) expect(content.body).toEqual({ kind: 'text', text: large });
      await scheduler.settle(bench.engine.execute({ op: 'release', ...key, leases }));
      await scheduler.settle(bench.engine.execute({ op: 'remove', ...churnBox, id: await scheduler.settle(sending) }));
    }
    expect(deliveries).toBe(360);
    expect(compacted(bench)).toBeGreaterThan(3);
    expect(bench.damage).toEqual([]);
  });

  it('comes to an end with messages whose history is many times their size', async () => {
    await using bench = await JournalBench.open({ config: { attempts_max: 100 } });
    for (let count = 0; count < 40; count += 1) await bench.send();
    for (let turn = 0; turn < 15; turn += 1) await bench.nack(await bench.receive({ max: 100 }), '\u20ac'.repeat(256));
    await churn(bench, 12);
    const before = compacted(bench);
    for (let turn = 0; turn < 40; turn += 1) await churnOnce(bench);
    // 320 kB more come to five segments; that the same 500 kB are written again and again would be many.
    expect(compacted(bench) - before).toBeLessThan(18);
    await bench.restart('kill');
    expect((await bench.receive({ max: 1 }))[0]).toMatchObject({ id: idOf(1), attempt: 16 });
  });

  it('rests after it has failed, instead of reading the same segment with every command', async () => {
    await using bench = await JournalBench.open({ hotBytesMax: 0 });
    await bench.send({ text: 'y'.repeat(20_000) });
    for (let turn = 0; turn < 25; turn += 1) await churnOnce(bench);
    bench.faults.rates = { ...bench.faults.rates, readError: 1 };
    for (let turn = 0; turn < 20; turn += 1) await churnOnce(bench);
    expect(bench.damage.filter((line) => line.includes('compacted'))).toHaveLength(1);
    bench.faults.calm();
    await bench.pass(60_000);
    await churn(bench, 1);
    expect((await bench.receive())[0]).toMatchObject({ id: idOf(1) });
  });

  it('loses nothing and brings nothing back when the power fails at any disk operation', async () => {
    const total = await runCut(Number.POSITIVE_INFINITY);
    expect(total).toBeGreaterThan(40);
    for (let cutAt = 1; cutAt <= total; cutAt += 1) await runCut(cutAt);
  });
});

/** Two compactions, with the power cut before the disk operation of that number. Returns how many operations there were. */
async function runCut(cutAt: number): Promise<number> {
  const bench = await JournalBench.open({ seed: cutAt, hotBytesMax: 0 });
  for (let count = 0; count < 6; count += 1) await bench.send({ text: 'y'.repeat(3_000), key: `k${count}` });
  await bench.ack((await bench.receive({ max: 2 })).slice(1));
  for (let turn = 0; turn < 12; turn += 1) await churnOnce(bench, 9_000);
  expect(compacted(bench)).toBe(0);
  const before = await bench.look();
  const { env } = bench;
  const cut = Promise.withResolvers<void>();
  const operations = countOperations(bench, cutAt, cut.resolve);
  const work = (async () => {
    for (let turn = 0; turn < 8; turn += 1) await churnOnce(bench, 9_000);
    expect(compacted(bench)).toBeGreaterThan(0);
  })();
  await Promise.race([cut.promise, work]);
  const count = operations();
  if (bench.env === env) bench.env = env.kill();
  await bench.start();
  expect(await bench.look(), `power cut at operation ${cutAt}`).toEqual(before);
  for (let index = 0; index < 6; index += 1) {
    const outcome = await bench.sending({ key: `k${index}` });
    expect(outcome, `power cut at operation ${cutAt}`).toEqual({ ok: true, id: idOf(index + 1), duplicate: true });
  }
  await bench[Symbol.asyncDispose]();
  return count;
}

async function churnOnce(bench: JournalBench, bytes = 4_000): Promise<void> {
  const id = await bench.send({ ...churnBox, text: 'x'.repeat(bytes) });
  await bench.engine.execute({ op: 'remove', ...churnBox, id });
}

/** Fails the power before the disk operation of that number. Returns how many there were so far. */
function countOperations(bench: JournalBench, cutAt: number, onCut: () => void): () => number {
  let count = 0;
  const { faults } = bench.env.machineDisk;
  const check = faults.check.bind(faults);
  faults.check = (operation) => {
    count += 1;
    if (count !== cutAt) return check(operation);
    faults.check = check;
    bench.env = bench.env.crash();
    onCut();
    throw new SystemError('EIO', 'power cut');
  };
  return () => count;
}
