import { expect, test } from 'vitest';
import { startMailboxes, subscribe } from '../test-bed.ts';

test('a view shows what is sent from then on, in order, once, and leases nothing', async () => {
  await using bed = await startMailboxes();
  await bed.send('a', 'before');
  const reader = await subscribe(bed, { box: 'a', peek: true });
  await bed.send('a', '1', '2');
  await bed.run(bed.box.send({ box: 'a', body: '3', delay_ms: 60_000 }));
  await bed.run(bed.box.send({ box: 'a', body: '4', group: 'g', priority: 9, headers: { h: 'v' } }));
  await bed.send('b', 'another box');
  await bed.run(bed.peer('u').send({ box: 'a', body: 'another tenant' }));
  await bed.pass(40_000);
  expect(reader.bodies).toEqual(['1', '2', '3', '4']);
  expect(reader.events[3]!.data).toEqual({
    id: expect.any(String) as string,
    body: '4',
    headers: { h: 'v' },
    group: 'g',
    priority: 9,
    sent_at: Date.UTC(2026, 0, 1),
    attempt: 0,
  });
  expect(reader.comments).toBe(3);
  expect(await bed.run(bed.box.stats({ box: 'a' }))).toMatchObject({
    in_flight: 0,
    delivered: 0,
    ready: 4,
    delayed: 1,
  });
});

test('what is sent between the answer and the first look is seen', async () => {
  await using bed = await startMailboxes();
  const reader = await subscribe(bed, { box: 'a', peek: true }, { eager: false });
  await bed.send('a', '1');
  await bed.run(reader.step());
  await bed.run(reader.step());
  expect(reader.bodies).toEqual(['1']);
});

test('it goes on after the event that the client saw last, gone or not', async () => {
  await using bed = await startMailboxes();
  const first = await subscribe(bed, { box: 'a', peek: true });
  await bed.send('a', '1', '2', '3');
  await bed.pass(0);
  await first.leave();
  await bed.send('a', '4', '5');
  const cursor = first.events[1]!.id;
  const expected = ['3', '4', '5'];
  for (const gone of [undefined, first.events[1]!.data.id, first.events[0]!.data.id]) {
    if (gone !== undefined) await bed.run(bed.box.remove({ box: 'a', id: gone }));
    const reader = await subscribe(bed, { box: 'a', peek: true, cursor });
    expect(reader.bodies).toEqual(expected);
    await reader.leave();
  }
});

test('a slow reader sees all that is still there, and holds up nobody', async () => {
  await using bed = await startMailboxes();
  const slow = await subscribe(bed, { box: 'a', peek: true }, { eager: false });
  const bodies = Array.from({ length: 90 }, (_, index) => String(index));
  await bed.send('a', ...bodies);
  await bed.run(slow.step());
  await bed.run(slow.step());
  const { messages } = await bed.run(bed.box.recv({ box: 'a', max: 50 }));
  await bed.run(bed.box.ack({ box: 'a', leases: messages.map(({ lease }) => lease) }));
  for (let count = 0; count < 59; count += 1) await bed.run(slow.step());
  // A page that it already had, and then what was left.
  expect(slow.bodies).toEqual([...bodies.slice(0, 20), ...bodies.slice(50)]);
});
