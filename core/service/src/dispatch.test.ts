import { expect, test } from 'vitest';
import type { Incoming } from './dispatcher.ts';
import { seenCalls, startEcho, testHost } from './testing/echo-service.ts';

const base: Incoming = {
  operation: 'say',
  input: { text: 'hi' },
  credential: { token: 'all' },
  corrId: 'corr-id-1',
  remote: 'test',
};

test('a valid call runs and is measured', async () => {
  const host = testHost();
  await using service = await startEcho(host);
  const { output } = await service.dispatcher.dispatch(base);
  expect(output).toEqual({ text: 'hi' });
  expect(host.metrics.read('requests_total', { service: 'echo', op: 'say', code: 'ok' })).toBe(1);
  expect(host.metrics.read('inflight', { service: 'echo' })).toBe(0);
});

test.each([
  ['unknown field', { ...base, input: { text: 'x', more: 1 } }, 'bad_request'],
  ['wrong type', { ...base, input: { text: 5 } }, 'bad_request'],
  ['no object', { ...base, input: null }, 'bad_request'],
  ['no token', { ...base, credential: {} }, 'unauthenticated'],
  ['foreign token', { ...base, credential: { token: 'other' } }, 'unauthenticated'],
  ['weak token', { ...base, operation: 'count', input: { by: 1 }, credential: { token: 'reader' } }, 'forbidden'],
  ['unknown operation', { ...base, operation: 'nothing' }, 'not_found'],
  ['inherited name', { ...base, operation: 'constructor' }, 'not_found'],
  ['declared error', { ...base, operation: 'fail', input: { how: 'declared' } }, 'not_found'],
  ['undeclared error', { ...base, operation: 'fail', input: { how: 'undeclared' } }, 'internal'],
  ['foreign error', { ...base, operation: 'fail', input: { how: 'boom' } }, 'internal'],
  ['deadline', { ...base, operation: 'fail', input: { how: 'stuck' }, timeoutMs: 1 }, 'deadline_exceeded'],
] as const)('%s is refused', async (_name, incoming, code) => {
  await using service = await startEcho();
  await expect(service.dispatcher.dispatch(incoming)).rejects.toMatchObject({ name: 'RonError', code });
  expect(service.dispatcher.inflight).toBe(0);
});

test('an internal failure tells the caller nothing', async () => {
  await using service = await startEcho();
  const error = await service.dispatcher
    .dispatch({ ...base, operation: 'fail', input: { how: 'boom' } })
    .catch((thrown) => thrown);
  expect(JSON.stringify(error.toEnvelope('corr-id-1'))).not.toContain('secret');
});

test('the length limit holds at -1, 0, +1', async () => {
  await using service = await startEcho();
  const say = (length: number) => service.dispatcher.dispatch({ ...base, input: { text: 'x'.repeat(length) } });
  await expect(say(999)).resolves.toBeDefined();
  await expect(say(1_000)).resolves.toBeDefined();
  await expect(say(1_001)).rejects.toMatchObject({ code: 'bad_request' });
});

test('an idempotency key runs a mutation once, and refuses another request under the same key', async () => {
  await using service = await startEcho();
  const count = (by: number, idempotencyKey: string) =>
    service.dispatcher
      .dispatch({ ...base, operation: 'count', input: { by }, idempotencyKey })
      .then(({ output }) => output);
  const both = await Promise.all([count(1, 'k1'), count(1, 'k1')]);
  expect(both).toEqual([{ total: 1 }, { total: 1 }]);
  expect(await count(1, 'k2')).toEqual({ total: 2 });
  await expect(count(5, 'k1')).rejects.toMatchObject({ code: 'conflict' });
});

test('past the ceiling writes are refused before reads', async () => {
  await using service = await startEcho(testHost({ inflightMax: 8 }));
  const hanging = Array.from({ length: 7 }, () =>
    service.dispatcher
      .dispatch({ ...base, operation: 'fail', input: { how: 'hang' }, timeoutMs: 200 })
      .catch(({ code }) => code),
  );
  await new Promise((resolve) => process.nextTick(resolve));
  await expect(service.dispatcher.dispatch({ ...base, operation: 'count', input: { by: 1 } })).rejects.toMatchObject({
    code: 'unavailable',
    retryAfterMs: 250,
  });
  await expect(service.dispatcher.dispatch(base)).resolves.toBeDefined();
  expect(await Promise.all(hanging)).toEqual(Array(7).fill('deadline_exceeded'));
});

test('a draining service refuses', async () => {
  await using service = await startEcho();
  service.dispatcher.drain();
  await expect(service.dispatcher.dispatch(base)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a body past its limit ends the call; one at the limit passes', async () => {
  await using service = await startEcho();
  const limit = 4 * 1_024 * 1_024;
  const upper = (bytes: number) =>
    service.dispatcher.dispatch({ ...base, operation: 'upper', input: {}, body: inPieces(bytes, 64 * 1_024) });
  await expect(upper(limit)).resolves.toMatchObject({ output: { size: limit } });
  await expect(upper(limit + 1)).rejects.toMatchObject({ code: 'payload_too_large' });
});

test('a streamed reply counts as in flight until it is read or released', async () => {
  await using service = await startEcho();
  const open = () => service.dispatcher.dispatch({ ...base, operation: 'pieces', input: { count: 3, bytes: 10 } });
  const left = await open();
  const read = await open();
  expect(service.dispatcher.inflight).toBe(2);
  left.release();
  left.release();
  expect(service.dispatcher.inflight).toBe(1);
  let bytes = 0;
  for await (const piece of read.body!) bytes += piece.byteLength;
  expect(bytes).toBe(30);
  expect(service.dispatcher.inflight).toBe(0);
});

test('the handler sees corr_id, tenant and subject', async () => {
  await using service = await startEcho();
  seenCalls.length = 0;
  await service.dispatcher.dispatch({ ...base, tenant: 'acme' });
  expect(seenCalls).toEqual([{ corrId: 'corr-id-1', tenant: 'acme', subject: 'tester' }]);
});

async function* inPieces(total: number, piece: number): AsyncGenerator<Uint8Array> {
  for (let left = total; left > 0; left -= piece) yield new Uint8Array(Math.min(piece, left));
}
