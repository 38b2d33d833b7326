import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GroupBitmap } from './bitmap.ts';
import { hex, refusal } from './testing/inputs.ts';

test('begins with everything missing and ends complete', () => {
  const bitmap = new GroupBitmap(10);
  expect([bitmap.missingCount, bitmap.complete, [...bitmap.missingRanges()]]).toEqual([
    10,
    false,
    [{ first: 0, last: 9 }],
  ]);
  expect(bitmap.add(3)).toBe(true);
  expect(bitmap.add(3)).toBe(false);
  expect(bitmap.has(3)).toBe(true);
  expect([...bitmap.missingRanges()]).toEqual([
    { first: 0, last: 2 },
    { first: 4, last: 9 },
  ]);
  for (let index = 0; index < 10; index++) bitmap.add(index);
  expect([bitmap.missingCount, bitmap.complete, [...bitmap.missingRanges()]]).toEqual([0, true, []]);
});

test('on the wire group g is bit g mod 8 of byte g / 8', () => {
  const bitmap = new GroupBitmap(10);
  bitmap.add(0);
  bitmap.add(9);
  expect(hex(bitmap.toBytes())).toBe('0102');
});

test('the wire form carries every bitmap', () => {
  const groups = fc
    .integer({ min: 1, max: 70 })
    .chain((count) => fc.tuple(fc.constant(count), fc.uniqueArray(fc.nat(count - 1))));
  fc.assert(
    fc.property(groups, ([count, present]) => {
      const bitmap = new GroupBitmap(count);
      for (const index of present) bitmap.add(index);
      const read = GroupBitmap.fromBytes(count, bitmap.toBytes());
      expect(read.toBytes()).toEqual(bitmap.toBytes());
      expect(read.missingCount).toBe(count - present.length);
      const missing = [...read.missingRanges()].flatMap(({ first, last }) =>
        Array.from({ length: last - first + 1 }, (_, at) => first + at),
      );
      expect(missing).toEqual(Array.from({ length: count }, (_, at) => at).filter((at) => !present.includes(at)));
    }),
  );
});

test('refuses what no upload can mean', () => {
  for (const count of [0, -1, 0.5]) expect(refusal(() => new GroupBitmap(count)).name).toBe('RangeError');
  for (const index of [-1, 10, 0.5]) expect(refusal(() => new GroupBitmap(10).add(index)).name).toBe('RangeError');
  expect(() => GroupBitmap.fromBytes(10, Uint8Array.of(0))).toThrow('the bitmap has 2 bytes');
  expect(() => GroupBitmap.fromBytes(10, Uint8Array.of(0, 4))).toThrow('past the last group');
  expect(GroupBitmap.fromBytes(8, Uint8Array.of(255)).complete).toBe(true);
});
