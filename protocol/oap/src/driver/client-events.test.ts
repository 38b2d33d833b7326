import type { ByteStream } from '@ron/proto/stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Acceptor, type Served } from '../testing/acceptor.ts';
import { concat } from '../testing/loopback.ts';
import { ManualClock, memoryPipes, settled } from '../testing/memory-pipe.ts';
import { createOapClient } from './client.ts';
import { OutboundBody } from './outbound-body.ts';

function connect(serve: (served: Served) => void | Promise<void>) {
  const clock = new ManualClock();
  const [near, far] = memoryPipes();
  const acceptor = new Acceptor(far, serve);
  const client = createOapClient({ pipe: near, clock });
  const call = () => client.call({ app: 0x8001, operation: 'do', input: {}, corrId: 'corr-id-1' });
  return { clock, acceptor, client, call };
}

async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function gather(body: ByteStream | undefined): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of body ?? []) all.push(piece.slice());
  return concat(all);
}

test('pushed pieces are the body, whatever their sizes, and their credit comes back as they are read', async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.constantFrom(524_288, 524_289, 1_048_576)), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 6 }), async (answers) => {
      const turns = answers.map((lengths) => lengths.map((length, at) => new Uint8Array(length).fill(at + 1)));
      const left = [...turns];
      const { call, client } = connect(({ answer }) => answer('ok', inTurn(left.shift()!), 'events'));
      for (const pieces of turns) {
        const { body } = await call();
        expect(Buffer.from(await gather(body)).equals(concat(pieces))).toBe(true);
      }
      client.close();
      await client.closed;
    }),
    { numRuns: 20 },
  );
});

test('events without bytes keep a silent answer alive, and without them it is over', async () => {
  const silent: ByteStream = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
  const { call, clock, acceptor } = connect(({ answer }) => answer('begun', silent, 'events'));
  const { body } = await call();
  const reading = gather(body).catch((error) => error.code);
  for (let round = 0; round < 10; round += 1) {
    await clock.advance(59_000);
    expect(acceptor.cancelled).toBe(0);
    for (const { opened } of acceptor.running.values()) acceptor.connection.sendEvent(opened.streamId, {});
    await settled();
  }
  // Judged minute by minute.
  await clock.advance(122_000);
  expect(await reading).toBe('unavailable');
  expect(acceptor.cancelled).toBe(1);
});

test('events before the answer have no reader, and their credit comes back', async () => {
  const early = new Uint8Array(60_000);
  const { call, acceptor } = connect(({ opened, answer }) => {
    expect(acceptor.connection.sendEvent(opened.streamId, {}, early)).toBe(true);
    return answer('ok', inTurn([new Uint8Array(3)]), 'events');
  });
  // 24 MB, more than a connection's first credit.
  for (let round = 0; round < 400; round += 1) expect((await gather((await call()).body)).byteLength).toBe(3);
});

/** Accepts an event when `open` says so, and writes down what it was given. */
function pushing(maxFrameBytes: number, open: (bytes: number) => boolean) {
  const state = { events: [] as number[], ended: 0, tries: 0 };
  const connection = {
    maxFrameBytes,
    sendEvent: (_id: number, header: object, body = new Uint8Array()) => {
      expect(header).toEqual({});
      state.tries += 1;
      if (!open(body.byteLength)) return false;
      state.events.push(body.byteLength);
      return true;
    },
    end: () => {
      state.ended += 1;
      return true;
    },
  } as never;
  return { state, body: new OutboundBody(connection, 1, 'events') };
}

test('a piece is cut to the frame that the peer takes', async () => {
  const { state, body } = pushing(32_768, () => true);
  await body.send(inTurn([new Uint8Array(32_704), new Uint8Array(32_705), new Uint8Array(0)]));
  expect(state).toEqual({ events: [32_704, 32_704, 1], ended: 1, tries: 3 });
  expect(body.sentBytes).toBe(65_409);
  body.keepAlive();
  expect(state.events).toHaveLength(3);
});

test('an event that does not go waits for `writable`, and is no reason to say that one is alive', async () => {
  let open = false;
  const { state, body } = pushing(32_768, () => open);
  const sending = body.send(inTurn([new Uint8Array(5), new Uint8Array(6)]));
  while (!body.waiting) await Promise.resolve();
  body.keepAlive();
  expect(state).toEqual({ events: [], ended: 0, tries: 1 });
  body.writable();
  while (!body.waiting) await Promise.resolve();
  open = true;
  body.writable();
  await sending;
  expect(state).toEqual({ events: [5, 6], ended: 1, tries: 4 });
});

test('a stop while an event waits ends it', async () => {
  const { state, body } = pushing(32_768, () => false);
  const sending = body.send(inTurn([new Uint8Array(5)]));
  while (!body.waiting) await Promise.resolve();
  body.stop();
  await sending;
  expect(state).toEqual({ events: [], ended: 0, tries: 1 });
});
