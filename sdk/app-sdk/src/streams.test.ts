import { expect, test } from 'vitest';
import { Slots } from './slots.ts';
import { collect, discard, fromReadable, once, rereadable, toReadable, unbroken } from './streams.ts';

const text = new TextEncoder().encode('some bytes');

async function* pieces() {
  yield text.subarray(0, 4);
  yield text.subarray(4);
}

test('every kind of source gives the same bytes', async () => {
  const again = { sizeBytes: text.byteLength, read: (start: number, end: number) => once(text.subarray(start, end)) };
  const stream = new Blob([text]).stream();
  for (const source of [text, 'some bytes', new Blob([text]), stream, pieces(), again]) {
    expect(Buffer.from(await collect(once(source))).toString()).toBe('some bytes');
  }
});

test('what can be read again, can be read in part', async () => {
  for (const source of [text, 'some bytes', new Blob([text])]) {
    const again = rereadable(source)!;
    expect(again.sizeBytes).toBe(10);
    for (let round = 0; round < 2; round += 1) {
      expect(Buffer.from(await collect(again.read(5, 8))).toString()).toBe('byt');
    }
    expect((await collect(again.read(10, 10))).byteLength).toBe(0);
  }
  expect(rereadable(pieces())).toBeUndefined();
  expect(rereadable(new Blob([text]).stream())).toBeUndefined();
});

test('leaving a web stream early cancels its source, in both directions', async () => {
  let cancelled: unknown;
  const readable = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(text),
    cancel: (reason) => {
      cancelled = reason ?? 'left';
    },
  });
  for await (const _piece of fromReadable(readable)) break;
  expect(cancelled).toBe('left');
  let returned = false;
  async function* endless() {
    try {
      for (;;) yield text;
    } finally {
      returned = true;
    }
  }
  const reader = toReadable(endless()).getReader();
  await reader.read();
  await reader.cancel();
  expect(returned).toBe(true);
});

test('a body that breaks is a node that does not answer', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield text;
    throw new TypeError('terminated');
  }
  await expect(discard(unbroken(broken()))).rejects.toMatchObject({ code: 'unavailable' });
  await expect(discard(undefined)).resolves.toBeUndefined();
});

test('slots: so many at once, and an abort leaves the line', async () => {
  const slots = new Slots(2);
  let running = 0;
  let most = 0;
  const task = async () => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
  };
  await Promise.all(Array.from({ length: 20 }, () => slots.run(task)));
  expect(most).toBe(2);
  let release: () => void = () => undefined;
  const held = [1, 2].map(() => slots.run(() => new Promise<void>((resolve) => (release = joined(release, resolve)))));
  const controller = new AbortController();
  const waiting = slots.run(task, controller.signal);
  controller.abort(new Error('left'));
  await expect(waiting).rejects.toThrow('left');
  release();
  await Promise.all(held);
  await slots.run(task);
});

function joined(...tasks: readonly (() => void)[]): () => void {
  return () => {
    for (const task of tasks) task();
  };
}
