import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { Caller } from './caller.ts';
import { createMailbox } from './mailbox-calls.ts';
import { ManualPlatform } from './testing/manual-platform.ts';
import type { Transport } from './transport.ts';

/** What one connection does: refuse, or send these texts and then break, end, or stay open. */
type Connection = RonError | { readonly texts: readonly string[]; readonly after: 'breaks' | 'ends' | 'stays' };

function streaming(...connections: Connection[]) {
  const cursors: unknown[] = [];
  let open = 0;
  const transport: Transport = {
    async call({ input, signal }) {
      cursors.push(input['cursor']);
      const connection = connections.shift();
      if (connection === undefined) throw new RonError('forbidden', 'nothing is left to show');
      if (connection instanceof RonError) throw connection;
      async function* body(texts: readonly string[], after: string) {
        open += 1;
        try {
          for (const text of texts) yield new TextEncoder().encode(text);
          if (after === 'breaks') throw new RonError('unavailable', 'the connection broke');
          if (after === 'stays') {
            await new Promise((resolve) => signal!.addEventListener('abort', resolve, { once: true }));
            throw new RonError('unavailable', 'the call was ended by its caller');
          }
        } finally {
          open -= 1;
        }
      }
      return { output: {}, body: body(connection.texts, connection.after) };
    },
    ops: async () => '',
    [Symbol.asyncDispose]: async () => undefined,
  };
  const platform = new ManualPlatform();
  const mailbox = createMailbox(new Caller(transport, platform), 'inbox');
  return { mailbox, platform, cursors, connections, open: () => open };
}

const peeked = { id: '01J00000000000000000000000', priority: 0, sent_at: 1, attempt: 1 };
const event = (body: string, id?: string) =>
  `event: message\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify({ ...peeked, body, lease: body, fence: 1, lease_ms: 5 })}\n\n`;

/** Everything until the stream ends by itself or fails. */
async function read(messages: AsyncIterable<{ body: unknown }>, platform: ManualPlatform, forMs = 600_000) {
  const bodies: unknown[] = [];
  let failure: unknown;
  const reading = (async () => {
    for await (const { body } of messages) bodies.push(body);
  })().catch((thrown) => {
    failure = thrown;
  });
  await platform.advance(forMs);
  return { bodies, failure, reading };
}

test('goes on after the last event when the connection breaks or ends', async () => {
  const { mailbox, platform, cursors, open } = streaming(
    { texts: [': hello\n\n', event('a', '1'), event('b', '2').slice(0, 20)], after: 'breaks' },
    new RonError('unavailable', 'restarting', { retryAfterMs: 3_000 }),
    { texts: [event('b', '2')], after: 'ends' },
    { texts: [event('c')], after: 'breaks' },
  );
  const breaks: (string | undefined)[] = [];
  const onBreak = (error: Error | undefined) => breaks.push(error?.message);
  const { bodies, failure } = await read(mailbox.subscribe({ onBreak }), platform);
  expect(bodies).toEqual(['a', 'b', 'c']);
  // The second connection is refused inside of a call, which asks again by itself.
  expect(breaks).toEqual(['the connection broke', undefined, 'the connection broke']);
  expect(cursors).toEqual([undefined, '1', '1', '2', '2']);
  expect(failure).toMatchObject({ code: 'forbidden', name: 'AccessError' });
  expect(open()).toBe(0);
});

test('a first attempt that fails is a failed call; a given cursor that is refused too', async () => {
  const never = streaming(...Array.from({ length: 9 }, () => new RonError('unavailable', 'no answer from the node')));
  expect(await read(never.mailbox.subscribe(), never.platform)).toMatchObject({ failure: { code: 'unavailable' } });
  expect(never.cursors).toHaveLength(5);
  const stale = streaming(new RonError('bad_request', 'cursor'));
  expect(await read(stale.mailbox.subscribe({ cursor: 'x' }), stale.platform)).toMatchObject({
    failure: { code: 'bad_request' },
  });
  expect(stale.cursors).toEqual(['x']);
});

test('a cursor that the node forgot: a subscription begins anew, a view fails rather than hide a gap', async () => {
  const connections = (): Connection[] => [
    { texts: [event('a', '1')], after: 'breaks' },
    new RonError('bad_request', 'cursor'),
    { texts: [event('b', '2')], after: 'breaks' },
  ];
  const leased = streaming(...connections());
  expect(await read(leased.mailbox.subscribe(), leased.platform)).toMatchObject({ bodies: ['a', 'b'] });
  expect(leased.cursors).toEqual([undefined, '1', undefined, '2']);
  const viewed = streaming(...connections());
  expect(await read(viewed.mailbox.tail(), viewed.platform)).toMatchObject({
    bodies: ['a'],
    failure: { code: 'bad_request' },
  });
});

test('ends on its signal, in the middle of a stream and between two', async () => {
  for (const last of ['stays', 'breaks'] as const) {
    const controller = new AbortController();
    const { mailbox, platform, open } = streaming({ texts: [event('a', '1')], after: last });
    const { bodies, reading } = await read(mailbox.tail({ signal: controller.signal }), platform, 0);
    controller.abort();
    await reading;
    expect([bodies, open(), platform.timers]).toEqual([['a'], 0, 0]);
  }
  const { mailbox, cursors, platform } = streaming();
  const { failure } = await read(mailbox.subscribe({ signal: AbortSignal.abort() }), platform);
  expect([failure, cursors]).toEqual([undefined, []]);
});

test('leaving the loop closes the connection', async () => {
  const { mailbox, open, platform } = streaming({ texts: [event('a', '1'), event('b', '2')], after: 'stays' });
  for await (const message of mailbox.subscribe()) {
    expect([message.lease, open()]).toEqual(['a', 1]);
    break;
  }
  expect([open(), platform.timers]).toEqual([0, 0]);
});

test('a minute of silence is a broken connection, a slow reader is not', async () => {
  const { mailbox, platform, cursors } = streaming(
    { texts: [event('a', '1'), event('b', '2')], after: 'stays' },
    { texts: [event('c', '3')], after: 'breaks' },
  );
  const messages = mailbox.subscribe()[Symbol.asyncIterator]();
  const first = messages.next();
  await platform.advance(0);
  expect((await first).value).toMatchObject({ body: 'a' });
  await platform.advance(600_000);
  const second = messages.next();
  await platform.advance(0);
  expect((await second).value).toMatchObject({ body: 'b' });
  const third = messages.next();
  await platform.advance(59_999);
  expect(cursors).toHaveLength(1);
  await platform.advance(10_000);
  expect((await third).value).toMatchObject({ body: 'c' });
  await messages.return?.();
});

test('an event that is no JSON ends it; kinds that this client does not know are passed over', async () => {
  const { mailbox, platform } = streaming({
    texts: ['event: gap\ndata: {}\n\n', event('a', '1'), 'data: {\n\n'],
    after: 'breaks',
  });
  expect(await read(mailbox.subscribe(), platform)).toMatchObject({ bodies: ['a'], failure: { code: 'internal' } });
});
