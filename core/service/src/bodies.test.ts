import { type ByteStream, ResidentBody } from '@ron/proto/stream';
import { describe, expect, test } from 'vitest';
import { abandoned, boundedBody, discardBody, MeasuredBody, readWhole } from './bodies.ts';
import { silence } from './testing/silence.ts';

async function* pieces(...lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const length of lengths) yield new Uint8Array(length);
}

const nothing = () => undefined;

describe('a bounded body', () => {
  const read = (lengths: readonly number[], bytesMax: number, announcedBytes?: number) =>
    readWhole(boundedBody(pieces(...lengths), { bytesMax, announcedBytes }, nothing), 1e6);

  test('passes at its limit and ends past it', async () => {
    expect((await read([5, 4], 10)).byteLength).toBe(9);
    expect((await read([5, 5], 10)).byteLength).toBe(10);
    await expect(read([5, 6], 10)).rejects.toMatchObject({ code: 'payload_too_large', details: { limit: 10 } });
  });

  test('has exactly the length that was announced', async () => {
    expect((await read([5, 5], 100, 10)).byteLength).toBe(10);
    await expect(read([5, 4], 100, 10)).rejects.toMatchObject({ code: 'bad_request' });
    await expect(read([5, 6], 100, 10)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('counts what it passes on, and tells its source that the reader left', async () => {
    let counted = 0;
    let ended = false;
    const source = (async function* () {
      try {
        yield* pieces(3, 4, 5);
      } finally {
        ended = true;
      }
    })();
    const body = boundedBody(source, { bytesMax: 100, announcedBytes: undefined }, (bytes) => {
      counted += bytes;
    });
    for await (const piece of body) if (piece.byteLength === 4) break;
    expect(counted).toBe(7);
    expect(ended).toBe(true);
  });
});

describe('a measured body', () => {
  function measured(source: ByteStream) {
    const ends: unknown[] = [];
    let bytes = 0;
    const body = new MeasuredBody(
      source,
      (count) => {
        bytes += count;
      },
      (outcome) => ends.push(outcome),
    );
    return { body, ends, counted: () => bytes };
  }

  function hanging() {
    const state = { returned: 0, resolve: (_step: IteratorResult<Uint8Array>): void => expect.unreachable() };
    const source: ByteStream = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((resolve) => {
            state.resolve = resolve;
          }),
        return: async () => {
          state.returned += 1;
          return { done: true, value: undefined };
        },
      }),
    };
    return { state, source };
  }

  test('tells of its end once', async () => {
    const { body, ends, counted } = measured(pieces(3, 4));
    expect((await readWhole(body, 100)).byteLength).toBe(7);
    await body.return();
    body.release();
    expect(ends).toEqual([undefined]);
    expect(counted()).toBe(7);
  });

  test('tells of a source that breaks', async () => {
    const broken = new Error('broken');
    const { body, ends } = measured(
      (async function* () {
        yield new Uint8Array(1);
        throw broken;
      })(),
    );
    await expect(readWhole(body, 100)).rejects.toBe(broken);
    expect(ends).toEqual([broken]);
  });

  test('a reader that leaves before it begins, or between pieces, ends it and its source', async () => {
    const first = hanging();
    const unread = measured(first.source);
    await unread.body[Symbol.asyncIterator]().return();
    expect(unread.ends).toEqual([abandoned]);
    expect(first.state.returned).toBe(1);
    const { body, ends } = measured(pieces(1, 2, 3));
    for await (const _piece of body) break;
    expect(ends).toEqual([abandoned]);
    expect(await body.next()).toEqual({ done: true, value: undefined });
  });

  test('failed by its call, it tells its reader and its source why, once', async () => {
    const { state, body } = silence();
    const outcomes: unknown[] = [];
    const measured = new MeasuredBody(
      body,
      () => undefined,
      (outcome) => outcomes.push(outcome),
    );
    const reason = new Error('over');
    measured.fail(reason);
    measured.fail(new Error('again'));
    measured.release();
    await expect(measured.next()).rejects.toBe(reason);
    expect(outcomes).toEqual([reason]);
    expect(state).toEqual({ asked: 0, left: 1 });
  });

  test('let go by its owner while its reader waits, it ends with an error and never short', async () => {
    const { state, source } = hanging();
    const { body, ends } = measured(source);
    const waiting = body.next();
    body.release();
    body.release();
    expect(ends).toEqual([abandoned]);
    expect(state.returned).toBe(1);
    state.resolve({ done: true, value: undefined });
    await expect(waiting).rejects.toMatchObject({ code: 'request_timeout' });
    await expect(body.next()).rejects.toMatchObject({ code: 'request_timeout' });
  });
});

test('a body that nobody will read is told so, unless it is in memory', () => {
  let returned = 0;
  discardBody({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: true, value: undefined }),
      return: async () => {
        returned += 1;
        throw new Error('has nobody left to tell');
      },
    }),
  });
  discardBody(new ResidentBody(new Uint8Array(3)));
  expect(returned).toBe(1);
});

test('a whole body is refused one byte past the limit, resident or not', async () => {
  expect((await readWhole(new ResidentBody(new Uint8Array(10)), 10)).byteLength).toBe(10);
  await expect(readWhole(new ResidentBody(new Uint8Array(11)), 10)).rejects.toMatchObject({
    code: 'payload_too_large',
  });
  await expect(readWhole(pieces(5, 6), 10)).rejects.toMatchObject({ code: 'payload_too_large' });
});
