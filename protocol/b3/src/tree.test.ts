import { describe, expect, test } from 'vitest';
import { hex, refusal } from './testing/inputs.ts';
import {
  decodeHeader,
  encodeHeader,
  equalBytes,
  groupBytes,
  groupCount,
  groupLength,
  groupsForRange,
  leftGroups,
  outboardSize,
  preorderIndex,
  requireRoot,
} from './tree.ts';

test('the default group is 64 KiB', () => {
  expect(groupBytes()).toBe(65_536);
  expect([0, 4, 6].map((groupLog) => groupBytes(groupLog))).toEqual([1024, 16_384, 65_536]);
});

test('counts groups and the bytes of each', () => {
  expect([0, 1, 65_536, 65_537, 131_073].map((size) => groupCount(size))).toEqual([1, 1, 1, 2, 3]);
  expect([0, 1, 2].map((index) => groupLength(131_073, index))).toEqual([65_536, 65_536, 1]);
  expect(groupLength(0, 0)).toBe(0);
  for (const index of [-1, 3, 0.5]) expect(refusal(() => groupLength(131_073, index)).name).toBe('RangeError');
  for (const size of [-1, 0.5, 2 ** 53]) expect(refusal(() => groupCount(size)).name).toBe('RangeError');
});

test('an outboard is 8 bytes and 64 for each group but one', () => {
  expect([0, 65_536, 65_537, 10 * 65_536].map((size) => outboardSize(size))).toEqual([8, 8, 72, 584]);
  expect(outboardSize(2 ** 40) / 2 ** 40).toBeLessThan(0.001);
});

describe('groupsForRange', () => {
  const size = 3 * 65_536 + 5;

  test.each([
    ['one byte', 0, 1, 0, 0],
    ['no byte counts as one', 65_535, 0, 0, 0],
    ['up to a boundary', 0, 65_536, 0, 0],
    ['over a boundary', 65_535, 2, 0, 1],
    ['the tail', size - 1, 1, 3, 3],
    ['past the end by length', 65_536, 2 ** 53 - 1, 1, 3],
    ['starting at the end', size, 0, 3, 3],
    ['starting past the end', 2 ** 53 - 1, 1, 3, 3],
  ])('%s', (_name, start, length, first, last) => {
    expect(groupsForRange(size, start, length)).toEqual({ first, last });
  });

  test('runs to the end without a length, and takes the one group of the empty object', () => {
    expect(groupsForRange(size, 65_536)).toEqual({ first: 1, last: 3 });
    expect(groupsForRange(0, 0)).toEqual({ first: 0, last: 0 });
  });

  test.each([
    [-1, 1],
    [0.5, 1],
    [0, -1],
    [0, Number.NaN],
  ])('refuses start %s, length %s', (start, length) => {
    expect(refusal(() => groupsForRange(size, start, length)).name).toBe('RangeError');
  });
});

test('the left side is the largest power of two strictly below', () => {
  expect([2, 3, 4, 5, 8, 9, 2 ** 40, 2 ** 40 + 1].map(leftGroups)).toEqual([1, 2, 2, 4, 4, 8, 2 ** 39, 2 ** 40]);
});

test('positions in pre-order follow from the place alone', () => {
  for (let groups = 2; groups <= 70; groups++) {
    let next = 0;
    const walk = (first: number, count: number) => {
      if (count === 1) return;
      const left = leftGroups(count);
      expect(preorderIndex(groups, first, left * 2), `${count} of ${groups} groups from ${first}`).toBe(next++);
      walk(first, left);
      walk(first + left, count - left);
    };
    walk(0, groups);
    expect(next).toBe(groups - 1);
  }
});

test('the header is a little-endian length below 2^53', () => {
  expect(hex(encodeHeader(0x0102_0304_0506))).toBe('0605040302010000');
  expect(decodeHeader(encodeHeader(2 ** 53 - 1))).toBe(2 ** 53 - 1);
  expect(decodeHeader(Uint8Array.from([9, 7, 0, 0, 0, 0, 0, 0, 0]).subarray(1))).toBe(7);
  const tooLong = Uint8Array.from([0, 0, 0, 0, 0, 0, 0x20, 0]);
  expect(refusal(() => decodeHeader(tooLong))).toEqual({ name: 'VerificationError', reason: 'malformed' });
  expect(refusal(() => encodeHeader(-1)).name).toBe('RangeError');
});

test('a root has 32 bytes and is copied', () => {
  const given = new Uint8Array(32);
  const kept = requireRoot(given);
  given[0] = 1;
  expect(kept[0]).toBe(0);
  expect(refusal(() => requireRoot(new Uint8Array(31))).name).toBe('RangeError');
});

test('bytes are equal only as a whole', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false);
});
