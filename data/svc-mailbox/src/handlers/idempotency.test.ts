import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bed, codeOf, startMailboxes } from '../test-bed.ts';

const keyed = { box: 'a', body: 'x', idempotency_key: 'k' };

test('the key may stand in the body or in the header, which say the same or nothing', async () => {
  await using bed = await startMailboxes();
  const { box, run } = bed;
  const { id } = await run(box.send(keyed));
  const again = { id, duplicate: true, durability: 'memory' };
  const plain = { box: 'a', body: 'x' };
  expect(await run(box.send(plain, { idempotencyKey: 'k' }))).toEqual(again);
  expect(await run(box.send(keyed, { idempotencyKey: 'k' }))).toEqual(again);
  const before = await bed.everything();
  expect(await codeOf(bed, box.send(keyed, { idempotencyKey: 'other' }))).toBe('bad_request');
  expect(await bed.everything()).toEqual(before);
  expect((await run(box.send(plain))).duplicate).toBe(false);
  expect(await run(box.stats({ box: 'a' }))).toMatchObject({ sent: 2, duplicates: 2, ready: 2 });
});

test('a key is known whatever became of its message, for 24 h and no longer', async () => {
  await using bed = await startMailboxes();
  const { box, run } = bed;
  const { id } = await run(box.send(keyed));
  const { messages } = await run(box.recv({ box: 'a' }));
  await run(box.ack({ box: 'a', leases: [messages[0]!.lease] }));
  const removed = await run(box.send({ ...keyed, idempotency_key: 'r' }));
  await run(box.remove({ box: 'a', id: removed.id }));
  await bed.pass(86_399_999);
  expect(await run(box.send(keyed))).toMatchObject({ id, duplicate: true });
  expect(await run(box.send({ ...keyed, idempotency_key: 'r' }))).toMatchObject({ id: removed.id, duplicate: true });
  await bed.pass(1);
  expect(await run(box.send(keyed))).toMatchObject({ duplicate: false });
  expect(await run(box.stats({ box: 'a' }))).toMatchObject({ ready: 1 });
});

test('a key belongs to one box of one tenant', async () => {
  await using bed = await startMailboxes();
  const asked = [bed.box.send(keyed), bed.box.send({ ...keyed, box: 'b' }), bed.peer('u').send(keyed)];
  const sent = await bed.run(Promise.all(asked));
  expect(sent.map(({ duplicate }) => duplicate)).toEqual([false, false, false]);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(3);
});

/** Whole requests, every field of which counts. */
const request = fc
  .record(
    {
      content: fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 9 }).map((body) => ({ body })),
        fc.uint8Array({ maxLength: 9 }).map((bytes) => ({ body_base64: Buffer.from(bytes).toString('base64') })),
        fc.constantFrom('0', '1').map((digit) => ({ address: `b3:${digit.repeat(64)}` })),
      ),
      headers: fc.dictionary(fc.constantFrom('a', 'b', 'ab'), fc.constantFrom('', 'x', 'b'), { maxKeys: 3 }),
      delay_ms: fc.constantFrom(0, 1, 2),
      ttl_ms: fc.constantFrom(1_000, 2_000),
      dead_letter_on_expiry: fc.boolean(),
      group: fc.constantFrom('g', 'h', 'null'),
      priority: fc.constantFrom(0, 1),
    },
    { requiredKeys: ['content'] },
  )
  .map(({ content, ...rest }) => ({ ...content, ...rest }));

/** The same message, whether its defaults are written out or not. */
function meaning(given: object): string {
  const { headers = {}, ...rest } = given as { headers?: Record<string, string> };
  const defaults = { delay_ms: 0, ttl_ms: null, dead_letter_on_expiry: false, group: null, priority: 0 };
  const sorted = (fields: object) => Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([sorted({ ...defaults, ...rest }), sorted(headers)]);
}

test('the same key with another request is a conflict that changes nothing; every field counts', async () => {
  await using bed = await startMailboxes();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(request, request, async (one, other) => {
      count += 1;
      const idempotency_key = `k${count}`;
      const { id } = await bed.run(bed.box.send({ box: 'a', idempotency_key, ...one }));
      const before = await bed.everything();
      if (meaning(one) === meaning(other)) {
        expect(await bed.run(bed.box.send({ box: 'a', idempotency_key, ...other }))).toMatchObject({
          id,
          duplicate: true,
        });
      } else {
        expect(await codeOf(bed, bed.box.send({ box: 'a', idempotency_key, ...other }))).toBe('conflict');
        expect(await bed.everything()).toEqual(before);
      }
    }),
    { numRuns: 150 },
  );
});

test.each<[string, object]>([
  ['body', { body: 'y' }],
  ['kind of body', { body: undefined, body_base64: Buffer.from('x').toString('base64') }],
  ['header', { headers: { a: '1' } }],
  ['delay', { delay_ms: 1 }],
  ['time to live', { ttl_ms: 604_800_000 }],
  ['end', { dead_letter_on_expiry: true }],
  ['group', { group: 'null' }],
  ['priority', { priority: 1 }],
])('another %s alone is a conflict', async (_what, change) => {
  await using bed: Bed = await startMailboxes();
  await bed.run(bed.box.send(keyed));
  expect(await codeOf(bed, bed.box.send({ ...keyed, ...change }))).toBe('conflict');
  expect(await codeOf(bed, bed.box.send({ ...keyed, headers: {}, delay_ms: 0, priority: 0 }))).toBe('accepted');
});

test('what the keys may be is a quota, with the time after which one is free again', async () => {
  await using bed = await startMailboxes({ config: { idempotency_keys_max: 2 } });
  const { box, run } = bed;
  for (const idempotency_key of ['1', '2']) await run(box.send({ ...keyed, idempotency_key }));
  await bed.pass(1_000);
  await expect(run(box.send({ ...keyed, idempotency_key: '3' }))).rejects.toMatchObject({
    code: 'quota_exhausted',
    retryAfterMs: 86_399_000,
    details: { limit: 'keys' },
  });
  expect((await run(box.send({ ...keyed, idempotency_key: '1' }))).duplicate).toBe(true);
  expect((await run(box.send({ box: 'a', body: 'x' }))).duplicate).toBe(false);
});
