import type { ByteStream } from '@ron/proto/stream';
import { expect, test } from 'vitest';
import { type Bed, startRegistry } from './testing/test-bed.ts';

/** Reads as a client does: whenever something comes. */
async function follow(bed: Bed, cursor?: string) {
  const { body } = await bed.run(bed.peer.stream(cursor === undefined ? {} : { cursor }));
  const seen = { text: '', ended: false };
  const iterator = (body as ByteStream)[Symbol.asyncIterator]();
  const drain = async () => {
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) break;
      seen.text += new TextDecoder().decode(value);
    }
    seen.ended = true;
  };
  void drain().catch(() => {
    seen.ended = true;
  });
  await bed.pass(0);
  return {
    seen,
    versions: () => [...seen.text.matchAll(/^id: (\d+)\nevent: head\ndata: (.+)$/gm)].map(([, id]) => Number(id)),
    leave: async () => iterator.return?.(),
  };
}

test('shows the head, and each that follows; a cursor says what was seen', async () => {
  await using bed = await startRegistry();
  const [all, later] = [await follow(bed), await follow(bed, '1')];
  expect([all.versions(), later.versions()]).toEqual([[1], []]);
  const head = await bed.change([]);
  await bed.pass(0);
  expect([all.versions(), later.versions()]).toEqual([[1, 2], [2]]);
  expect(later.seen.text).toContain(`data: ${JSON.stringify(head)}\n\n`);
  await all.leave();
  await later.leave();
});

test('a quiet one shows a sign of life every 15 s', async () => {
  await using bed = await startRegistry();
  const events = await follow(bed);
  const signs = () => events.seen.text.match(/^: $/gm)?.length ?? 0;
  await bed.pass(14_999);
  expect(signs()).toBe(0);
  await bed.pass(1);
  expect(signs()).toBe(1);
  await bed.pass(15_000);
  expect(signs()).toBe(2);
  await events.leave();
});

test('ends when the service stops', async () => {
  const bed = await startRegistry();
  const events = await follow(bed);
  await bed[Symbol.asyncDispose]();
  expect(events.seen.ended).toBe(true);
});
