import { describe, expect, test } from 'vitest';
import { hashTree } from './hasher.ts';
import { encodeSlice, sliceSize } from './slice.ts';
import { hex, pattern, sliceOf } from './testing/inputs.ts';
import { modelSlice } from './testing/spec-model.ts';

const size = 9 * 1024 + 100;
const bytes = pattern(size);
const { outboard } = hashTree(bytes, 0);
const starts = [0, 1, 1023, 1024, 4096, 5000, 8191, 8192, size - 1, size, size + 5000];
const lengths = [0, 1, 1024, 1025, 4096, size, size * 2];

describe('encodeSlice', () => {
  test('writes what the specification describes, in the size announced', async () => {
    for (const start of starts) {
      for (const length of lengths) {
        const slice = await sliceOf({ bytes, outboard, start, length, groupLog: 0 });
        const what = `start ${start}, length ${length}`;
        expect(hex(slice), what).toBe(hex(modelSlice(bytes, start, length, 0)));
        expect(slice.length, what).toBe(sliceSize(size, start, length, 0));
      }
    }
  });

  test('runs to the end without a length, and takes only the header of the empty object', async () => {
    const whole = await sliceOf({ bytes, outboard, start: 4096, groupLog: 0 });
    expect(hex(whole)).toBe(hex(modelSlice(bytes, 4096, size, 0)));
    const nothing = new Uint8Array(0);
    const empty = await sliceOf({ bytes: nothing, outboard: hashTree(nothing).outboard, start: 0 });
    expect(hex(empty)).toBe('0000000000000000');
    expect(sliceSize(0, 0)).toBe(8);
    const slice = encodeSlice({ outboard: hashTree(nothing).outboard, size: 0, start: 0, readGroup: () => nothing });
    const pieces: number[] = [];
    for await (const piece of slice) pieces.push(piece.length);
    expect(pieces).toEqual([8]);
  });

  test('reads each group once, in order, only when it is asked for', async () => {
    const read: number[] = [];
    const readGroup = async (index: number) => {
      read.push(index);
      return bytes.subarray(index * 1024, (index + 1) * 1024);
    };
    const slice = encodeSlice({ outboard, size, start: 2000, length: 3000, groupLog: 0, readGroup });
    const first = await slice.next();
    expect(read).toEqual([]);
    expect((first.value as Uint8Array).length % 64).toBe(8);
    let pieces = 1;
    for await (const piece of slice) {
      pieces++;
      expect(piece.length).toBeLessThanOrEqual(1024);
    }
    expect(read).toEqual([1, 2, 3, 4]);
    expect(pieces).toBe(8 - 1);
  });

  test.each([1, 64, 1000, 2048, 1_000_000])('gathers the same bytes into pieces of %i', async (pieceBytes) => {
    for (const at of [0, 3000]) {
      // The memory of a group is used again for the next one, as the documentation allows.
      const memory = new Uint8Array(1024);
      const readGroup = async (index: number, length: number) => {
        memory.set(bytes.subarray(index * 1024, index * 1024 + length));
        return memory.subarray(0, length);
      };
      const gather = { pieceBytes, room: () => new Uint8Array(pieceBytes) };
      const pieces: Uint8Array[] = [];
      for await (const piece of encodeSlice({ outboard, size, start: at, groupLog: 0, readGroup, gather })) {
        pieces.push(piece);
      }
      expect(pieces.slice(0, -1).every(({ length }) => length === pieceBytes)).toBe(true);
      expect(hex(Uint8Array.from(pieces.flatMap((piece) => [...piece])))).toBe(hex(modelSlice(bytes, at, size, 0)));
    }
  });

  test('refuses an outboard of another object and groups of another length', async () => {
    const readGroup = () => bytes.subarray(0, 100);
    const attempt = async (options: Partial<Parameters<typeof encodeSlice>[0]>) => {
      for await (const piece of encodeSlice({ outboard, size, start: 0, groupLog: 0, readGroup, ...options })) {
        expect(piece.length).toBeGreaterThan(0);
      }
    };
    await expect(attempt({ size: size + 1 })).rejects.toThrow(RangeError);
    await expect(attempt({ outboard: outboard.subarray(1) })).rejects.toMatchObject({ name: 'VerificationError' });
    await expect(attempt({ start: -1 })).rejects.toThrow(RangeError);
    await expect(attempt({})).rejects.toThrow('group 0 has another length');
    const broken = () => Promise.reject(new Error('the disk failed'));
    await expect(attempt({ readGroup: broken })).rejects.toThrow('the disk failed');
  });
});

test('sliceSize counts without touching the tree, also for huge objects', () => {
  expect(sliceSize(65_536, 0)).toBe(8 + 65_536);
  expect(sliceSize(65_537, 0, 1)).toBe(8 + 64 + 65_536);
  expect(sliceSize(2 ** 40, 2 ** 39, 1)).toBe(8 + 24 * 64 + 65_536);
  expect(sliceSize(2 ** 40, 0)).toBe(8 + (2 ** 24 - 1) * 64 + 2 ** 40);
  expect(() => sliceSize(-1, 0)).toThrow(RangeError);
});
