import { afterEach, expect, test, vi } from 'vitest';
import { Box } from '../state/box.ts';
import { BoxList, LaneList } from '../state/message-list.ts';
import { type Bed, startMailboxes } from '../test-bed.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Steps through lists that a message of box `b` takes from its send to its end, one that fails once included. */
async function stepsOfOne(bed: Bed, tenant: string): Promise<Record<string, number>> {
  const box = bed.peer(tenant);
  const spies = {
    next: vi.spyOn(Box.prototype, 'next'),
    first: vi.spyOn(LaneList.prototype, 'first', 'get'),
    push: vi.spyOn(LaneList.prototype, 'push'),
    remove: vi.spyOn(LaneList.prototype, 'remove'),
    boxFirst: vi.spyOn(BoxList.prototype, 'first', 'get'),
    boxPush: vi.spyOn(BoxList.prototype, 'push'),
    boxRemove: vi.spyOn(BoxList.prototype, 'remove'),
  };
  const waiting = box.recv({ box: 'b', max: 10, wait_ms: 1_000 });
  await bed.pass(1);
  await bed.run(box.send({ box: 'b', body: 'x' }));
  const [first] = (await bed.run(waiting)).messages;
  await bed.run(box.nack({ box: 'b', leases: [first!.lease], delay_ms: 0 }));
  const [second] = (await bed.run(box.recv({ box: 'b' }))).messages;
  await bed.run(box.extend({ box: 'b', leases: [second!.lease], visibility_ms: 1_000 }));
  await bed.run(box.ack({ box: 'b', leases: [second!.lease] }));
  await bed.run(box.stats({ box: 'b' }));
  const counts = Object.fromEntries(Object.entries(spies).map(([name, spy]) => [name, spy.mock.calls.length]));
  vi.restoreAllMocks();
  return counts;
}

test('a box with 100,000 messages costs others no step more, of its own tenant or of another', async () => {
  await using bed = await startMailboxes();
  // The first time makes the boxes.
  for (const tenant of ['t', 'u']) await stepsOfOne(bed, tenant);
  const alone = [await stepsOfOne(bed, 't'), await stepsOfOne(bed, 'u')];
  expect(alone[0]).toMatchObject({ push: 2, remove: 2, boxPush: 1, boxRemove: 1 });
  const content = { body: { kind: 'text' as const, text: 'x' }, headers: undefined };
  const rest = { key: undefined, delayMs: 0, ttlMs: undefined, deadOnExpiry: false, group: undefined, priority: 0 };
  for (let count = 0; count < 100_000; count += 1) {
    const id = String(count).padStart(26, '0');
    const sizes = { sizeBytes: 1, jsonBytes: 3, sentWallMs: 0 };
    await bed.engine.execute({ op: 'send', tenant: 't', box: 'a', id, content, ...sizes, ...rest });
  }
  expect([await stepsOfOne(bed, 't'), await stepsOfOne(bed, 'u')]).toEqual(alone);
  expect(bed.engine.totals()).toMatchObject({ ready: 100_000, boxes: 3 });
});

test('of the messages of one box each step takes those that it answers with', async () => {
  await using bed = await startMailboxes();
  await bed.send('a', ...Array.from({ length: 300 }, (_, index) => String(index)));
  const next = vi.spyOn(Box.prototype, 'next');
  const { messages } = await bed.run(bed.box.recv({ box: 'a', max: 100 }));
  expect([messages.length, next.mock.calls.length]).toEqual([100, 100]);
});
