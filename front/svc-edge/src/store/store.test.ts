import { ResidentBody } from '@ron/proto/stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { finishBytesMax, GrowingBody, windowBytesMax } from './growing-body.ts';
import { JoinedBody } from './joined-body.ts';
import { PartialBody, partsMax } from './partial-body.ts';
import { S3Fifo } from './s3-fifo.ts';

describe('S3-FIFO', () => {
  const fill = (bytesMax: number, itemsMax = 1000) => {
    const evicted: { n: number }[] = [];
    return { evicted, queue: new S3Fifo<{ n: number }>({ bytesMax, itemsMax, onEvict: (item) => evicted.push(item) }) };
  };

  test('a scan pushes out nothing that is in use', () => {
    const { queue, evicted } = fill(100);
    const used = Array.from({ length: 50 }, (_, n) => ({ n }));
    for (const item of used) queue.add(item, item.n, 1);
    for (const item of used) queue.touch(item);
    for (let n = 1000; n < 3000; n++) queue.add({ n }, n, 1);
    expect(evicted.filter(({ n }) => n < 1000)).toEqual([]);
    expect(queue.bytes).toBe(100);
  });

  test('what comes back after it left stays longer', () => {
    const { queue, evicted } = fill(10);
    for (let n = 0; n < 15; n++) queue.add({ n }, n, 1);
    const back = { n: -1 };
    queue.add(back, 0, 1);
    for (let n = 100; n < 200; n++) queue.add({ n }, n, 1);
    expect(evicted).not.toContain(back);
  });

  test.each([
    [9, 0],
    [10, 0],
    [11, 1],
  ])('%i items of at most 10', (count, gone) => {
    const { queue, evicted } = fill(1e9, 10);
    for (let n = 0; n < count; n++) queue.add({ n }, n, 1);
    expect(evicted).toHaveLength(gone);
  });

  test('one that outgrows the budget leaves itself', () => {
    const { queue, evicted } = fill(100);
    const item = { n: 1 };
    queue.add(item, 1, 10);
    queue.touch(item);
    expect(queue.grow(item, 90)).toBe(true);
    expect(queue.grow(item, 1)).toBe(false);
    expect(evicted).toEqual([item]);
    expect(queue.bytes).toBe(0);
  });

  test('never over its budget, and its count of bytes is that of what it holds', () => {
    const step = fc.tuple(fc.constantFrom('add', 'touch', 'grow', 'remove'), fc.nat(30), fc.nat(40));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const model = new Map<{ n: number }, number>();
        const queue = new S3Fifo<{ n: number }>({ bytesMax: 100, itemsMax: 8, onEvict: (item) => model.delete(item) });
        const items = Array.from({ length: 31 }, (_, n) => ({ n }));
        for (const [what, n, bytes] of steps) {
          const item = items[n]!;
          if (what === 'add' && !model.has(item)) {
            model.set(item, bytes);
            queue.add(item, n, bytes);
          } else if (what === 'touch') queue.touch(item);
          else if (what === 'grow' && model.has(item)) {
            model.set(item, model.get(item)! + bytes);
            expect(queue.grow(item, bytes)).toBe(model.has(item));
          } else if (what === 'remove') expect(queue.remove(item)).toBe(model.delete(item));
          expect(queue.size).toBe(model.size);
          expect(queue.bytes).toBe([...model.values()].reduce((sum, cost) => sum + cost, 0));
          expect(queue.bytes).toBeLessThanOrEqual(100);
          expect(queue.size).toBeLessThanOrEqual(8);
        }
      }),
    );
  });
});

/** A source that gives a piece when it is told to, and notes how often it was asked. */
class Source implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  asked = 0;
  left = false;
  #waiting: PromiseWithResolvers<IteratorResult<Uint8Array>>[] = [];
  [Symbol.asyncIterator] = () => this;
  next() {
    this.asked++;
    const step = Promise.withResolvers<IteratorResult<Uint8Array>>();
    this.#waiting.push(step);
    return step.promise;
  }
  async return() {
    this.left = true;
    return { done: true as const, value: undefined };
  }
  give(piece: Uint8Array) {
    this.#waiting.shift()?.resolve({ done: false, value: piece });
    return turns();
  }
  end() {
    this.#waiting.shift()?.resolve({ done: true, value: undefined });
    return turns();
  }
}

/** Lets what is ready run. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const piece of stream) bytes.push(...piece);
  return bytes;
}

describe('a body that is read while it grows', () => {
  const grow = (declared?: number, keep = (_bytes: number) => true) => {
    const source = new Source();
    const states: string[] = [];
    const body = new GrowingBody(source, { declared, keep, onSettled: (state) => states.push(state) });
    return { source, states, body };
  };

  test('every reader gets exactly its range, whenever it comes and however the bytes are cut', async () => {
    const range = fc.tuple(fc.nat(25), fc.nat(25), fc.nat(8));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 8 }),
        fc.array(range),
        async (cuts, ranges) => {
          const { source, body } = grow();
          const readers: Promise<[number[], number[]]>[] = [];
          const whole = Array.from({ length: cuts.reduce((sum, cut) => sum + cut, 0) }, (_, n) => n);
          const join = (turn: number) => {
            for (const [first, length] of ranges.filter(([, , when]) => when === turn)) {
              readers.push(
                all(body.read(first, first + length)).then((got) => [got, whole.slice(first, first + length + 1)]),
              );
            }
          };
          let at = 0;
          for (const [turn, cut] of cuts.entries()) {
            join(turn);
            await source.give(Uint8Array.from(whole.slice(at, at + cut)));
            at += cut;
          }
          await source.end();
          for (let turn = cuts.length; turn <= 8; turn++) join(turn);
          for (const [got, wanted] of await Promise.all(readers)) expect(got).toEqual(wanted);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('fewer or more bytes than announced are a broken body', async () => {
    for (const length of [4, 6]) {
      const { source, states, body } = grow(5);
      const reading = all(body.read());
      await source.give(new Uint8Array(length));
      await source.end();
      await expect(reading).rejects.toThrow();
      expect(states).toEqual(['broken']);
    }
  });

  test('kept, it is fetched ahead of its reader; not kept, no further than the window', async () => {
    for (const kept of [true, false]) {
      const { source, body } = grow(undefined, () => kept);
      const reader = body.read()[Symbol.asyncIterator]();
      const piece = new Uint8Array(windowBytesMax / 4);
      for (let i = 0; i < 10; i++) await source.give(piece);
      expect(source.asked).toBe(kept ? 11 : 4);
      if (kept) continue;
      for (let i = 0; i < 2; i++) await reader.next();
      await turns();
      expect(source.asked).toBe(5);
    }
  });

  test.each([
    [finishBytesMax - 1, false],
    [finishBytesMax, false],
    [finishBytesMax + 1, true],
  ])('left by its last reader with %i bytes to come, it is given up: %s', async (left, givenUp) => {
    const { source, body } = grow(left + 1);
    const reader = body.read()[Symbol.asyncIterator]();
    await source.give(new Uint8Array(1));
    await reader.return?.();
    expect(source.left).toBe(givenUp);
  });

  test('neither kept nor read, it is given up', async () => {
    const { source, states, body } = grow(undefined, () => false);
    const reader = body.read()[Symbol.asyncIterator]();
    await source.give(new Uint8Array(10));
    await reader.return?.();
    expect(source.left).toBe(true);
    expect(states).toEqual(['broken']);
  });
});

test('parts: bytes that are held are not replaced, and any covered range reads back', async () => {
  const part = fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 9 }));
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 8 }), async (parts) => {
      const body = new PartialBody(30, 29);
      for (const [first, length] of parts)
        body.add(
          first,
          Uint8Array.from({ length }, (_, i) => first + i),
        );
      for (const { first, last } of body.held) {
        expect(await all(body.read(first, last))).toEqual(
          Array.from({ length: last - first + 1 }, (_, i) => first + i),
        );
      }
      expect(body.bytes).toBe(body.held.reduce((sum, { first, last }) => sum + last - first + 1, 0));
    }),
  );
});

test('parts: a body is full with as many pieces as it may hold', () => {
  const body = new PartialBody(4 * partsMax, 4 * partsMax - 1);
  const fill = (pieces: number) => {
    for (let i = 0; i < pieces; i++) body.add(2 * i, new Uint8Array(1));
    return body.isFull;
  };
  expect([fill(partsMax - 1), fill(partsMax), fill(partsMax + 1)]).toEqual([false, true, true]);
});

describe('streams that are joined', () => {
  test('come one after the other', async () => {
    const pieces = [[1, 2], [], [3]].map((bytes) => [Uint8Array.from(bytes)]);
    expect(
      await all(new JoinedBody(pieces.map((each) => ReadableStream.from(each) as AsyncIterable<Uint8Array>))),
    ).toEqual([1, 2, 3]);
  });

  test('are all left by who leaves, reached or not', async () => {
    const sources = [new Source(), new Source()];
    await new JoinedBody(sources).return();
    expect(sources.map(({ left }) => left)).toEqual([true, true]);
  });
});

describe('a body that is there at once', () => {
  const filled = (declared: number | undefined, bytes: Uint8Array) => {
    const settled: string[] = [];
    const options = { declared, isFilled: true, keep: () => true, onSettled: (state: string) => settled.push(state) };
    const body = new GrowingBody(new ResidentBody(bytes), options);
    body.fill(bytes);
    return { body, settled };
  };

  test('is complete before anybody reads it, and is not copied', () => {
    const bytes = new Uint8Array(100).fill(7);
    const { body, settled } = filled(100, bytes);
    expect(settled).toEqual(['complete']);
    expect((body.read() as ResidentBody).bytes).toBe(bytes);
  });

  test.each([99, 101])('is broken when %i bytes were announced and 100 came', (declared) => {
    expect(filled(declared, new Uint8Array(100)).settled).toEqual(['broken']);
  });

  test('pieces that lie side by side in memory are one, others are copied', async () => {
    const memory = Uint8Array.from({ length: 90 }, (_, i) => i);
    const sideBySide = [memory.subarray(0, 40), memory.subarray(40, 90)];
    for (const [pieces, shared] of [
      [sideBySide, true],
      [sideBySide.map((piece) => piece.slice()), false],
    ] as const) {
      const settled = Promise.withResolvers<void>();
      const source = (async function* () {
        yield* pieces;
      })();
      const body = new GrowingBody(source, { declared: 90, keep: () => true, onSettled: () => settled.resolve() });
      await settled.promise;
      const whole = (body.read() as ResidentBody).bytes;
      expect(whole).toEqual(memory);
      expect(whole.buffer === memory.buffer).toBe(shared);
    }
  });
});
