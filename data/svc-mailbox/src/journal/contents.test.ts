import { type Journal, JournalError } from '@ron/journal';
import { expect, it } from 'vitest';
import { Box } from '../state/box.ts';
import { Message } from '../state/message.ts';
import { Tenant } from '../state/tenant.ts';
import { Contents } from './contents.ts';
import { idOf, JournalBench } from './testing/journal-bench.ts';

const box = new Box(new Tenant('t'), 'b');

function messageOf(count: number, sizeBytes: number): Message {
  const fixed = { sentWallMs: 1, sentMs: 1, jsonBytes: 2, address: undefined, group: undefined, priority: 0 };
  const origin = {
    ...fixed,
    id: idOf(count),
    sizeBytes,
    deadOnExpiry: false,
    attemptsMax: 5,
    deadRetentionMs: 1,
    retentionMs: 1,
  };
  return new Message(origin, box, { body: { kind: 'text', text: '' }, headers: undefined }, count, 9);
}

const place = { segment: 1, offsetBytes: 64, payloadBytes: 10, sequence: 1 };
const none = () => {
  throw new Error('nothing is read');
};

it('keeps the latest, within its budget, empty ones counted too', () => {
  const contents = new Contents(none, 10_000);
  const messages = Array.from({ length: 1_000 }, (_, index) => messageOf(index, index % 2 === 0 ? 0 : 100));
  for (const message of messages) contents.placed(message, place);
  expect(contents.bytes).toBeLessThanOrEqual(10_000);
  expect(contents.size).toBeGreaterThan(10);
  const kept = messages.filter(({ content }) => content !== undefined);
  expect(kept).toEqual(messages.slice(-contents.size));
});

it('forgets what is gone, once, and does not take it up again', async () => {
  const contents = new Contents(none, 10_000);
  const [one, other] = [messageOf(1, 50), messageOf(2, 50)];
  contents.placed(one, place);
  one.state = 'gone';
  contents.forget(one);
  contents.forget(one);
  other.state = 'gone';
  contents.placed(other, place);
  expect([contents.bytes, contents.size]).toEqual([0, 0]);
  expect([await contents.of(one), await contents.of(other)]).toEqual([undefined, undefined]);
});

it('what is taken away while it is read is gone; what moves is found where it went; what is bad is bad', async () => {
  const message = messageOf(1, 0);
  const contents = new Contents(() => journal, 0);
  contents.placed(message, place);
  let onRead = (): void => undefined;
  const journal = {
    read: async () => {
      onRead();
      throw new JournalError('unknown', 'the segment was dropped');
    },
  } as unknown as Journal;
  await expect(contents.of(message)).rejects.toThrow('dropped');
  let moves = 0;
  onRead = () => {
    moves += 1;
    if (moves <= 2) message.offsetBytes += 100;
    else throw new JournalError('corrupt', 'damaged');
  };
  expect(await contents.of(message)).toBeUndefined();
  expect(moves).toBe(3);
  onRead = () => {
    message.state = 'gone';
  };
  expect(await contents.of(message)).toBeUndefined();
});

it('what a command takes away leaves memory with it', async () => {
  await using bench = await JournalBench.open({ hotBytesMax: 0 });
  await bench.send();
  await bench.send();
  bench.faults.latencyMs = [1, 1];
  const { scheduler } = bench.env;
  bench.faults.failNth('read', 1, 'ENOENT');
  const receiving = bench.receive();
  const removing = bench.remove(idOf(1));
  // Removed before it is read: there is nothing to read and nothing to complain of.
  expect((await scheduler.settle(receiving)).map(({ id }) => id)).not.toContain(idOf(1));
  expect(await scheduler.settle(removing)).toBe(true);
  expect(bench.damage.filter((line) => line.includes(idOf(1)))).toEqual([]);
});
