import type { RonClient } from '@ron/app-sdk';
import { connect, createHttpTransport, createOapTransport } from '@ron/app-sdk/node';
import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleBytes } from '../support/sample-bytes.ts';
import { type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** The retry contract over both wires: the node's own bindings, a gateway that does what the test says. */
const transports = [
  [
    'http',
    ({ http }: ScriptedNode) => http,
    (port: number) => createHttpTransport(`http://127.0.0.1:${port}`, () => 'cap'),
  ],
  ['oap', ({ oap }: ScriptedNode) => oap, (port: number) => createOapTransport(`oap://127.0.0.1:${port}`, () => 'cap')],
] as const;

describe.each(transports)('a node under pressure, over %s', (_name, portOf, transportTo) => {
  const stack = new AsyncDisposableStack();
  let node: ScriptedNode;
  let proxy: TcpProxy;
  let waitsMs: number[] = [];
  let nowMs = 0;
  let client: RonClient;

  beforeAll(async () => {
    node = stack.use(await startScriptedNode());
    proxy = stack.use(await startTcpProxy({ host: '127.0.0.1', port: portOf(node) }));
    // Pauses pass at once and are written down; deadlines never come.
    const platform = {
      monotonicMs: () => nowMs,
      wallMs: () => 1_000_000 + nowMs,
      after: (delayMs: number, task: () => void) => {
        const timer =
          delayMs >= 30_000
            ? undefined
            : setImmediate(() => {
                nowMs += delayMs;
                waitsMs.push(delayMs);
                task();
              });
        return { cancel: () => clearImmediate(timer) };
      },
      randomBytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    };
    client = stack.use(connect({ transport: transportTo(proxy.port), capability: 'cap', platform }));
  });
  afterAll(() => stack.disposeAsync());

  test('refusals are waited for as the node says, and changes keep their key', async () => {
    waitsMs = [];
    const keys = node.script('set_name', [
      new RonError('quota_exhausted', 'slow down', { retryAfterMs: 7_000 }),
      new RonError('unavailable', 'not now', { retryAfterMs: 3_000 }),
      { name: 'a', version: 1 },
    ]);
    await client.names.set('a', address);
    expect(waitsMs).toEqual([7_000, 3_000]);
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(keys).size).toBe(1);
  });

  test('five attempts, and then the error says so; what is final is not tried again', async () => {
    waitsMs = [];
    const asked = node.script('has', Array(5).fill(new RonError('unavailable', 'not now')));
    await expect(client.blobs.has([address])).rejects.toMatchObject({ code: 'unavailable', attempts: 5 });
    expect([asked.length, waitsMs.length]).toEqual([5, 4]);
    const final = node.script('has', [new RonError('forbidden', 'no')]);
    await expect(client.blobs.has([address])).rejects.toMatchObject({ code: 'forbidden', attempts: 1 });
    expect(final).toHaveLength(1);
  });

  test('a wait beyond the deadline fails at once and says when', async () => {
    waitsMs = [];
    const asked = node.script('has', [new RonError('quota_exhausted', 'slow down', { retryAfterMs: 31_000 })]);
    await expect(client.blobs.has([address])).rejects.toMatchObject({
      retryAfterMs: 31_000,
      advice: expect.stringContaining('in 31 s'),
    });
    expect([asked.length, waitsMs]).toEqual([1, []]);
  });

  test('connections that break under a call are made again', async () => {
    const asked = node.script('has', [() => proxy.cut(), { present: [address], missing: [] }]);
    expect((await client.blobs.has([address])).present).toEqual([address]);
    expect(asked).toHaveLength(2);
  });

  test('a signal ends a call that the node does not answer, and the node learns of it', async () => {
    const stop = new AbortController();
    const left = Promise.withResolvers<void>();
    node.script('has', [
      (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            left.resolve();
            reject(new RonError('unavailable', 'left'));
          });
          stop.abort();
        }),
    ]);
    await expect(client.blobs.has([address], { signal: stop.signal })).rejects.toThrow('ended by its caller');
    await left.promise;
  });

  test('a verified read that breaks twice goes on where it was', async () => {
    const bytes = sampleBytes(6 * groupBytes + 5, 3);
    let cuts = 0;
    let doneBytes = 0;
    let more = Promise.withResolvers<void>();
    const begun = new Map<number, number>();
    const ranges = node.serve(bytes, async (answer, sentBytes) => {
      if (!begun.has(answer)) begun.set(answer, doneBytes);
      if (answer > 2 || answer === cuts || sentBytes < 2 * groupBytes) return;
      // Not before the reader has something of this answer.
      while (doneBytes <= begun.get(answer)!) await more.promise;
      cuts = answer;
      proxy.cut();
    });
    const onProgress = (progress: { readonly doneBytes: number }) => {
      doneBytes = progress.doneBytes;
      more.resolve();
      more = Promise.withResolvers();
    };
    const reply = await client.blobs.get(addressFromHash(hash(bytes)), { onProgress });
    expect(Buffer.compare(await reply.bytes(), bytes)).toBe(0);
    expect([cuts, ranges.length, ranges[0]]).toEqual([2, 3, undefined]);
    const starts = ranges.slice(1).map((range) => Number(/^bytes=([0-9]+)-393220$/.exec(range ?? '')![1]));
    expect(starts[0]).toBeGreaterThanOrEqual(groupBytes);
    expect(starts[1]).toBeGreaterThan(starts[0]!);
  });

  test('a view of several items is one call', async () => {
    const view = {
      names: [{ error: { code: 'not_found', message: 'none', retryable: false } }],
      objects: [],
      boxes: [],
    };
    const asked = node.script('hydrate', [view]);
    expect(await client.view({ names: ['a'] })).toEqual(view);
    expect(asked).toHaveLength(1);
  });
});

const groupBytes = 65_536;
const address = `b3:${'0'.repeat(64)}`;
