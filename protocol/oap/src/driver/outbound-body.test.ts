import { expect, test } from 'vitest';
import { OutboundBody } from './outbound-body.ts';
import { TransferWatch } from './transfer-watch.ts';

/** Accepts what `room` says, and writes down what it was given. */
function start(room: (bytes: number) => number = (bytes) => bytes) {
  const state = { sent: 0, offsets: [] as unknown[], ended: 0, left: 0 };
  const connection = {
    sendBody: (_id: number, bytes: Uint8Array, { header }: { header: { off: number } }) => {
      const accepted = room(bytes.byteLength);
      state.sent += accepted;
      state.offsets.push(header.off);
      return accepted;
    },
    end: () => {
      state.ended += 1;
      return true;
    },
  } as never;
  const source = async function* (...lengths: readonly number[]) {
    try {
      for (const length of lengths) yield new Uint8Array(length);
    } finally {
      state.left += 1;
    }
  };
  return { state, source, body: new OutboundBody(connection, 1) };
}

test('every byte is offered once, in order, and the end follows the last', async () => {
  const { state, source, body } = start((bytes) => Math.min(bytes, 3));
  const sending = body.send(source(5, 0, 4));
  while (!body.done) {
    body.writable();
    await Promise.resolve();
  }
  await sending;
  expect(state).toEqual({ sent: 9, offsets: [0, 3, 5, 8], ended: 1, left: 1 });
  expect(body.sentBytes).toBe(9);
});

test('a stop while it waits for the peer, before it begins, or twice, ends the source and never our side', async () => {
  const { state, source, body } = start(() => 0);
  const sending = body.send(source(5));
  while (!body.waiting) await Promise.resolve();
  body.stop();
  body.stop();
  await sending;
  expect(state).toMatchObject({ ended: 0, left: 1 });
  const never = start();
  never.body.stop();
  let returned = 0;
  await never.body.send({
    [Symbol.asyncIterator]: () => ({
      next: () => expect.unreachable(),
      return: async () => {
        returned += 1;
        throw new Error('has nobody left to tell');
      },
    }),
  });
  expect(returned).toBe(1);
});

test('a source that breaks is the outcome, unless it was told to stop', async () => {
  const breaks = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    throw new Error('broken');
  };
  await expect(start().body.send(breaks())).rejects.toThrow('broken');
  const { body } = start();
  const { promise, reject } = Promise.withResolvers<never>();
  const sending = body.send({ [Symbol.asyncIterator]: () => ({ next: () => promise }) });
  body.stop();
  reject(new Error('told to stop'));
  await sending;
});

test('a transfer is too slow only while it waits for the peer for a whole window', () => {
  const watch = new TransferWatch(10_000, 100);
  expect(watch.isTooSlow(0, true, 0)).toBe(false);
  expect(watch.isTooSlow(9_999, true, 0)).toBe(false);
  expect(watch.isTooSlow(10_000, true, 100)).toBe(false);
  expect(watch.isTooSlow(19_999, true, 199)).toBe(false);
  expect(watch.isTooSlow(20_000, false, 199)).toBe(false);
  expect(watch.isTooSlow(21_000, true, 199)).toBe(false);
  expect(watch.isTooSlow(30_999, true, 199)).toBe(false);
  expect(watch.isTooSlow(31_000, true, 298)).toBe(true);
});
