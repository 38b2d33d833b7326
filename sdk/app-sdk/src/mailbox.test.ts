import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import { Caller } from './caller.ts';
import { createMailbox, listMailboxes } from './mailbox-calls.ts';
import { FakePlatform } from './testing/fake-platform.ts';
import type { Transport, TransportReply, TransportRequest } from './transport.ts';

type Answer = Readonly<Record<string, unknown>> | RonError;

/** A node that gives these answers in turn, the last one again and again. */
function answering(...answers: Answer[]) {
  const calls: TransportRequest[] = [];
  const transport: Transport = {
    async call(request): Promise<TransportReply> {
      calls.push(request);
      const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
      if (answer instanceof RonError) throw answer;
      return { output: answer, body: undefined };
    },
    ops: async () => '',
    [Symbol.asyncDispose]: async () => undefined,
  };
  const caller = new Caller(transport, new FakePlatform());
  return { calls, caller, mailbox: createMailbox(caller, 'inbox') };
}

const sent = { id: '01J00000000000000000000000', duplicate: false, durability: 'fsync' };
const wire = {
  id: sent.id,
  headers: { 'content-type': 'text/plain' },
  group: 'g',
  priority: 3,
  sent_at: 5,
  attempt: 2,
  lease: 'L',
  fence: 9,
  lease_ms: 30_000,
};
const down = new RonError('unavailable', 'the answer was lost');

describe('send', () => {
  test('a retry after a lost answer carries the same key, another send another one', async () => {
    const { calls, mailbox, caller } = answering(down, down, sent);
    let next = 0;
    caller.platform.randomBytes = (length) => {
      next += 1;
      return new Uint8Array(length).fill(next);
    };
    expect(await mailbox.send('hi')).toEqual(sent);
    await mailbox.send('hi');
    const keys = calls.map(({ input }) => input['idempotency_key']);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect([keys[1], keys[2]]).toEqual([keys[0], keys[0]]);
    expect(keys[3]).not.toBe(keys[0]);
    // It is kept for the retries only; a key of the caller's for as long as the node keeps keys.
    expect(calls[0]!.input['idempotency_window_ms']).toBe(120_000);
    // One place only: a header beside the field would have to agree with it.
    expect(calls.every(({ idempotencyKey }) => idempotencyKey === undefined)).toBe(true);
  });

  test('every option has its field; what is not given is not sent', async () => {
    const { calls, mailbox } = answering(sent);
    await mailbox.send('hi', {
      idempotencyKey: 'k',
      headers: { a: 'b' },
      delayMs: 1,
      ttlMs: 2,
      deadLetterOnExpiry: true,
      group: 'g',
      priority: 9,
    });
    await mailbox.send('', { idempotencyKey: 'k' });
    const rest = { headers: { a: 'b' }, delay_ms: 1, ttl_ms: 2, dead_letter_on_expiry: true, group: 'g', priority: 9 };
    expect(calls[0]!.input).toEqual({ box: 'inbox', body: 'hi', idempotency_key: 'k', ...rest });
    expect(calls[1]!.input).toEqual({ box: 'inbox', body: '', idempotency_key: 'k' });
  });

  test('bytes travel as base64, objects by address; a wrong address or box goes nowhere', async () => {
    const { calls, mailbox, caller } = answering(sent);
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
    await mailbox.send(bytes);
    expect(Buffer.from(String(calls[0]!.input['body_base64']), 'base64')).toEqual(Buffer.from(bytes));
    const address = `b3:${'0'.repeat(64)}`;
    await mailbox.send({ address });
    expect(calls[1]!.input).toMatchObject({ address });
    await expect(mailbox.send({ address: 'b3:0' })).rejects.toMatchObject({ code: 'bad_request' });
    for (const box of ['a/b', '', 'A', '..']) {
      await expect(createMailbox(caller, box).stats()).rejects.toMatchObject({ code: 'bad_request' });
    }
    expect(calls).toHaveLength(2);
  });
});

describe('recv', () => {
  test('gives text, bytes and objects with everything that belongs to them', async () => {
    const address = `b3:${'0'.repeat(64)}`;
    const bodies = [{ body: 'grün' }, { body_base64: Buffer.from([0, 255]).toString('base64') }, { address }];
    const { mailbox } = answering({ messages: bodies.map((body) => ({ ...wire, ...body })) });
    const [text, bytes, object] = await mailbox.recv({ max: 3 });
    expect(text).toMatchObject({ id: sent.id, body: 'grün', attempt: 2, fence: 9, lease: 'L', leaseMs: 30_000 });
    expect(text).toMatchObject({ headers: wire.headers, group: 'g', priority: 3, sentAt: 5 });
    expect([text!.text(), text!.bytes()]).toEqual(['grün', new TextEncoder().encode('grün')]);
    expect([bytes!.body, bytes!.bytes()]).toEqual([Uint8Array.of(0, 255), Uint8Array.of(0, 255)]);
    expect([object!.body, object!.address]).toEqual([undefined, address]);
    expect(() => object!.text()).toThrow(address);
  });

  test('waits longer than the node does, is asked again, and refuses a deadline inside the wait', async () => {
    const { calls, mailbox } = answering(down, { messages: [] });
    expect(await mailbox.recv({ waitMs: 30_000, visibilityMs: 250 })).toEqual([]);
    expect(calls.map(({ input }) => input)).toEqual([
      { box: 'inbox', wait_ms: 30_000, visibility_ms: 250 },
      { box: 'inbox', wait_ms: 30_000, visibility_ms: 250 },
    ]);
    await expect(mailbox.recv({ waitMs: 500, timeoutMs: 500 })).rejects.toMatchObject({ code: 'bad_request' });
    expect(calls).toHaveLength(2);
  });

  test('a body that is no base64 is refused', async () => {
    const { mailbox } = answering({ messages: [{ ...wire, body_base64: '%' }] });
    await expect(mailbox.recv()).rejects.toMatchObject({ code: 'internal', name: 'RonClientError' });
  });
});

test('leases are settled one or many at a time, with one key through the retries', async () => {
  const results = [{ lease: 'a', ok: true }];
  const { calls, mailbox } = answering(down, { results });
  expect(await mailbox.ack('a')).toEqual(results);
  await mailbox.nack(['a', 'b'], { delayMs: 0, reason: 'r' });
  await mailbox.extend('a', 500);
  expect(calls.slice(1).map(({ operation, input }) => [operation, input])).toEqual([
    ['mailbox_ack', { box: 'inbox', leases: ['a'] }],
    ['mailbox_nack', { box: 'inbox', leases: ['a', 'b'], delay_ms: 0, reason: 'r' }],
    ['mailbox_extend', { box: 'inbox', leases: ['a'], visibility_ms: 500 }],
  ]);
  expect(calls[0]!.idempotencyKey).toBe(calls[1]!.idempotencyKey);
  expect(calls[0]!.idempotencyKey).toBeDefined();
  const { mailbox: stale } = answering(new RonError('conflict', 'no lease was good'));
  await expect(stale.ack('a')).rejects.toMatchObject({ code: 'conflict', name: 'ConflictError' });
});

test('dead letters and boxes come page by page', async () => {
  const dead = { ...wire, body: 'x', reason: 'attempts', dead_at: 7, history: [] };
  const { calls, mailbox } = answering({ messages: [dead], cursor: 'c' }, { messages: [dead] });
  const letters = await Array.fromAsync(mailbox.deadLetters());
  expect(letters).toMatchObject([{ reason: 'attempts', deadAt: 7 }, { body: 'x' }]);
  expect(calls.map(({ input }) => input['cursor'])).toEqual([undefined, 'c']);
  const boxes = answering({ boxes: [{ box: 'a' }], cursor: 'd' }, { boxes: [{ box: 'b' }] });
  expect(await Array.fromAsync(listMailboxes(boxes.caller))).toEqual([{ box: 'a' }, { box: 'b' }]);
});

test('the rest asks what it says', async () => {
  const { calls, mailbox } = answering({ redriven: 1, purged: 1, left: 0 });
  await mailbox.remove(sent.id);
  await mailbox.redrive();
  await mailbox.purge([sent.id]);
  await mailbox.stats();
  expect(calls.map(({ operation, input }) => [operation, input])).toEqual([
    ['mailbox_remove', { box: 'inbox', id: sent.id }],
    ['mailbox_redrive', { box: 'inbox' }],
    ['mailbox_purge', { box: 'inbox', ids: [sent.id] }],
    ['mailbox_stats', { box: 'inbox' }],
  ]);
});
