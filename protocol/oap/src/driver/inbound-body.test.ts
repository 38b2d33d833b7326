import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from '../testing/loopback.ts';
import { InboundBody } from './inbound-body.ts';

function start() {
  const state = { consumed: 0, left: 0 };
  const body = new InboundBody(
    (bytes) => {
      state.consumed += bytes;
    },
    () => {
      state.left += 1;
    },
  );
  return { state, body };
}

describe('an inbound body', () => {
  test('one small piece takes the memory of one small piece, and what was pushed is not written to', async () => {
    const { body } = start();
    // As a transport has it: views of what it read at once, of a class whose `slice` shares memory.
    const read = Buffer.alloc(65_536, 1);
    body.push(read.subarray(0, 100));
    const only = await body.next();
    expect(only.value!.buffer.byteLength).toBeLessThanOrEqual(1_024);
    body.push(read.subarray(100, 200));
    body.push(Buffer.alloc(100, 2));
    const both = await body.next();
    expect(both.value).toEqual(new Uint8Array([...new Uint8Array(100).fill(1), ...new Uint8Array(100).fill(2)]));
    expect(read.every((byte) => byte === 1)).toBe(true);
  });

  test('any order of pushes, reads and leaving gives every byte of credit back once, and the reader sees a prefix', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), bytes: fc.uint8Array({ maxLength: 9_000 }) }),
      fc.constant({ do: 'read' as const }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom('end', 'fail', 'leave', 'end, then leave'),
        async (steps, ending) => {
          const { state, body } = start();
          const sent: Uint8Array[] = [];
          const reads: Promise<IteratorResult<Uint8Array, undefined>>[] = [];
          const got: Uint8Array[] = [];
          let waiting: Promise<unknown> | undefined;
          for (const next of steps) {
            if (next.do === 'push') {
              sent.push(next.bytes);
              body.push(next.bytes);
              if (next.bytes.byteLength > 0) waiting = undefined;
            } else if (waiting === undefined) {
              const read = body.next();
              read.catch(() => undefined);
              reads.push(read);
              if (body.waiting) waiting = read;
            }
          }
          if (ending.startsWith('end')) body.end();
          if (ending === 'fail') body.fail(new Error('broken'));
          if (ending.endsWith('leave')) await body.return();
          for (const read of await Promise.allSettled(reads)) {
            if (read.status === 'fulfilled' && read.value.value !== undefined) got.push(read.value.value);
          }
          if (ending === 'end') for await (const piece of body) got.push(piece);
          if (ending === 'fail') {
            await expect(
              (async () => {
                for await (const piece of body) got.push(piece);
              })(),
            ).rejects.toThrow('broken');
          }
          const all = concat(sent);
          const seen = concat(got);
          expect(seen).toEqual(all.subarray(0, seen.length));
          if (!ending.endsWith('leave')) expect(seen.length).toBe(all.length);
          expect(state.consumed).toBe(all.length);
          expect(state.left).toBe(ending === 'leave' ? 1 : 0);
        },
      ),
    );
  });

  test('one that nobody begins to read can be left', async () => {
    const { state, body } = start();
    body.push(new Uint8Array(10));
    await body[Symbol.asyncIterator]().return();
    expect(state).toEqual({ consumed: 10, left: 1 });
    body.push(new Uint8Array(5));
    expect(state).toEqual({ consumed: 15, left: 1 });
  });

  test('leaving one that has wholly arrived gives its credit back', async () => {
    const { state, body } = start();
    for (let index = 0; index < 3; index += 1) body.push(new Uint8Array(10_000));
    body.end();
    for await (const _piece of body) break;
    expect(state).toEqual({ consumed: 30_000, left: 0 });
  });

  test('credit comes back when the reader asks for more, not when it gets a piece', async () => {
    const { state, body } = start();
    body.push(new Uint8Array(5_000));
    await body.next();
    expect(state.consumed).toBe(0);
    const second = body.next();
    expect(state.consumed).toBe(5_000);
    body.end();
    expect(await second).toEqual({ done: true, value: undefined });
  });

  test('empty pieces, which cost the sender no credit, are not kept, and small ones share memory', async () => {
    const { body } = start();
    for (let index = 0; index < 10_000; index += 1) body.push(new Uint8Array(index % 2));
    body.end();
    let pieces = 0;
    let bytes = 0;
    for await (const piece of body) {
      pieces += 1;
      bytes += piece.byteLength;
    }
    expect(bytes).toBe(5_000);
    expect(pieces).toBeLessThan(5);
  });

  test('a reader that waits is told of the failure, of the end, and of its own leaving', async () => {
    const failed = start().body;
    const first = failed.next();
    failed.fail(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    await expect(failed.next()).rejects.toThrow('gone');
    const left = start().body;
    const second = left.next();
    await left.return();
    expect(await second).toEqual({ done: true, value: undefined });
    expect(await left.next()).toEqual({ done: true, value: undefined });
  });

  test('what its owner lets go ends with an error, never short', async () => {
    const early = start().body;
    early.push(new Uint8Array(5_000));
    const waited = start().body;
    const waiting = waited.next();
    const arrived = start().body;
    arrived.push(new Uint8Array(5_000));
    arrived.end();
    const failed = start().body;
    failed.push(new Uint8Array(5_000));
    failed.fail(new Error('the first reason'));
    for (const body of [early, waited, arrived, failed]) body.abandon();
    await expect(early.next()).rejects.toMatchObject({ code: 'request_timeout' });
    await expect(waiting).rejects.toMatchObject({ code: 'request_timeout' });
    await expect(arrived.next()).rejects.toMatchObject({ code: 'request_timeout' });
    await expect(failed.next()).rejects.toThrow('the first reason');
    const whole = start().body;
    whole.end();
    whole.abandon();
    expect(await whole.next()).toEqual({ done: true, value: undefined });
  });

  test('two readers at once are a defect', async () => {
    const { body } = start();
    const first = body.next();
    await expect(body.next()).rejects.toThrow('one reader');
    body.end();
    expect((await first).done).toBe(true);
  });
});
