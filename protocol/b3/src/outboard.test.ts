import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GroupBitmap } from './bitmap.ts';
import { hash, hashTree } from './hasher.ts';
import {
  addOutboardHeader,
  createOutboardVerifier,
  parseOutboard,
  stripOutboardHeader,
  verifyOutboard,
} from './outboard.ts';
import { flipped, hex, pattern, refusal } from './testing/inputs.ts';

const bytes = pattern(11 * 1024 + 7);
const { root, outboard } = hashTree(bytes, 0);
const groupOf = (index: number) => bytes.subarray(index * 1024, (index + 1) * 1024);
const verifier = (changes: Partial<Parameters<typeof createOutboardVerifier>[0]> = {}) =>
  createOutboardVerifier({ root, outboard, groupLog: 0, ...changes });

describe('the form of an outboard', () => {
  test('carries the size and the parents, as a view', () => {
    const parsed = parseOutboard(outboard, 0);
    expect(parsed.size).toBe(bytes.length);
    expect(parsed.parents.buffer).toBe(outboard.buffer);
    expect(parsed.parents).toHaveLength(11 * 64);
  });

  test('must fit its size to the byte', () => {
    const reason = (changed: Uint8Array) => refusal(() => parseOutboard(changed, 0)).reason;
    expect(reason(outboard.subarray(0, 7))).toBe('truncated');
    expect(reason(outboard.subarray(0, -1))).toBe('truncated');
    expect(reason(Uint8Array.from([...outboard, 0]))).toBe('trailing');
    expect(reason(new Uint8Array(8).fill(0xff))).toBe('malformed');
    expect(parseOutboard(new Uint8Array(8)).size).toBe(0);
  });

  test('converts to and from the form without a header', () => {
    const bare = stripOutboardHeader(outboard, 0);
    expect(hex(bare)).toBe(hex(outboard.subarray(8)));
    expect(hex(addOutboardHeader(bare, bytes.length, 0))).toBe(hex(outboard));
    bare[0]! ^= 1;
    expect(verifyOutboard({ root, outboard, groupLog: 0 }).size).toBe(bytes.length);
    expect(refusal(() => addOutboardHeader(bare, 1024, 0)).reason).toBe('trailing');
    expect(refusal(() => addOutboardHeader(bare, -1, 0)).name).toBe('RangeError');
    expect(hex(addOutboardHeader(new Uint8Array(0), 5))).toBe('0500000000000000');
  });
});

describe('createOutboardVerifier', () => {
  test('accepts every group in any order', () => {
    const order = fc.shuffledSubarray(
      Array.from({ length: 12 }, (_, index) => index),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(order, (indices) => {
        const fresh = verifier();
        for (const index of indices) fresh.verifyGroup(index, groupOf(index));
        expect(fresh.sizeProven).toBe(indices.includes(11));
      }),
    );
  });

  test('knows the shape of the object', () => {
    const fresh = verifier();
    expect([fresh.size, fresh.groupCount, fresh.groupLength(0), fresh.groupLength(11)]).toEqual([11_271, 12, 1024, 7]);
    expect(fresh.groupsFor(1023, 2)).toEqual({ first: 0, last: 1 });
    expect(fresh.groupsFor(10_000)).toEqual({ first: 9, last: 11 });
  });

  test('refuses any changed bit, of a group or of a parent on its way', () => {
    const bit = fc.record({ index: fc.nat(11), bit: fc.nat(7 * 8 - 1) });
    fc.assert(
      fc.property(bit, ({ index, bit: at }) => {
        const fresh = verifier();
        expect(refusal(() => fresh.verifyGroup(index, flipped(groupOf(index), at)))).toEqual({
          name: 'VerificationError',
          reason: 'group',
          groupIndex: index,
        });
        fresh.verifyGroup(index, groupOf(index));
      }),
    );
    for (let position = 0; position < 11; position++) {
      const lying = verifier({ outboard: flipped(outboard, (8 + position * 64 + 5) * 8) });
      expect(refusal(() => lying.verifyParents()).reason, `parent ${position}`).toBe('parent');
      const refused = Array.from({ length: 12 }, (_, index) => refusal(() => lying.verifyGroup(index, groupOf(index))));
      expect(refused.some(({ reason }) => reason === 'parent')).toBe(true);
    }
  });

  test('names the first group below a wrong parent', () => {
    // In pre-order over 12 groups the root is parent 0 and the right side, from group 8 on, begins at parent 8.
    const lying = verifier({ outboard: flipped(outboard, (8 + 8 * 64) * 8) });
    lying.verifyGroup(7, groupOf(7));
    expect(refusal(() => lying.verifyGroup(9, groupOf(9)))).toEqual({
      name: 'VerificationError',
      reason: 'parent',
      groupIndex: 8,
    });
  });

  test('checks a parent once', () => {
    const changing = outboard.slice();
    const fresh = verifier({ outboard: changing });
    fresh.verifyParents();
    // The left value of the first parent: were that parent hashed again, it would not match.
    changing[8]! ^= 1;
    fresh.verifyGroup(11, groupOf(11));
  });

  test('refuses a group of another length, and another place', () => {
    const fresh = verifier();
    const reason = (index: number, content: Uint8Array) => refusal(() => fresh.verifyGroup(index, content)).reason;
    expect(reason(11, groupOf(11).subarray(1))).toBe('truncated');
    expect(reason(11, groupOf(10))).toBe('trailing');
    expect(reason(3, groupOf(4))).toBe('group');
    expect(refusal(() => fresh.verifyGroup(12, groupOf(0))).name).toBe('RangeError');
    expect(fresh.sizeProven).toBe(false);
  });

  test('refuses another address and another size', () => {
    const other = verifier({ root: hash(pattern(5)) });
    expect(refusal(() => other.verifyGroup(0, groupOf(0)))).toEqual({
      name: 'VerificationError',
      reason: 'parent',
      groupIndex: 0,
    });
    expect(refusal(() => verifier({ size: bytes.length + 1 })).reason).toBe('size');
    expect(verifier({ size: bytes.length }).sizeProven).toBe(true);
    expect(refusal(() => verifier({ size: -1 })).name).toBe('RangeError');
    expect(refusal(() => verifier({ root: new Uint8Array(20) })).name).toBe('RangeError');
  });

  test.each([0, 1, 65_536])('checks the only group of %i bytes against the root itself', (size) => {
    const only = pattern(size);
    const tree = hashTree(only);
    expect(tree.outboard).toHaveLength(8);
    const fresh = createOutboardVerifier(tree);
    fresh.verifyGroup(0, only);
    expect(fresh.sizeProven).toBe(true);
    const wrong = createOutboardVerifier({ ...tree, root: hash(pattern(size + 1)) });
    expect(refusal(() => wrong.verifyGroup(0, only)).reason).toBe('group');
  });
});

describe('verifyOutboard', () => {
  test('checks parents, and content when it is given', () => {
    expect(verifyOutboard({ root, outboard, groupLog: 0, bytes }).size).toBe(bytes.length);
    const content = flipped(bytes, 9_000 * 8);
    expect(refusal(() => verifyOutboard({ root, outboard, groupLog: 0, bytes: content }))).toEqual({
      name: 'VerificationError',
      reason: 'group',
      groupIndex: 8,
    });
    const short = bytes.subarray(1);
    expect(refusal(() => verifyOutboard({ root, outboard, groupLog: 0, bytes: short })).reason).toBe('size');
  });
});

test('an upload verifies groups as they come and knows what is missing', () => {
  const fresh = verifier();
  const there = new GroupBitmap(fresh.groupCount);
  for (const index of [4, 0, 11, 5]) {
    fresh.verifyGroup(index, groupOf(index));
    there.add(index);
  }
  expect(refusal(() => fresh.verifyGroup(7, groupOf(6))).reason).toBe('group');
  const afterCrash = GroupBitmap.fromBytes(fresh.groupCount, there.toBytes());
  expect([...afterCrash.missingRanges()]).toEqual([
    { first: 1, last: 3 },
    { first: 6, last: 10 },
  ]);
});
