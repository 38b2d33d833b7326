import { Blake3Hasher } from '@napi-rs/blake-hash';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTreeHasher, groupCv, hash, hashTree, treeFromGroupCvs } from './hasher.ts';
import { hex, officialLengths, pattern, pieces, refusal } from './testing/inputs.ts';
import { joined, modelNode, modelOutboard } from './testing/spec-model.ts';

const group = 65_536;
const multiGroup = [1, 2, 3, 4, 5, 7, 8, 9, 17].flatMap((count) => [
  count * group - 1,
  count * group,
  count * group + 1,
]);

function nativeRoot(bytes: Uint8Array): string {
  return new Blake3Hasher().update(Buffer.from(bytes)).digest('hex');
}

describe('roots', () => {
  test('of the 35 official lengths equal two other implementations, at any group size', () => {
    expect(officialLengths).toHaveLength(35);
    for (const length of officialLengths) {
      const bytes = pattern(length);
      const expected = hex(noble(bytes));
      expect(nativeRoot(bytes)).toBe(expected);
      expect(hex(hash(bytes)), `hash of ${length} bytes`).toBe(expected);
      for (const groupLog of [0, 1, 3, 4, 6]) {
        expect(hex(hashTree(bytes, groupLog).root), `${length} bytes, group log ${groupLog}`).toBe(expected);
      }
    }
  });

  test('around group boundaries equal the native package', () => {
    for (const length of multiGroup) {
      const bytes = pattern(length);
      const expected = nativeRoot(bytes);
      expect(hex(hash(bytes)), `hash of ${length} bytes`).toBe(expected);
      expect(hex(hashTree(bytes).root), `tree of ${length} bytes`).toBe(expected);
    }
  });

  test('of an object with more groups than one batch of parents', () => {
    const bytes = pattern(2_200 * 1024 + 5);
    expect(hex(hashTree(bytes, 0).root)).toBe(nativeRoot(bytes));
  });

  test('do not share memory between calls', () => {
    const first = hash(pattern(1));
    const kept = hex(first);
    hash(pattern(2));
    expect(hex(first)).toBe(kept);
  });
});

describe('createTreeHasher', () => {
  test('gives the same tree however the bytes are split', () => {
    const split = fc.record({
      size: fc.integer({ min: 0, max: 40_000 }),
      groupLog: fc.integer({ min: 0, max: 6 }),
      sizes: fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 12 }),
    });
    fc.assert(
      fc.property(split, ({ size, groupLog, sizes }) => {
        const bytes = pattern(size);
        const hasher = createTreeHasher({ groupLog });
        for (const piece of pieces(bytes, sizes)) hasher.update(piece);
        expect(hasher.size).toBe(size);
        const tree = hasher.finish();
        expect(tree).toEqual(hashTree(bytes, groupLog));
        expect(hex(tree.root)).toBe(nativeRoot(bytes));
      }),
      { numRuns: 100 },
    );
  });

  test('writes the outboard that the specification describes', () => {
    for (const groupLog of [0, 1, 4]) {
      const full = 1024 * 2 ** groupLog;
      for (const groups of [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]) {
        for (const size of [groups * full - 1, groups * full]) {
          const bytes = pattern(size);
          const expected = hex(modelOutboard(bytes, groupLog));
          expect(hex(hashTree(bytes, groupLog).outboard), `${size} bytes, group log ${groupLog}`).toBe(expected);
        }
      }
    }
  });

  test('hands out every group once, in order, with the value that its place demands', () => {
    for (const size of [0, 1, 1024, 1025, 2048, 5000]) {
      const bytes = pattern(size);
      const seen: Uint8Array[] = [];
      const hasher = createTreeHasher({
        groupLog: 0,
        onGroup: (index, cv, content) => {
          expect(index).toBe(seen.length);
          expect(hex(cv)).toBe(hex(modelNode(content, BigInt(index))));
          expect(hex(cv)).toBe(hex(groupCv(index, content, 0)));
          seen.push(content.slice());
        },
      });
      for (const piece of pieces(bytes, [700, 1, 3000])) hasher.update(piece);
      const { root } = hasher.finish();
      expect(hex(joined(seen))).toBe(hex(bytes));
      expect(hex(root)).toBe(nativeRoot(bytes));
    }
  });

  test('gives the hook values of its own', () => {
    const hasher = createTreeHasher({ groupLog: 0, onGroup: (_index, cv) => cv.fill(0) });
    hasher.update(pattern(5_000));
    expect(hex(hasher.finish().root)).toBe(nativeRoot(pattern(5_000)));
  });

  test('lets the hook hash on its own', () => {
    const hasher = createTreeHasher({ groupLog: 0, onGroup: (_index, _cv, content) => void hash(content) });
    hasher.update(pattern(9_999));
    expect(hex(hasher.finish().root)).toBe(nativeRoot(pattern(9_999)));
  });

  test('ends with finish, and with an error of the hook', () => {
    const ended = createTreeHasher();
    ended.finish();
    expect(() => ended.update(pattern(1))).toThrow('this hasher has ended');
    expect(() => ended.finish()).toThrow('this hasher has ended');
    const failing = createTreeHasher({
      groupLog: 0,
      onGroup: () => {
        throw new Error('disk full');
      },
    });
    expect(() => failing.update(pattern(3000))).toThrow('disk full');
    expect(() => failing.update(pattern(1))).toThrow('this hasher has ended');
  });

  test.each([-1, 7, 0.5, Number.NaN])('refuses a group log of %s', (groupLog) => {
    expect(refusal(() => createTreeHasher({ groupLog })).name).toBe('RangeError');
  });
});

describe('treeFromGroupCvs', () => {
  test('needs no bytes: an upload resumes from the values of its groups', () => {
    const bytes = pattern(5 * group + 77);
    const cvs = Array.from({ length: 6 }, (_, index) =>
      groupCv(index, bytes.subarray(index * group, (index + 1) * group)),
    );
    expect(treeFromGroupCvs(joined(cvs), bytes.length)).toEqual(hashTree(bytes));
  });

  test('refuses what cannot be a tree', () => {
    expect(() => treeFromGroupCvs(new Uint8Array(32), 10)).toThrow('an object of one group');
    expect(() => treeFromGroupCvs(new Uint8Array(64), 3 * group)).toThrow('3 chaining values are needed');
    expect(refusal(() => groupCv(0, new Uint8Array(1025), 0)).name).toBe('RangeError');
  });
});
