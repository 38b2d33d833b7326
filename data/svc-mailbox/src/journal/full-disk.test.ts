import { describe, expect, it } from 'vitest';
import { idOf, JournalBench, key } from './testing/journal-bench.ts';

/** Sends until the disk has no room for more. Returns how many were taken. */
async function sendUntilFull(bench: JournalBench): Promise<number> {
  for (let count = 0; count < 5_000; count += 1) {
    const error = await bench.sending({ text: 'y'.repeat(3_000) }).catch((reason: unknown) => reason);
    if (error instanceof Error) {
      expect(error).toMatchObject({ code: 'insufficient_storage' });
      return count;
    }
  }
  throw new Error('the disk is never full');
}

describe('a full disk', () => {
  it('refuses what is sent and changes nothing; the key of what was refused is not remembered', async () => {
    await using bench = await JournalBench.open();
    bench.fill();
    const taken = await sendUntilFull(bench);
    expect(taken).toBeGreaterThan(0);
    const before = await bench.look();
    const refused = bench.sending({ key: 'k', text: 'y'.repeat(3_000) });
    await expect(refused).rejects.toMatchObject({ code: 'insufficient_storage' });
    expect(await bench.look()).toEqual(before);
    expect((await bench.engine.totals()).keys).toBe(0);
    expect(bench.engine.failure).toBeUndefined();
    bench.free();
    const id = idOf(9_999);
    expect(await bench.sending({ key: 'k', id })).toEqual({ ok: true, id, duplicate: false });
    await bench.restart('kill');
    expect((await bench.look()).alive).toHaveLength(taken + 1);
  });

  it('still receives, settles and removes, and all of that is on the disk', async () => {
    await using bench = await JournalBench.open();
    bench.fill();
    const taken = await sendUntilFull(bench);
    const leases = await bench.receive({ max: 5 });
    expect(leases).toHaveLength(5);
    expect(await bench.ack(leases.slice(0, 1))).toEqual([true]);
    expect(await bench.nack(leases.slice(1, 2), 'why')).toEqual([true]);
    expect(await bench.engine.execute({ op: 'release', ...key, leases: leases.slice(2, 3) })).toEqual([true]);
    expect(
      await bench.engine.execute({ op: 'extend', ...key, leases: leases.slice(3, 4), visibilityMs: 9_000 }),
    ).toEqual([true]);
    expect(await bench.remove(leases[4]!.id)).toBe(true);
    const before = await bench.look();
    expect(before.alive).toHaveLength(taken - 2);
    for (const how of ['kill', 'power cut', 'stop'] as const) {
      await bench.restart(how);
      expect(await bench.look()).toEqual(before);
      expect(bench.damage).toEqual([]);
    }
    expect(await bench.ack(leases.slice(3, 4))).toEqual([true]);
  });

  it('whose reserve is used up too refuses everything, and memory is what the log says', async () => {
    await using bench = await JournalBench.open({ config: { attempts_max: 1_000 }, segmentBytes: 2 ** 20 });
    bench.fill();
    await sendUntilFull(bench);
    let refused: unknown;
    for (let turn = 0; turn < 1_000 && refused === undefined; turn += 1) {
      const leases = await bench.receive({ max: 5 }).catch((error: unknown) => {
        refused = error;
        return [];
      });
      if (leases.length > 0) await bench.nack(leases, 'z'.repeat(200)).catch((error: unknown) => (refused = error));
    }
    expect(refused).toMatchObject({ code: 'insufficient_storage' });
    expect(bench.engine.failure).toBeUndefined();
    const before = await bench.look();
    await bench.restart('kill');
    expect(await bench.look()).toEqual(before);
    bench.free();
    await bench.send();
    expect((await bench.look()).alive).toHaveLength(before.alive.length + 1);
  });

  it('gives space back when its messages are settled, though some of each segment are alive', async () => {
    await using bench = await JournalBench.open({ reserveBytes: 65_536 });
    for (let count = 0; count < 200; count += 1) await bench.send({ text: 'y'.repeat(3_000) });
    bench.fill();
    await sendUntilFull(bench);
    const { alive } = await bench.look();
    const kept = alive.filter((_, index) => index % 50 === 0).map(({ id }) => id);
    for (const { id } of alive) if (!kept.includes(id)) await bench.remove(id);
    for (let turn = 0; turn < 50; turn += 1) await bench.remove(idOf(0));
    expect(bench.engine.counters.log?.compactedSegments).toBeGreaterThan(3);
    await bench.send();
    await bench.restart('kill');
    expect((await bench.look()).alive.map(({ id }) => id)).toEqual([...kept, idOf(bench.sent)]);
  });

  it('is told to many at once: each is either stored or refused', async () => {
    await using bench = await JournalBench.open();
    bench.fill();
    const sends = Array.from({ length: 60 }, () => bench.command({ text: 'y'.repeat(3_000) }));
    const outcomes = await Promise.allSettled(sends.map((command) => bench.engine.execute(command)));
    const stored = sends.filter((_, index) => outcomes[index]!.status === 'fulfilled').map(({ id }) => id);
    expect((await bench.look()).alive.map(({ id }) => id)).toEqual(stored);
    expect(stored.length).toBeLessThan(60);
    await bench.restart('kill');
    expect((await bench.look()).alive.map(({ id }) => id)).toEqual(stored);
  });
});

describe.each(['write', 'sync'] as const)('a %s that fails', (operation) => {
  it('refuses the call and all that follow; after a new start everything acknowledged is there', async () => {
    await using bench = await JournalBench.open();
    await bench.send();
    await bench.send();
    await bench.ack(await bench.receive({ max: 1 }));
    bench.faults.failNth(operation, 1);
    const woken = Promise.withResolvers<void>();
    using _ = bench.engine.watch({ tenant: 't', box: 'other' }, woken.resolve);
    const calls = [bench.send(), bench.receive(), bench.remove(idOf(2))];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    await woken.promise;
    expect(bench.engine.failure).toBeDefined();
    expect(bench.damage.join()).toContain('failed');
    await expect(bench.send()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(bench.receive()).rejects.toMatchObject({ code: 'unavailable' });
    await bench.restart('kill');
    expect(bench.engine.failure).toBeUndefined();
    const ids = (await bench.look()).alive.map(({ id }) => id);
    // What was refused while it was being written may have happened.
    expect([`${idOf(2)}`, `${idOf(2)},${idOf(3)}`, `${idOf(3)}`, '']).toContain(ids.join());
  });
});

describe('what many ask at once', () => {
  it('is more than a segment takes, and done all the same', async () => {
    await using bench = await JournalBench.open({ segmentBytes: 2 ** 20 });
    await bench.send();
    const leases = Array.from({ length: 100 }, (_, index) => ({ id: idOf(1), fence: 9 + index, nonce: 1 }));
    const calls = Array.from({ length: 1_500 }, (_, index) =>
      index % 3 === 0
        ? bench.ack(leases)
        : index % 3 === 1
          ? bench.nack(leases, 'no')
          : bench.receive({ tenant: `${index}`, max: 100 }),
    );
    for (const outcome of await Promise.allSettled(calls)) expect(outcome.status).toBe('fulfilled');
    expect(bench.engine.failure).toBeUndefined();
    expect(await bench.ids()).toEqual([idOf(1)]);
  });

  it('is refused beyond a bound, for the one tenant that asks too much', async () => {
    await using bench = await JournalBench.open();
    const calls = Array.from({ length: 4_200 }, () => bench.ack([undefined]));
    const other = bench.engine.execute(bench.command({ tenant: 'other' }));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(4_200 - 4_096);
    for (const outcome of outcomes.slice(4_096)) {
      expect(outcome).toMatchObject({ reason: { code: 'unavailable', retryAfterMs: 250 } });
    }
    expect(await other).toMatchObject({ ok: true });
  });

  it('is answered when the engine is closed, and refused from then on', async () => {
    const bench = await JournalBench.open();
    const before = bench.send();
    const closing = bench.engine[Symbol.asyncDispose]();
    const after = bench.send();
    await expect(before).resolves.toBe(idOf(1));
    await Promise.allSettled([after]);
    await closing;
    await expect(bench.send()).rejects.toMatchObject({ code: 'unavailable' });
    await bench.restart('kill');
    expect((await bench.look()).alive[0]?.id).toBe(idOf(1));
    await bench[Symbol.asyncDispose]();
  });

  it('with an id that is there already is refused, and nothing else', async () => {
    await using bench = await JournalBench.open();
    const command = bench.command();
    const calls = [command, command, bench.command()].map((one) => bench.engine.execute(one));
    const [first, second, third] = await Promise.allSettled(calls);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'conflict' } });
    expect(third).toMatchObject({ status: 'fulfilled' });
    expect(bench.engine.failure).toBeUndefined();
  });
});
