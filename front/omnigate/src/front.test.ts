import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { httpServerLimits } from '@ron/service';
import { afterEach, describe, expect, test } from 'vitest';
import {
  createOrderlyEnv,
  patient,
  readOutput,
  silentLog,
  someAddress,
  startFront,
  startGateway,
  type TestFront,
  type TestGateway,
  turn,
  until,
} from './fixtures/gateways.ts';

const env = createOrderlyEnv();
const opened: { close(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const { close } of opened.splice(0).reverse()) await close();
});

async function gateway(handlers = {}): Promise<TestGateway> {
  const started = await startGateway(env, handlers);
  opened.push({ close: () => started.listener.close(0) });
  return started;
}

async function front(gateways: readonly TestGateway[], settings = {}): Promise<TestFront> {
  const started = startFront(env, gateways, { ...patient, ...settings });
  opened.push({ close: () => started[Symbol.dispose]() });
  await until(() => started.backends.all.every((backend) => backend.takesCalls));
  return started;
}

async function bytesOf(body: ByteStream | undefined): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body ?? []) pieces.push(piece);
  return pieces;
}

const textOf = async (body: ByteStream | undefined) =>
  (await bytesOf(body)).map((piece) => new TextDecoder().decode(piece)).join('');
const get = { input: { address: someAddress } };
const setName = { input: { name: 'docs', address: someAddress } };
const codeOf = (error: unknown) => (error instanceof RonError ? `${error.code} ${error.details?.['gate']}` : error);
const askedFor = ({ asked }: TestGateway, operation: string) => asked.filter((call) => call.operation === operation);

/** Nothing of a call is left at the front. */
function expectQuiet(f: TestFront): void {
  expect(f.gateway.inflight).toBe(0);
  expect(f.queue.waiting).toBe(0);
  for (const { inflight, waiting } of f.backends.all)
    expect({ inflight, waiting }).toEqual({ inflight: 0, waiting: 0 });
}

describe('a call through the front', () => {
  test('brings credential, corr_id, trace, deadline and key to the backend, and the answer back', async () => {
    const a = await gateway({ set_name: () => ({}) });
    const f = await front([a]);
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const outgoing = await f.ask('get', { ...get, traceparent, corrId: 'corr-of-caller' });
    expect(await textOf(outgoing.body)).toBe('body');
    const [read] = askedFor(a, 'get');
    expect(new TextDecoder().decode(read!.credential.token as Uint8Array)).toBe('acme');
    expect(read).toMatchObject({ corrId: 'corr-of-caller', traceparent });
    expect(read!.timeoutMs).toBeLessThanOrEqual(30_000);
    await f.ask('set_name', { ...setName, idempotencyKey: 'once', timeoutMs: 20_000 });
    const [change] = askedFor(a, 'set_name');
    expect(change!.idempotencyKey).toBe('once');
    expect(change!.timeoutMs).toBeLessThanOrEqual(20_000);
    expectQuiet(f);
  });

  test('gets the refusal of the backend as it is', async () => {
    const details = { limit: 7 };
    const error = new RonError('quota_exhausted', 'slow down', { retryAfterMs: 1_234, details });
    const a = await gateway({
      get: () => {
        throw error;
      },
    });
    const f = await front([a]);
    await expect(f.ask('get', get)).rejects.toMatchObject({
      code: 'quota_exhausted',
      message: 'slow down',
      retryAfterMs: 1_234,
      details,
    });
    expectQuiet(f);
  });

  test('asks whose the token is once, and never passes on what the caller says it is', async () => {
    const a = await gateway();
    const f = await front([a]);
    for (let calls = 0; calls < 3; calls += 1) await textOf((await f.ask('get', get)).body);
    expect(askedFor(a, 'whoami').filter(({ credential }) => credential.token !== undefined)).toHaveLength(1);
    expect(f.queue.lanes).toBe(2);
  });

  test('a capability that is bound to a key passes over OAP, and is refused over HTTP with the reason', async () => {
    const a = await gateway();
    const f = await front([a]);
    const credential = { token: 'acme', proof: 'p' };
    await f.ask('get', { ...get, credential: { ...credential, request: '1281/get' } });
    expect(askedFor(a, 'get')[0]!.credential.proof).toBe('p');
    const overHttp = f.ask('get', { ...get, credential: { ...credential, request: `GET /o/${someAddress}` } });
    await expect(overHttp).rejects.toMatchObject({ code: 'unauthenticated', message: /bound to a key/ });
  });

  test('an operation that is not in the contract is not there', async () => {
    const f = await front([await gateway()]);
    await expect(f.ask('nothing')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a backend that goes away', () => {
  test('leaves its reads to another one, once each, and its changes to their callers', async () => {
    const stuck = () => new Promise(() => undefined);
    const a = await gateway({ get: stuck, set_name: stuck });
    const b = await gateway({ set_name: () => ({}) });
    const f = await front([a]);
    const two = await front([a, b], { slow_start_ms: 1 });
    const [backendA, backendB] = two.backends.all;
    backendB!.note({ kind: 'operator', drain: true });
    const read = two.ask('get', get);
    const change = two.ask('set_name', { ...setName, idempotencyKey: 'k' }).catch(codeOf);
    await until(() => askedFor(a, 'get').length === 1 && askedFor(a, 'set_name').length === 1);
    backendB!.note({ kind: 'operator', drain: false });
    await until(() => backendB!.takesCalls);
    await a.listener.close(0);
    expect(await textOf((await read).body)).toBe('body');
    expect(await change).toBe('unavailable backends');
    expect(askedFor(b, 'get')).toHaveLength(1);
    expect(askedFor(b, 'set_name')).toHaveLength(0);
    await until(() => backendA!.health.phase === 'ejected');
    expectQuiet(two);
    expect(await f.ask('get', get).catch(codeOf)).toMatch(/^unavailable/);
  });

  test('that drains gets nothing more, and what it refuses for that goes to another', async () => {
    const a = await gateway({ set_name: () => ({}) });
    const b = await gateway({ set_name: () => ({}) });
    // Their shares stay equal for longer than this takes.
    const f = await front([a, b], { slow_start_ms: 600_000 });
    await textOf((await f.ask('get', get)).body);
    void a.dispatcher.drain();
    for (let calls = 0; calls < 8; calls += 1) {
      await f.ask('set_name', { ...setName, idempotencyKey: `k${calls}` });
    }
    expect(askedFor(b, 'set_name')).toHaveLength(8);
    expect(f.backends.all[0]!.health.phase).toBe('draining');
    expect(askedFor(a, 'set_name')).toHaveLength(1);
  });

  test('is not asked twice for messages: nobody knows whether they are leased', async () => {
    const a = await gateway({ mailbox_recv: () => new Promise(() => undefined) });
    const b = await gateway({ mailbox_recv: () => ({ messages: [] }) });
    const f = await front([a, b]);
    f.backends.all[1]!.note({ kind: 'operator', drain: true });
    const received = f.ask('mailbox_recv', { input: { box: 'orders' } }).catch(codeOf);
    await until(() => askedFor(a, 'mailbox_recv').length === 1);
    f.backends.all[1]!.note({ kind: 'operator', drain: false });
    await until(() => f.backends.all[1]!.takesCalls);
    await a.listener.close(0);
    expect(await received).toBe('unavailable backends');
    expect(askedFor(b, 'mailbox_recv')).toHaveLength(0);
  });

  test('is ejected: a call for messages goes on to its end there, and a read begins elsewhere', async () => {
    const late = Promise.withResolvers<void>();
    const a = await gateway({
      mailbox_recv: () => late.promise.then(() => ({ messages: [] })),
      get: () => new Promise(() => undefined),
    });
    const b = await gateway();
    const f = await front([a, b]);
    const [first, second] = f.backends.all;
    second!.note({ kind: 'operator', drain: true });
    const received = f.ask('mailbox_recv', { input: { box: 'orders' } });
    const read = f.ask('get', get);
    await until(() => askedFor(a, 'mailbox_recv').length === 1 && askedFor(a, 'get').length === 1);
    second!.note({ kind: 'operator', drain: false });
    await until(() => second!.takesCalls);
    for (let probes = 0; probes < 2; probes += 1) first!.note({ kind: 'probe_failed', reason: 'silent' });
    expect(first!.health.phase).toBe('ejected');
    expect(await textOf((await read).body)).toBe('body');
    late.resolve();
    expect((await received).output).toEqual({ messages: [] });
  });

  test('that drains, and is the only one: its word is passed on as that of a backend, for the front does not', async () => {
    const a = await gateway({ set_name: () => ({}) });
    const f = await front([a]);
    await f.ask('set_name', setName);
    void a.dispatcher.drain();
    expect(await f.ask('set_name', setName).catch(codeOf)).toBe('unavailable backends');
    expect(f.backends.all[0]!.health.phase).toBe('draining');
    expect(await f.ask('set_name', setName).catch(codeOf)).toBe('unavailable backends');
  });

  test('that drains before it has said whose a token is: the call does not wait in line for nobody', async () => {
    const a = await gateway();
    const f = await front([a]);
    void a.dispatcher.drain();
    expect(await f.ask('get', get).catch(codeOf)).toBe('unavailable backends');
  });

  test('that drains while an operator asks is no reason to close the operator’s connection', async () => {
    const a = await gateway();
    const f = await front([a]);
    void a.dispatcher.drain();
    const operator = Promise.resolve(f.authenticator.authenticate({ token: 'root/admin' }, '192.0.2.1'));
    expect(await operator.catch(codeOf)).toBe('unavailable backends');
  });

  test('all taken out by an operator: the operator is still known, and nobody else is', async () => {
    const [a, b] = [await gateway(), await gateway()];
    const f = await front([a, b]);
    for (const backend of f.backends.all) backend.note({ kind: 'operator', drain: true });
    expect(await f.ask('get', get).catch(codeOf)).toBe('unavailable backends');
    const whose = async (token: string) => f.authenticator.authenticate({ token }, '192.0.2.1');
    expect((await whose('root/admin')).allows('admin', 'admin/omnigate')).toBe(true);
    expect((await whose('acme')).allows('admin', 'admin/omnigate')).toBe(false);
    expect(await whose('bad').catch(codeOf)).toMatch(/^unauthenticated/);
    // One of them is gone for good: the other one answers.
    await a.listener.close(0);
    expect((await whose('root/admin')).allows('admin', 'admin/omnigate')).toBe(true);
  });

  test('whose listener closes says that it drains: a change that it refuses for that goes to another', async () => {
    const release = Promise.withResolvers<void>();
    const a = await gateway({ get: () => release.promise.then(() => Promise.reject(gone)), set_name: () => ({}) });
    const b = await gateway({ set_name: () => ({}) });
    const gone = new RonError('not_found', 'gone');
    const f = await front([a, b]);
    f.backends.all[1]!.note({ kind: 'operator', drain: true });
    const running = f.ask('get', get).catch(codeOf);
    await until(() => askedFor(a, 'get').length === 1);
    const closed = a.listener.close(60_000);
    f.backends.all[1]!.note({ kind: 'operator', drain: false });
    await until(() => f.backends.all[1]!.takesCalls);
    for (let calls = 0; calls < 8; calls += 1) await f.ask('set_name', { ...setName, idempotencyKey: `k${calls}` });
    expect(askedFor(b, 'set_name')).toHaveLength(8);
    await until(() => f.backends.all[0]!.health.phase === 'draining');
    release.resolve();
    expect(await running).toMatch(/^not_found/);
    await closed;
  });

  test('all draining: refused at once, with the gate', async () => {
    const [a, b] = [await gateway(), await gateway()];
    const f = await front([a, b]);
    void a.dispatcher.drain();
    void b.dispatcher.drain();
    await until(() => f.backends.all.every(({ health }) => health.phase === 'draining'));
    await expect(f.ask('get', get)).rejects.toMatchObject({ code: 'unavailable', details: { gate: 'backends' } });
    expect(f.gates().find(({ gate }) => gate === 'backends')).toMatchObject({ ok: false, reason: /draining/ });
    expectQuiet(f);
  });

  test('an operator takes one out and lets it in again', async () => {
    const [a, b] = [await gateway(), await gateway()];
    const f = await front([a, b]);
    f.backends.all[0]!.note({ kind: 'operator', drain: true });
    for (let calls = 0; calls < 6; calls += 1) await textOf((await f.ask('get', get)).body);
    expect(askedFor(a, 'get')).toHaveLength(0);
    f.backends.all[0]!.note({ kind: 'operator', drain: false });
    await until(() => f.backends.all[0]!.takesCalls);
  });
});

test('what answers in another protocol is named as such, in the log and to callers', async () => {
  const refusal = () => ({ status: 400, headers: {} });
  const limits = httpServerLimits({ keepAliveIdleMs: 5_000, connectionsMax: 8, connectionsPerAddressMax: 8, refusal });
  const http = await env.net.serveHttp({ kind: 'tcp', host: '127.0.0.1', port: 0 }, limits, refusal);
  opened.push({ close: () => http.close(0) });
  const lines: unknown[] = [];
  const log = { ...silentLog, warn: (fields: unknown) => void lines.push(fields) };
  const f = startFront(env, [{ listener: http }], {}, undefined, log);
  opened.push({ close: () => f[Symbol.dispose]() });
  await until(() => lines.length > 0);
  expect(lines[0]).toMatchObject({ backend: 'g0', reason: 'it does not speak OAP/1; start the node with --oap' });
  await expect(f.ask('get', get)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('does not speak OAP/1; start the node with --oap'),
  });
});

describe('the front itself', () => {
  test('drains: new calls are refused, running ones end, waiting ones are told', async () => {
    const release = Promise.withResolvers<void>();
    const hang = (_input: never, { context }: { context: { signal: AbortSignal } }) =>
      new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)));
    const a = await gateway({ set_name: () => release.promise.then(() => ({})), mailbox_recv: hang });
    const f = await front([a]);
    const running = f.ask('set_name', setName);
    const waiting = f.ask('mailbox_recv', { input: { box: 'b', wait_ms: 20_000 } }).catch(codeOf);
    await until(() => a.dispatcher.inflight === 2);
    const drained = f.gateway.drain();
    await expect(f.ask('get', get)).rejects.toMatchObject({ details: { gate: 'draining' } });
    expect(await waiting).toBe('unavailable draining');
    release.resolve();
    await running;
    await drained;
    expectQuiet(f);
  });

  test('a caller that leaves ends its call at the backend', async () => {
    let aborted = false;
    const hang = (_input: never, { context }: { context: { signal: AbortSignal } }) =>
      new Promise((_resolve, reject) =>
        context.signal.addEventListener('abort', () => {
          aborted = true;
          reject(context.signal.reason);
        }),
      );
    const a = await gateway({ resolve: hang });
    const f = await front([a]);
    let leave: (reason: RonError) => void = () => undefined;
    const call = f.gateway.dispatch(
      {
        operation: 'resolve',
        input: { name: 'x' },
        credential: { token: 'acme' },
        corrId: 'corr-id-1',
        remote: '192.0.2.1',
      },
      (context) => {
        leave = (reason) => context.abort(reason);
      },
    );
    await until(() => askedFor(a, 'resolve').length === 1);
    leave(new RonError('request_timeout', 'the client left'));
    await expect(call).rejects.toBeInstanceOf(RonError);
    await until(() => aborted);
    expectQuiet(f);
  });

  test('passes 64 MiB each way and holds little of it', async () => {
    const pieces = 1_024;
    const piece = new Uint8Array(65_536).fill(7);
    let sent = 0;
    let received = 0;
    async function* body() {
      for (let index = 0; index < pieces; index += 1) {
        sent += 1;
        yield piece;
      }
    }
    const a = await gateway({
      get: () => ({ output: readOutput(pieces * piece.byteLength), body: body() }),
      put: async (_input: never, call: { body: ByteStream }) => {
        for await (const bytes of call.body) received += bytes.byteLength;
        return {
          address: someAddress,
          size: received,
          stored: true,
          durability: 'memory',
          location: '/',
          http_status: 201,
        };
      },
    });
    const f = await front([a]);
    const outgoing = await f.ask('get', get);
    const reader = outgoing.body![Symbol.asyncIterator]();
    await reader.next();
    await until(() => sent > 4);
    for (let turns = 0; turns < 200; turns += 1) await turn();
    // A reader that takes one piece: credit of a stream and the buffers on the way, not the object.
    expect(sent * piece.byteLength).toBeLessThan(8 * 1_024 * 1_024);
    let bytes = piece.byteLength;
    for (let step = await reader.next(); step.done !== true; step = await reader.next()) bytes += step.value.byteLength;
    expect(bytes).toBeGreaterThanOrEqual(pieces * piece.byteLength);
    await f.ask('put', { body: body(), bodyBytes: pieces * piece.byteLength });
    expect(received).toBe(pieces * piece.byteLength);
    expectQuiet(f);
  });

  test('a reader that leaves ends the body at the backend', async () => {
    let ended = false;
    async function* endless() {
      try {
        for (;;) yield new Uint8Array(65_536);
      } finally {
        ended = true;
      }
    }
    const a = await gateway({ get: () => ({ output: readOutput(1e12), body: endless() }) });
    const f = await front([a]);
    const outgoing = await f.ask('get', get);
    outgoing.release();
    await until(() => ended);
    expectQuiet(f);
  });
});
