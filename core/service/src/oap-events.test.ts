import type { NetAddress } from '@ron/kernel';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { createConnection } from '@ron/oap';
import type { Operation } from '@ron/proto/contract';
import type { ByteStream } from '@ron/proto/stream';
import { beforeAll, expect, test } from 'vitest';
import { OapLink } from './bind-oap-client.ts';
import { bindOapServer } from './bind-oap-server.ts';
import { readWhole } from './bodies.ts';
import { testHost } from './testing/echo-service.ts';
import { startPipeline } from './testing/pipeline.ts';
import { silence } from './testing/silence.ts';
import { loadCompiler } from './validators.ts';

// Its import is real I/O, which virtual time does not see.
beforeAll(loadCompiler);

const address: NetAddress = { kind: 'tcp', host: '127.0.0.1', port: 9_000 };

/** An operation `sub` with that source behind OAP, and a link to it, in one simulated world. */
async function start(source: (env: SimEnv) => ByteStream, own: Partial<Operation> = { waits: true }) {
  const env = createSimEnv({ seed: 1 });
  const host = testHost({ env });
  const handler = () => ({ output: {}, body: source(env) });
  const { dispatcher, contract } = startPipeline({ sub: { body: 'out', ...own, handler } }, host);
  const run = <T>(work: Promise<T>) => env.scheduler.settle(work);
  const identity = { server_version: '0', node_id: 'test', transports: ['tcp'], revocation_seq: 0 };
  const listener = await run(bindOapServer({ ...host, address, dispatchers: [dispatcher], identity }));
  const link = new OapLink({ env, address, capability: () => new TextEncoder().encode('all') });
  const peer = link.peer(contract) as never as { sub(input: unknown): Promise<{ body: ByteStream }> };
  return { env, dispatcher, run, listener, link, peer };
}

function every(env: SimEnv, delayMs: number, count: number, bytes: number) {
  return (async function* (): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < count; index += 1) {
      await new Promise<void>((resolve) => env.clock.after(delayMs, resolve));
      yield new Uint8Array(bytes).fill(index + 1);
    }
  })();
}

/** A connection without a driver: what comes on it, frame by frame. */
async function listenRaw(env: SimEnv, heard: string[], graceBytes: number) {
  const duplex = await env.scheduler.settle(env.net.dial(address, 1_000));
  const connection = createConnection({
    role: 'opener',
    write: (pieces) => duplex.write(pieces),
    handler: {
      ready: () => {
        connection.open({
          app: 0x8002,
          header: { op: 'sub', corr_id: 'corr-id-1' },
          body: new TextEncoder().encode('{}'),
          capability: new TextEncoder().encode('all'),
          end: true,
        });
      },
      open: () => undefined,
      answer: ({ end }) => heard.push(`answer ${end}`),
      data: (_id, bytes) => heard.push(`data ${bytes.byteLength}`),
      end: () => heard.push('end'),
      error: (_id, { code }) => heard.push(code),
      cancel: () => heard.push('cancel'),
      event: (id, header, body) => {
        heard.push(`event ${JSON.stringify(header)} ${body.byteLength}`);
        if (heard.length * 400_000 < graceBytes) connection.consumed(id, body.byteLength);
      },
      ack: () => undefined,
      writable: () => undefined,
      closed: () => undefined,
    },
  });
  duplex.start({
    data: (bytes) => connection.receive(bytes),
    drain: () => connection.drained(),
    close: () => connection.ended(),
  });
  connection.start();
  return connection;
}

test('each piece is an EVENT, one that is too large is several, and the answer ends as any', async () => {
  const { env } = await start((env) => every(env, 10, 3, 600_000));
  const heard: string[] = [];
  await listenRaw(env, heard, Number.POSITIVE_INFINITY);
  await env.scheduler.runFor(1_000);
  const both = ['event {} 524288', 'event {} 75712'];
  expect(heard).toEqual(['answer false', ...both, ...both, ...both, 'end']);
});

test('events wait for credit, and a reader that gives none for a minute is let go', async () => {
  const { env, dispatcher } = await start((env) => every(env, 10, 9, 400_000));
  const heard: string[] = [];
  await listenRaw(env, heard, 0);
  await env.scheduler.runFor(50_000);
  expect(heard).toEqual(['answer false', 'event {} 400000', 'event {} 400000']);
  expect(dispatcher.inflight).toBe(1);
  await env.scheduler.runFor(15_000);
  expect(heard.at(-1)).toBe('request_timeout');
  expect(dispatcher.inflight).toBe(0);
});

test('a source that is silent for long is alive to its reader: every piece comes, however late', async () => {
  const { env, run, peer } = await start((env) => every(env, 600_000, 3, 5));
  const { body } = await run(peer.sub({}));
  expect((await run(readWhole(body, 100))).byteLength).toBe(15);
  expect(env.clock.monotonicMs()).toBeGreaterThanOrEqual(1_800_000);
});

test('a stream that does not wait is over for its reader after a minute of silence', async () => {
  const { run, peer } = await start((env) => every(env, 600_000, 3, 5), {});
  const { body } = await run(peer.sub({}));
  await expect(run(readWhole(body, 100))).rejects.toMatchObject({ code: 'unavailable' });
});

test('a reader that leaves while the source is silent is told to the source', async () => {
  const { state, body: source } = silence();
  const { env, run, peer, dispatcher } = await start(() => source);
  const { body } = await run(peer.sub({}));
  const iterator = body[Symbol.asyncIterator]();
  const pending = iterator.next();
  await env.scheduler.runFor(100_000);
  expect(dispatcher.inflight).toBe(1);
  await iterator.return!();
  expect(await pending).toMatchObject({ done: true });
  await env.scheduler.runFor(1_000);
  expect(state).toEqual({ asked: 1, left: 1 });
  expect(dispatcher.inflight).toBe(0);
});

test('a drain is told to the reader at once, and holds up no close of the listener', async () => {
  const { state, body: source } = silence();
  const { env, run, peer, dispatcher, listener } = await start(() => source);
  const { body } = await run(peer.sub({}));
  const reading = readWhole(body, 100).catch((error) => error);
  const startMs = env.clock.monotonicMs();
  const closed = dispatcher.drain().then(() => listener.close(30_000));
  expect(await run(reading)).toMatchObject({ code: 'unavailable', retryAfterMs: 1_000 });
  await run(closed);
  expect(env.clock.monotonicMs() - startMs).toBeLessThan(1_000);
  expect(state.left).toBe(1);
});
