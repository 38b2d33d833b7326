import { RonError } from '@ron/proto/errors';
import { expect, onTestFinished, test } from 'vitest';
import { Caller } from './caller.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { MessageHandler, ProcessOptions, ReceivedMessage } from './mailbox.ts';
import { createMailbox } from './mailbox-calls.ts';
import { FakeBox } from './testing/fake-box.ts';
import { ManualPlatform, settled } from './testing/manual-platform.ts';

function working(handler: MessageHandler, options: Partial<ProcessOptions> = {}, newKeeper?: () => LeaseKeeper) {
  const node = new FakeBox();
  const platform = new ManualPlatform();
  const stop = new AbortController();
  const errors: [string, string | undefined][] = [];
  const mailbox = createMailbox(new Caller(node, platform), 'jobs', newKeeper);
  const onError = (error: unknown, message?: ReceivedMessage) =>
    errors.push([(error as Error).message, message?.body as string | undefined]);
  const ended = mailbox.process(handler, { signal: stop.signal, visibilityMs: 900, onError, ...options });
  // A test that fails on the way leaves no loop behind.
  onTestFinished(() => stop.abort());
  return { node, platform, stop, errors, ended, mailbox };
}

/** A handler whose messages end when the test says so. */
function gated() {
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const signals = new Map<string, AbortSignal>();
  const handler: MessageHandler = (message, { signal }) => {
    const gate = Promise.withResolvers<void>();
    gates.set(message.text(), gate);
    signals.set(message.text(), signal);
    return gate.promise;
  };
  return { handler, gates, signals };
}

test('acknowledges what the handler did, gives back what it did not, with the reason', async () => {
  const { node, stop, errors, ended } = working((message) => {
    if (message.text() === 'bad') throw new Error(`broken: ${'x'.repeat(300)}`);
  });
  const sent = ['one', 'bad', 'two'].map((body) => node.send(body));
  await settled();
  expect(node.acked).toEqual([sent[0]!.lease, sent[2]!.lease]);
  expect(node.nacked).toEqual([{ lease: sent[1]!.lease, reason: `broken: ${'x'.repeat(248)}`, delayMs: undefined }]);
  expect(errors).toEqual([[expect.stringMatching(/^broken/), 'bad']]);
  stop.abort();
  await ended;
});

test('asks for no more than it has hands for', async () => {
  const { handler, gates } = gated();
  const { node, stop, ended } = working(handler, { concurrency: 2 });
  for (const body of ['a', 'b', 'c', 'd']) node.send(body);
  await settled();
  expect([...gates.keys()]).toEqual(['a', 'b']);
  gates.get('b')!.resolve();
  await settled();
  expect([...gates.keys()]).toEqual(['a', 'b', 'c']);
  expect(node.calls.filter(({ operation }) => operation === 'mailbox_recv').map(({ input }) => input['max'])).toEqual([
    2, 1,
  ]);
  for (const gate of gates.values()) gate.resolve();
  await settled();
  gates.get('d')!.resolve();
  await settled();
  expect(node.acked).toHaveLength(4);
  stop.abort();
  await ended;
});

test('extends the lease while the handler runs, and no longer', async () => {
  const { handler, gates } = gated();
  const { node, platform, stop, ended } = working(handler);
  node.send('long');
  await platform.advance(1_000);
  expect(node.extended).toHaveLength(3);
  gates.get('long')!.resolve();
  await platform.advance(2_000);
  expect([node.extended.length, node.acked.length]).toEqual([3, 1]);
  stop.abort();
  await ended;
  expect(platform.timers).toBe(0);
});

test('a lost lease aborts its handler, and neither ack nor nack is tried', async () => {
  const { handler, gates, signals } = gated();
  const { node, platform, stop, errors, ended } = working(handler, { concurrency: 2 });
  const sent = ['resolves', 'rejects'].map((body) => node.send(body));
  await settled();
  for (const { lease } of sent) node.expire(lease);
  await platform.advance(300);
  expect([...signals.values()].map(({ aborted }) => aborted)).toEqual([true, true]);
  gates.get('resolves')!.resolve();
  gates.get('rejects')!.reject(new Error('because of the signal'));
  await settled();
  expect([node.count('mailbox_ack'), node.count('mailbox_nack')]).toEqual([0, 0]);
  expect(errors.map(([text, body]) => [/is lost/.test(text), body])).toEqual([
    [true, 'resolves'],
    [true, 'rejects'],
  ]);
  stop.abort();
  await ended;
});

test('an ack that comes too late is told and does not end the loop', async () => {
  const { handler, gates } = gated();
  const { node, stop, errors, ended } = working(handler);
  node.send('late');
  await settled();
  node.expire('lease-1');
  gates.get('late')!.resolve();
  node.send('next');
  await settled();
  expect(errors).toEqual([['no lease was good', 'late']]);
  gates.get('next')!.resolve();
  await settled();
  expect(node.acked).toEqual(['lease-2']);
  stop.abort();
  await ended;
});

test('stops: receives no more, waits for what runs, gives the rest back at once', async () => {
  const { handler, gates, signals } = gated();
  const { node, platform, stop, ended } = working(handler, { concurrency: 3, drainMs: 5_000 });
  const [, slow] = ['quick', 'slow'].map((body) => node.send(body));
  await settled();
  stop.abort();
  await settled();
  const received = node.count('mailbox_recv');
  node.send('later');
  gates.get('quick')!.resolve();
  await platform.advance(4_999);
  expect([node.acked, node.nacked, signals.get('slow')!.aborted]).toEqual([['lease-1'], [], false]);
  await platform.advance(1);
  await ended;
  expect(signals.get('slow')!.aborted).toBe(true);
  expect(node.nacked).toEqual([{ lease: slow!.lease, reason: 'the worker stopped', delayMs: 0 }]);
  gates.get('slow')!.resolve();
  await settled();
  expect([node.acked, node.count('mailbox_recv'), platform.timers]).toEqual([['lease-1'], received, 0]);
});

test('a signal that has aborted before receives nothing', async () => {
  const { node, ended } = working(() => undefined, { signal: AbortSignal.abort() });
  node.send('x');
  await ended;
  expect(node.calls).toEqual([]);
});

test('a node that does not answer is asked again after a pause, and told', async () => {
  const { node, platform, stop, errors, ended } = working(() => undefined);
  await settled();
  const down = { operation: 'mailbox_recv', error: new RonError('unavailable', 'down', { retryAfterMs: 60_000 }) };
  node.failures.push(down, down);
  node.send('first');
  await platform.advance(59_000);
  const asked = node.count('mailbox_recv');
  expect(errors).toEqual([['down', undefined]]);
  node.send('after');
  await platform.advance(200_000);
  expect(node.count('mailbox_recv')).toBeGreaterThan(asked);
  expect(node.acked).toHaveLength(2);
  stop.abort();
  await ended;
});

test('what cannot get better ends the loop, after what runs', async () => {
  const { handler, gates } = gated();
  const { node, ended } = working(handler, { concurrency: 2 });
  node.send('running');
  await settled();
  node.failures.push({ operation: 'mailbox_recv', error: new RonError('forbidden', 'not yours') });
  node.send('wakes');
  await settled();
  for (const gate of gates.values()) gate.resolve();
  await expect(ended).rejects.toMatchObject({ code: 'forbidden' });
  expect(node.acked).toHaveLength(2);
});

test('an onError that throws ends the loop', async () => {
  const onError = () => {
    throw new Error('enough');
  };
  const { node, ended } = working(() => Promise.reject(new Error('no')), { onError });
  node.send('x');
  await expect(ended).rejects.toThrow('enough');
});

test.each([0, 101, 1.5])('a concurrency of %d is refused', async (concurrency) => {
  const { ended } = working(() => undefined, { concurrency });
  await expect(ended).rejects.toMatchObject({ code: 'bad_request' });
});

test('a keeper that cannot start is replaced by the loop, aloud; a given one stays open', async () => {
  let disposed = 0;
  const keeper: LeaseKeeper = {
    ready: async () => Promise.reject(new Error('no threads here')),
    keep: () => () => undefined,
    [Symbol.asyncDispose]: async () => {
      disposed += 1;
    },
  };
  const { handler, gates } = gated();
  const { node, platform, stop, errors, ended } = working(handler, {}, () => keeper);
  node.send('x');
  await platform.advance(350);
  expect(errors).toEqual([['no threads here', undefined]]);
  expect([node.extended.length, disposed]).toEqual([1, 1]);
  gates.get('x')!.resolve();
  stop.abort();
  await ended;
  const given = { ...keeper, ready: async () => undefined };
  const other = working(() => undefined, { keeper: given, signal: AbortSignal.abort() });
  await other.ended;
  expect(disposed).toBe(1);
});
