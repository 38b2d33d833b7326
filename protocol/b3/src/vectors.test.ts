import { readFileSync } from 'node:fs';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import { describe, expect, test } from 'vitest';
import { createSliceVerifier, hash, hashTree, sliceSize, verifyOutboard } from './index.ts';
import { flipped, hex, pattern, refusal, sliceOf } from './testing/inputs.ts';

interface SliceVector {
  readonly start: number;
  readonly length: number;
  readonly slice_bytes: number;
  readonly slice_b3: string;
  readonly corruptions: readonly number[];
}

interface ObjectVector {
  readonly size: number;
  readonly root: string;
  readonly outboard_bytes: number;
  readonly outboard_b3: string;
  readonly slices: readonly SliceVector[];
}

const folder = new URL('../../../docs/specs/vectors/', import.meta.url);

function load(name: string): { group_log: number; cases: readonly ObjectVector[] } {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
}

describe.each(['b3-group0.json', 'b3-group6.json'])('the frozen vectors %s', (name) => {
  const { group_log: groupLog, cases } = load(name);

  test.each(cases)('$size bytes', async ({ size, slices, ...expected }) => {
    const bytes = pattern(size);
    const tree = hashTree(bytes, groupLog);
    expect({
      root: hex(tree.root),
      outboard_bytes: tree.outboard.length,
      outboard_b3: hex(noble(tree.outboard)),
    }).toEqual(expected);
    expect(hex(hash(bytes))).toBe(expected.root);
    verifyOutboard({ root: tree.root, outboard: tree.outboard, groupLog, bytes });

    for (const { start, length, corruptions, ...digest } of slices) {
      const slice = await sliceOf({ bytes, outboard: tree.outboard, start, length, groupLog });
      expect({ slice_bytes: slice.length, slice_b3: hex(noble(slice)) }).toEqual(digest);
      expect(sliceSize(size, start, length, groupLog)).toBe(digest.slice_bytes);
      const decode = (input: Uint8Array) => {
        const verifier = createSliceVerifier({ root: tree.root, start, length, groupLog });
        const content = verifier.push(input);
        verifier.finish();
        return content.reduce((sum, part) => sum + part.length, 0);
      };
      expect(decode(slice)).toBe(Math.max(0, Math.min(length, size - start)));
      for (const at of corruptions) {
        expect(refusal(() => decode(flipped(slice, at * 8))).name, `byte ${at}`).toBe('VerificationError');
      }
    }
  });
});
