import { expect, it } from 'vitest';
import { PiecePool, pieceBytes } from '../piece-pool.ts';
import { content } from './testing/engine-harness.ts';
import { WriteBehind } from './write-behind.ts';

/** A file whose operations end when the test says so. */
function bed(syncEveryBytes = Number.POSITIVE_INFINITY) {
  const file = Buffer.alloc(8 * pieceBytes);
  const waiting: { readonly kind: 'write' | 'sync'; end(error?: Error): void }[] = [];
  const seen: number[] = [];
  let held = false;
  const operation = (kind: 'write' | 'sync', effect: () => void) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = (error?: Error) => {
      waiting.splice(waiting.indexOf(entry), 1);
      if (error !== undefined) return reject(error);
      effect();
      resolve();
    };
    const entry = { kind, end };
    waiting.push(entry);
    if (!held) end();
    return promise;
  };
  const behind = new WriteBehind(
    {
      write: (bytes, at) => operation('write', () => void file.set(bytes, at)),
      sync: () => operation('sync', () => undefined),
      seen: (_bytes, at) => void seen.push(at),
    },
    new PiecePool(4),
    syncEveryBytes,
  );
  const hold = () => {
    held = true;
  };
  return { behind, file, waiting, seen, hold, kinds: () => waiting.map(({ kind }) => kind) };
}

const bytes = content(5 * pieceBytes);

it('writes what it was given, wherever the bytes lie and however they come', async () => {
  const { behind, file, seen } = bed();
  const wanted = Buffer.alloc(file.byteLength);
  for (const [at, length] of [
    [0, 700_000],
    [700_000, 3],
    [2_000_000, 600_000],
    [1_000_000, 1],
    [1_000_001, 800_000],
    [5, 10],
  ] as const) {
    await behind.write(at, bytes.subarray(at, at + length));
    wanted.set(bytes.subarray(at, at + length), at);
  }
  await behind.flush();
  expect(file.equals(wanted)).toBe(true);
  expect(behind.pending.start).toBe(behind.pending.end);
  expect(seen[0]).toBe(0);
});

it('shows the bytes to the hasher while the system still writes them', async () => {
  const { behind, hold, kinds, seen } = bed();
  hold();
  await behind.write(0, bytes.subarray(0, pieceBytes + 1));
  expect(kinds()).toEqual(['write']);
  expect(seen).toEqual([0]);
  expect(behind.pending).toEqual({ start: 0, end: pieceBytes + 1 });
});

it('syncs beside the writes, one sync at a time, and waits for none of them', async () => {
  const { behind, hold, kinds, waiting } = bed(pieceBytes);
  hold();
  await behind.write(0, bytes.subarray(0, pieceBytes + 1));
  for (let piece = 1; piece < 4; piece += 1) {
    expect(kinds().sort()).toEqual(['sync', 'write']);
    waiting.find(({ kind }) => kind === 'write')!.end();
    await behind.write(piece * pieceBytes + 1, bytes.subarray(piece * pieceBytes + 1, (piece + 1) * pieceBytes + 1));
  }
  expect(kinds().sort()).toEqual(['sync', 'write']);
});

it.each(['write', 'sync'] as const)(
  'a failed %s in the background is told by every later call until it is dropped',
  async (kind) => {
    const { behind, hold, waiting } = bed(pieceBytes);
    hold();
    await behind.write(0, bytes.subarray(0, pieceBytes + 1));
    const failed = waiting.find((each) => each.kind === kind)!;
    for (const each of [...waiting]) each.end(each === failed ? new Error('EIO') : undefined);
    // Nothing is written behind the hole.
    await new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
    await expect(behind.write(pieceBytes + 1, bytes.subarray(0, 9))).rejects.toThrow('EIO');
    await expect(behind.flush()).rejects.toThrow('EIO');
    await expect(behind.settle()).rejects.toThrow('EIO');
    expect(behind.unwritten.byteLength).toBe(0);
    await behind.drop();
    await behind.flush();
  },
);
