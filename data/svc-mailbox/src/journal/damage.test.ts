import { describe, expect, it } from 'vitest';
import { idOf, JournalBench, key } from './testing/journal-bench.ts';

const flip = (bench: JournalBench, place: { readonly path: string; readonly offsetBytes: number } | undefined) => {
  if (place === undefined) throw new Error('the text is not on the disk');
  bench.env.machineDisk.flipBit(place.path, place.offsetBytes);
};

async function bodyOf(bench: JournalBench, text: string) {
  return (await bench.find(text))[0];
}

describe('a bit flips', () => {
  it.each(['stop', 'kill', 'power cut'] as const)(
    'in the record of a message: after a %s that one is a dead letter with its name, all others are delivered',
    async (how) => {
      await using bench = await JournalBench.open();
      for (let count = 1; count <= 9; count += 1) await bench.send({ text: `the text ${count}` });
      flip(bench, await bodyOf(bench, 'the text 4'));
      await bench.restart(how);
      expect(bench.damage.join()).toContain(`message ${idOf(4)} of box b is damaged`);
      expect(await bench.ids()).toEqual([1, 2, 3, 5, 6, 7, 8, 9].map(idOf));
      const letters = await bench.dead();
      expect(letters.map(({ id, cause, content }) => [id, cause, content])).toEqual([[idOf(4), 'damaged', undefined]]);
      await bench.restart();
      expect((await bench.dead()).map(({ id }) => id)).toEqual([idOf(4)]);
      expect(await bench.engine.execute({ op: 'purge', ...key, ids: [idOf(4)], max: 1 })).toEqual({
        moved: 1,
        left: 0,
      });
      await bench.restart();
      expect(await bench.dead()).toEqual([]);
    },
  );

  it('in the record of a message that was settled: nothing comes back', async () => {
    await using bench = await JournalBench.open();
    for (let count = 1; count <= 3; count += 1) await bench.send({ text: `the text ${count}` });
    await bench.ack((await bench.receive({ max: 2 })).slice(0, 1));
    flip(bench, await bodyOf(bench, 'the text 1'));
    await bench.restart('kill');
    expect(bench.damage).toHaveLength(1);
    expect(await bench.look()).toMatchObject({ alive: [{ id: idOf(2) }, { id: idOf(3) }], dead: [] });
  });

  it('in the record of a settling: the message comes again, its lease has ended, the others do not notice', async () => {
    await using bench = await JournalBench.open();
    for (let count = 1; count <= 3; count += 1) await bench.send();
    const leases = await bench.receive({ max: 3, visibilityMs: 1_000 });
    await bench.ack(leases.slice(1, 2));
    await bench.ack(leases.slice(2));
    const places = await bench.find(idOf(2));
    flip(bench, places.at(-1));
    await bench.restart('kill');
    expect(bench.damage).toHaveLength(1);
    expect(bench.damage[0]).toMatch(/segment 1, bytes \d+ to \d+: record is damaged/);
    expect((await bench.look()).alive.map(({ id }) => id)).toEqual([idOf(1), idOf(2)]);
    await bench.pass(2_000);
    const again = await bench.receive();
    expect(again.map(({ id, attempt, fence }) => [id, attempt, fence])).toEqual([
      [idOf(1), 2, 2],
      [idOf(2), 2, 2],
    ]);
    expect(await bench.ack(again)).toEqual([true, true]);
  });

  it('in the record of a lease: the message comes again and the old token does not count', async () => {
    await using bench = await JournalBench.open();
    await bench.send();
    await bench.send();
    const [lease] = await bench.receive({ max: 1 });
    await bench.send();
    const places = await bench.find(idOf(1));
    flip(bench, places.at(-1));
    await bench.restart('kill');
    expect(bench.damage).toHaveLength(1);
    expect(await bench.ack([lease])).toEqual([false]);
    expect(await bench.ids()).toEqual([idOf(1), idOf(2), idOf(3)]);
  });

  it('in a record that is read only when it is delivered: the others of the same receive are, that one is dead', async () => {
    await using bench = await JournalBench.open({ hotBytesMax: 0 });
    for (let count = 1; count <= 4; count += 1) await bench.send({ text: `the text ${count}` });
    flip(bench, await bodyOf(bench, 'the text 2'));
    expect(await bench.ids()).toEqual([idOf(1), idOf(3), idOf(4)]);
    expect(bench.damage.join()).toContain(idOf(2));
    expect((await bench.dead()).map(({ id, cause, content }) => [id, cause, content])).toEqual([
      [idOf(2), 'damaged', undefined],
    ]);
    expect(bench.stats()).toMatchObject({ inFlight: 3, dead: 1, ready: 0 });
  });

  it('in the record of a message that was carried on: it is still known by its name', async () => {
    await using bench = await JournalBench.open();
    await bench.send({ text: 'kept text' });
    await churn(bench, 3);
    const places = await bench.find('kept text');
    expect(places).toHaveLength(1);
    expect(places[0]!.path).not.toContain('00000001');
    flip(bench, places[0]);
    await bench.send();
    await bench.restart('kill');
    expect((await bench.dead()).map(({ id }) => id)).toEqual([idOf(1)]);
  });

  it('in a record that compaction comes to: what is in memory is written anew', async () => {
    await using bench = await JournalBench.open();
    await bench.send({ text: 'kept text' });
    flip(bench, await bodyOf(bench, 'kept text'));
    await churn(bench, 3);
    expect(bench.damage).toEqual([]);
    await bench.restart('kill');
    expect(bench.damage).toEqual([]);
    expect((await bench.look()).alive.map(({ content }) => content.body)).toEqual([
      { kind: 'text', text: 'kept text' },
    ]);
  });

  it('in a record that compaction comes to: what only the disk had is a dead letter, and stays one', async () => {
    await using bench = await JournalBench.open({ hotBytesMax: 0 });
    await bench.send({ text: 'lost text' });
    await bench.send({ text: 'kept text' });
    flip(bench, await bodyOf(bench, 'lost text'));
    await churn(bench, 3);
    expect(bench.damage).toEqual([`message ${idOf(1)} of box b is damaged and cannot be delivered`]);
    for (const how of ['kill', 'power cut'] as const) {
      await bench.restart(how);
      expect((await bench.dead()).map(({ id, cause }) => [id, cause])).toEqual([[idOf(1), 'damaged']]);
      expect((await bench.look()).alive.map(({ id }) => id)).toEqual([idOf(2)]);
    }
  });
});

it('a record that the disk refuses to read fails one delivery of one message; in the end it is a dead letter', async () => {
  await using bench = await JournalBench.open({ hotBytesMax: 0, config: { attempts_max: 2 } });
  for (let count = 1; count <= 3; count += 1) await bench.send();
  bench.faults.failNth('read', 2);
  expect(await bench.ids()).toEqual([idOf(1), idOf(3)]);
  expect(bench.damage.join()).toContain(`message ${idOf(2)} of box b cannot be read`);
  await bench.pass(1_000);
  const [again] = await bench.receive();
  expect(again).toMatchObject({ id: idOf(2), attempt: 2, content: { body: { kind: 'text' } } });
  await bench.nack([again]);
  expect((await bench.dead()).map(({ id, cause }) => [id, cause])).toEqual([[idOf(2), 'attempts']]);
});

/** Fills and empties segments until so many were given back. */
async function churn(bench: JournalBench, segments: number): Promise<void> {
  const other = { tenant: 'other', box: 'churn' };
  for (let turn = 0; (bench.engine.counters.log?.compactedSegments ?? 0) < segments; turn += 1) {
    if (turn > 500) throw new Error('nothing is compacted');
    const id = await bench.send({ ...other, text: 'x'.repeat(4_000) });
    await bench.engine.execute({ op: 'remove', ...other, id });
  }
}

it('a segment that somebody took away is told of at the start', async () => {
  await using bench = await JournalBench.open();
  for (let count = 0; count < 60; count += 1) await bench.send({ text: 'x'.repeat(4_000) });
  await bench.engine[Symbol.asyncDispose]();
  const [, second] = await bench.segments();
  await bench.env.disk.remove(`mailbox/${second}`);
  bench.env = bench.env.kill();
  await bench.start();
  expect(bench.damage.join()).toContain('segment 2 is missing');
});
