import { mailboxContract } from '@ron/proto/mailbox';
import { Value } from 'typebox/value';
import { describe, expect, test } from 'vitest';
import { codeOf, startMailboxes, subscribe } from '../test-bed.ts';

const ulid = expect.stringMatching(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/) as string;
const address = `b3:${'ab'.repeat(32)}`;

describe('what the issue asks for', () => {
  test('send, recv and ack, to the letter', async () => {
    await using bed = await startMailboxes();
    const { box, run } = bed;
    const sent = await run(box.send({ box: 'inbox', body: 'hi', idempotency_key: 'k1' }));
    expect(sent).toEqual({ id: ulid, duplicate: false, durability: 'memory' });
    const { messages } = await run(box.recv({ box: 'inbox', max: 10, visibility_ms: 30_000, wait_ms: 5_000 }));
    const sent_at = Date.UTC(2026, 0, 1);
    const lease = expect.any(String) as string;
    expect(messages).toEqual([
      { id: sent.id, body: 'hi', priority: 0, sent_at, attempt: 1, lease, fence: 1, lease_ms: 30_000 },
    ]);
    const leases = [messages[0]!.lease];
    expect(await run(box.ack({ box: 'inbox', leases }))).toEqual({ results: [{ lease: leases[0], ok: true }] });
    await expect(run(box.ack({ box: 'inbox', leases }))).rejects.toMatchObject({
      code: 'conflict',
      details: { results: [{ lease: leases[0], ok: false, error: 'conflict' }] },
    });
    expect(await run(box.send({ box: 'inbox', body: 'hi', idempotency_key: 'k1' }))).toMatchObject({
      id: sent.id,
      duplicate: true,
    });
  });
});

test('every answer of every operation has the shape of its contract', async () => {
  await using bed = await startMailboxes({ config: { attempts_max: 1 } });
  const { box, run } = bed;
  const answers: [keyof typeof mailboxContract.operations, unknown][] = [];
  const note = async <T>(operation: keyof typeof mailboxContract.operations, answer: Promise<T>): Promise<T> => {
    const reply = await run(answer);
    answers.push([operation, reply]);
    return reply;
  };
  const more = { headers: { a: 'b' }, group: 'g', priority: 9, ttl_ms: 60_000, dead_letter_on_expiry: true };
  await note('send', box.send({ box: 'a', body: 'text', ...more }));
  await note('send', box.send({ box: 'a', body_base64: 'AAEC', delay_ms: 10 }));
  const { id } = await note('send', box.send({ box: 'a', address, idempotency_key: 'k' }));
  await note('recv', box.recv({ box: 'empty' }));
  const { messages } = await note('recv', box.recv({ box: 'a', max: 5 }));
  const leases = messages.map(({ lease }) => lease);
  expect(messages.map(({ body, address: at }) => body ?? at)).toEqual(['text', address]);
  await note('extend', box.extend({ box: 'a', leases, visibility_ms: 250 }));
  await note('nack', box.nack({ box: 'a', leases: leases.slice(0, 1), reason: 'no', delay_ms: 0 }));
  await bed.pass(250);
  const { messages: dead } = await note('dead_letters', box.dead_letters({ box: 'a' }));
  expect(dead.map(({ reason, history, headers, group }) => ({ reason, history, headers, group }))).toEqual([
    {
      reason: 'attempts',
      history: [{ attempt: 1, at: Date.UTC(2026, 0, 1), outcome: 'nack', reason: 'no' }],
      headers: { a: 'b' },
      group: 'g',
    },
    { reason: 'attempts', history: [{ attempt: 1, at: Date.UTC(2026, 0, 1) + 250, outcome: 'lease_ended' }] },
  ]);
  await note('stats', box.stats({ box: 'a' }));
  await note('boxes', box.boxes({ limit: 1 }));
  await note('roots', bed.peer('').roots({}));
  await note('redrive', box.redrive({ box: 'a', ids: [dead[0]!.id] }));
  await note('purge', box.purge({ box: 'a' }));
  const [again] = (await run(box.recv({ box: 'a' }))).messages;
  await note('ack', box.ack({ box: 'a', leases: [again!.lease] }));
  const { id: last } = await run(box.send({ box: 'a', body: 'x' }));
  await note('remove', box.remove({ box: 'a', id: last }));
  const { output } = await run(box.subscribe({ box: 'a' }));
  answers.push(['subscribe', output]);
  for (const [operation, answer] of answers) {
    const schema = mailboxContract.operations[operation].output;
    expect([operation, ...Value.Errors(schema, answer)]).toEqual([operation]);
  }
  expect(new Set(answers.map(([operation]) => operation))).toEqual(new Set(Object.keys(mailboxContract.operations)));
  expect(id).toEqual(ulid);
});

test('a box that nobody has sent to: receivers and subscribers find it empty, the others do not find it', async () => {
  await using bed = await startMailboxes();
  const { box, run } = bed;
  const before = await bed.everything();
  expect(await run(box.recv({ box: 'a' }))).toEqual({ messages: [] });
  expect(await run(box.recv({ box: 'a', wait_ms: 10 }))).toEqual({ messages: [] });
  expect(bed.env.clock.monotonicMs()).toBe(10);
  for (const input of [{ box: 'a' }, { box: 'a', peek: true }]) {
    const reader = await subscribe(bed, input);
    expect([reader.events, reader.text]).toEqual([[], 'retry: 1000\n: open\n\n']);
    await reader.leave();
  }
  for (const asked of [box.stats, box.dead_letters, box.redrive, box.purge] as const) {
    expect(await codeOf(bed, asked({ box: 'a' }))).toBe('not_found');
  }
  expect(await codeOf(bed, box.remove({ box: 'a', id: '0'.repeat(26) }))).toBe('not_found');
  expect(await bed.everything()).toEqual(before);
});

test('boxes and their tenants: listed in pages by name, nothing of another tenant', async () => {
  await using bed = await startMailboxes();
  const { box, run } = bed;
  for (const name of ['c', 'a.b', 'a', 'b']) await bed.send(name, 'x');
  await run(bed.peer('u').send({ box: 'a', body: 'x' }));
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await run(box.boxes(cursor === undefined ? { limit: 3 } : { limit: 3, cursor }));
    names.push(...page.boxes.map((stats) => stats.box));
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(names).toEqual(['a', 'a.b', 'b', 'c']);
  expect((await run(bed.peer('u').boxes({}))).boxes).toMatchObject([{ box: 'a', ready: 1 }]);
});

test('dead letters: in pages, each once, also when they are too large for one answer', async () => {
  await using bed = await startMailboxes({ config: { attempts_max: 1 } });
  const { box, run } = bed;
  const ids = await bed.send('a', ...Array.from({ length: 7 }, (_, index) => String(index).repeat(200_000)));
  const seen: string[] = [];
  for (let count = 0; count < 7; count += 1) {
    const { messages } = await run(box.recv({ box: 'a' }));
    await run(box.nack({ box: 'a', leases: [messages[0]!.lease] }));
  }
  const sizes: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await run(box.dead_letters({ box: 'a', limit: 100, ...(cursor === undefined ? {} : { cursor }) }));
    seen.push(...page.messages.map(({ id }) => id));
    sizes.push(page.messages.length);
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(seen).toEqual(ids);
  expect(sizes).toEqual([3, 3, 1]);
});

test('an answer of recv stays under its bytes, and always has one message', async () => {
  await using bed = await startMailboxes();
  const largest = '\u0001'.repeat(131_071);
  await bed.send('a', largest, 'x'.repeat(262_144), 'y'.repeat(262_144), 'z'.repeat(262_144));
  const count = async () => (await bed.run(bed.box.recv({ box: 'a', max: 100 }))).messages.length;
  expect([await count(), await count(), await count()]).toEqual([1, 2, 1]);
});
