import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, ResidentBody } from '@ron/proto/stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { addressOf, gather } from './fixtures/map-peers.ts';
import { bytesOf, callOf, everything, type StartedGateway, startGateway } from './fixtures/start-gateway.ts';
import type { GatewayHandlers } from './gateway-handlers.ts';

let node: StartedGateway;

beforeEach(async () => {
  node = await startGateway();
});

const box = 'inbox';
const leases = ['l1', 'l2'];
const id = '01JD0000000000000000000001';

function callWithKey(idempotencyKey: string): Call {
  const call = callOf();
  return { ...call, context: { ...call.context, idempotencyKey } };
}

/** Each with an input in which no field may get lost. */
const passedOn: readonly (readonly [string, (handlers: GatewayHandlers, call: Call) => unknown, unknown])[] = [
  [
    'recv',
    (to, call) => to.mailbox_recv({ box, max: 10, wait_ms: 5_000, visibility_ms: 300 }, call),
    { box, max: 10, wait_ms: 5_000, visibility_ms: 300 },
  ],
  ['ack', (to, call) => to.mailbox_ack({ box, leases }, call), { box, leases }],
  [
    'nack',
    (to, call) => to.mailbox_nack({ box, leases, delay_ms: 0, reason: 'busy' }, call),
    { box, leases, delay_ms: 0, reason: 'busy' },
  ],
  [
    'extend',
    (to, call) => to.mailbox_extend({ box, leases, visibility_ms: 250 }, call),
    { box, leases, visibility_ms: 250 },
  ],
  ['remove', (to, call) => to.mailbox_remove({ box, id }, call), { box, id }],
  [
    'dead_letters',
    (to, call) => to.mailbox_dead_letters({ box, cursor: 'c', limit: 3 }, call),
    { box, cursor: 'c', limit: 3 },
  ],
  ['redrive', (to, call) => to.mailbox_redrive({ box, ids: [id] }, call), { box, ids: [id] }],
  ['purge', (to, call) => to.mailbox_purge({ box }, call), { box }],
  ['stats', (to, call) => to.mailbox_stats({ box }, call), { box }],
  ['boxes', (to, call) => to.mailbox_boxes({ limit: 2 }, call), { limit: 2 }],
];

describe('an operation on a mailbox', () => {
  it.each(passedOn)('%s is asked of the mailbox service as it came, and its answer goes back', async (...each) => {
    const [operation, ask, input] = each;
    const reply = { what: operation };
    node.mailbox.answer = () => reply;
    const call = callOf();
    expect(await ask(node.handlers, call)).toBe(reply);
    expect(node.mailbox.calls).toEqual([{ operation, input, options: { context: call.context } }]);
    expect(node.storage.calls).toEqual([]);
  });

  it.each(passedOn)('%s keeps its idempotency key in front, where callers have names', async (_operation, ask) => {
    await ask(node.handlers, callWithKey('k1'));
    expect(node.mailbox.calls[0]!.options).not.toHaveProperty('idempotencyKey');
  });

  it.each(passedOn)('%s is refused as the service refuses it', async (_operation, ask) => {
    node.mailbox.answer = () => {
      throw new RonError('conflict', 'no lease was good', { details: { leases: 2 } });
    };
    await expect(ask(node.handlers, callOf())).rejects.toMatchObject({ code: 'conflict', details: { leases: 2 } });
  });
});

describe('send', () => {
  it('asks storage nothing about an inline body, and passes the key on', async () => {
    const reply = { id, duplicate: false, durability: 'memory' };
    node.mailbox.answer = () => reply;
    const call = callWithKey('k1');
    const input = { box, body: 'hi', idempotency_key: 'k1', headers: { a: 'b' }, group: 'g', priority: 3 };
    expect(await node.handlers.mailbox_send(input, call)).toBe(reply);
    const options = { context: call.context, idempotencyKey: 'k1' };
    expect(node.mailbox.calls).toEqual([{ operation: 'send', input, options }]);
    expect(node.storage.calls).toEqual([]);
  });

  it('holds the object that a message carries before the message is sent', async () => {
    const address = node.storage.add(bytesOf(10));
    node.mailbox.answer = () => {
      expect(node.storage.calls).toEqual(['has']);
      return {};
    };
    const call = callOf();
    await node.handlers.mailbox_send({ box, address }, call);
    expect(node.mailbox.calls).toEqual([
      { operation: 'send', input: { box, address }, options: { context: call.context } },
    ]);
  });

  it('refuses an address without its object and sends nothing', async () => {
    const address = addressOf(bytesOf(10));
    await expect(node.handlers.mailbox_send({ box, address }, callOf())).rejects.toMatchObject({
      code: 'not_found',
      message: 'the object is not stored here: put it before a message carries it',
      details: { address },
    });
    expect(node.mailbox.calls).toEqual([]);
  });
});

describe('subscribe', () => {
  const output = { content_type: 'text/event-stream', cache_control: 'no-store' };

  it('passes the events on as they come, each paid for by its tenant when it leaves', async () => {
    node = await startGateway({ bytes_per_second: 1_000, bytes_burst: 1 });
    async function* events(): AsyncGenerator<Uint8Array> {
      yield bytesOf(100, 1);
      yield bytesOf(200, 2);
    }
    node.mailbox.answer = () => ({ output, body: events() });
    const call = callOf();
    const reply = await node.handlers.mailbox_subscribe({ box, credit: 2, peek: true, cursor: 'c' }, call);
    expect(reply.output).toEqual(output);
    expect(node.mailbox.calls).toEqual([
      {
        operation: 'subscribe',
        input: { box, credit: 2, peek: true, cursor: 'c' },
        options: { context: call.context },
      },
    ]);
    expect(waitOf()).toBe(0);
    const reading = reply.body[Symbol.asyncIterator]();
    expect((await reading.next()).value).toEqual(bytesOf(100, 1));
    // A byte a millisecond: the 100 less the one that was there, and one to begin anew.
    expect(waitOf()).toBe(100);
    expect((await reading.next()).value).toEqual(bytesOf(200, 2));
    expect(waitOf()).toBe(300);
    expect((await reading.next()).done).toBe(true);
  });

  it('tells the service when its reader leaves', async () => {
    let left = false;
    const body: ByteStream = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: bytesOf(1) }),
        return: async () => {
          left = true;
          return { done: true, value: undefined };
        },
      }),
    };
    node.mailbox.answer = () => ({ output, body });
    const reply = await node.handlers.mailbox_subscribe({ box }, callOf());
    const reading = reply.body[Symbol.asyncIterator]();
    await reading.next();
    await reading.return?.();
    expect(left).toBe(true);
  });

  it('leaves a body that is complete already as it is', async () => {
    const body = new ResidentBody(bytesOf(5));
    node.mailbox.answer = () => ({ output, body });
    const reply = await node.handlers.mailbox_subscribe({ box }, callOf());
    expect(await gather(reply.body)).toEqual(bytesOf(5));
  });
});

/** What a request of the tenant would have to wait now. */
function waitOf(): number {
  try {
    node.admit({
      operation: 'get',
      mutation: false,
      routeClass: 'reads',
      principal: everything,
      tenant: 'tenant-1',
      bodyBytes: undefined,
    });
    return 0;
  } catch (error) {
    return (error as RonError).retryAfterMs ?? Number.NaN;
  }
}
