import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash, hashTree } from './hasher.ts';
import { createSliceVerifier, type SliceVerifierOptions, verifySlice } from './slice-verifier.ts';
import { flipped, hex, pattern, pieces, refusal, sliceOf } from './testing/inputs.ts';
import { joined, modelSlice } from './testing/spec-model.ts';

const size = 13 * 1024 + 5;
const bytes = pattern(size);
const { root, outboard } = hashTree(bytes, 0);

/** Pushes piece by piece; whatever came out before a refusal is kept. */
function run(options: Omit<SliceVerifierOptions, 'root'>, input: readonly Uint8Array[]) {
  const verifier = createSliceVerifier({ root, groupLog: 0, ...options });
  const content: Uint8Array[] = [];
  const error = refusal(() => {
    for (const piece of input) content.push(...verifier.push(piece));
    verifier.finish();
  });
  return { verifier, content: hex(joined(content)), error, refused: error.name !== 'nothing was thrown' };
}

const ranges = fc.record({ start: fc.nat(size + 2000), length: fc.nat(size + 2000) });
const cuts = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 });

describe('createSliceVerifier', () => {
  test('gives back any range, however the slice is split', async () => {
    await fc.assert(
      fc.asyncProperty(ranges, cuts, async ({ start, length }, sizes) => {
        const slice = await sliceOf({ bytes, outboard, start, length, groupLog: 0 });
        const { verifier, content, refused } = run({ start, length }, pieces(slice, sizes));
        expect(refused).toBe(false);
        expect(content).toBe(hex(bytes.subarray(start, start + length)));
        expect([verifier.done, verifier.size]).toEqual([true, size]);
        expect(verifier.sizeProven).toBe(start + Math.max(1, length) > 13 * 1024);
      }),
    );
  });

  test('at 64 KiB groups and at every group size up to there', async () => {
    for (const groupLog of [1, 4, 6]) {
      const large = pattern(5 * 1024 * 2 ** groupLog + 321);
      const tree = hashTree(large, groupLog);
      const slice = await sliceOf({ bytes: large, outboard: tree.outboard, start: 70_000, length: 99_999, groupLog });
      const verifier = createSliceVerifier({ root: tree.root, start: 70_000, length: 99_999, groupLog });
      const content = pieces(slice, [40_000]).flatMap((piece) => verifier.push(piece));
      verifier.finish();
      expect(hex(joined(content))).toBe(hex(large.subarray(70_000, 169_999)));
    }
  });

  test('refuses every flipped bit past the header before it hands out the group', () => {
    fc.assert(
      fc.property(ranges, cuts, fc.nat(), ({ start, length }, sizes, seed) => {
        const slice = modelSlice(bytes, start, length, 0);
        const bit = 64 + (seed % ((slice.length - 8) * 8));
        const { content, refused, error } = run({ start, length }, pieces(flipped(slice, bit), sizes));
        expect(refused).toBe(true);
        expect(['parent', 'group']).toContain(error.reason);
        const truth = hex(bytes.subarray(start, start + length));
        expect(truth.startsWith(content)).toBe(true);
        expect(content.length === 0 || content.length < truth.length).toBe(true);
      }),
    );
  });

  test('a flipped header never yields a wrong byte, and is refused wherever the size is provable', () => {
    fc.assert(
      fc.property(ranges, fc.nat(63), ({ start, length }, bit) => {
        const lying = flipped(modelSlice(bytes, start, length, 0), bit);
        const { verifier, content, refused } = run({ start, length }, [lying]);
        expect(hex(bytes.subarray(start, start + length)).startsWith(content)).toBe(true);
        expect(verifier.sizeProven).toBe(false);
        if (start + Math.max(1, length) > 13 * 1024) expect(refused).toBe(true);
        expect(run({ start, length, size }, [lying]).error.reason).toMatch(/^(size|malformed)$/);
      }),
    );
    const wholeSize = flipped(modelSlice(bytes, 0, size, 0), 0);
    expect(run({}, [wholeSize]).refused).toBe(true);
  });

  test('accepts the same length from a trusted place', () => {
    const { verifier, refused } = run({ length: 5, size }, [modelSlice(bytes, 0, 5, 0)]);
    expect([refused, verifier.sizeProven]).toEqual([false, true]);
  });

  test('refuses every short read and every trailing byte', () => {
    const slice = modelSlice(bytes, 2000, 3000, 0);
    for (let length = 0; length < slice.length; length += 37) {
      const { error, verifier } = run({ start: 2000, length: 3000 }, [slice.subarray(0, length)]);
      expect(error.reason, `${length} bytes`).toBe('truncated');
      expect(verifier.done).toBe(false);
    }
    for (const extra of [[Uint8Array.from([...slice, 0])], [slice, Uint8Array.of(0)]]) {
      expect(run({ start: 2000, length: 3000 }, extra).error.reason).toBe('trailing');
    }
    expect(run({ start: 2000, length: 3000 }, [slice, new Uint8Array(0)]).refused).toBe(false);
  });

  test('rejects a lying server within the group that is wrong, and stays rejected', () => {
    const slice = modelSlice(bytes, 0, size, 0);
    const inGroup3 = slice.length - (size - 3 * 1024) - 7 * 64;
    const lying = flipped(slice, inGroup3 * 8);
    const verifier = createSliceVerifier({ root, groupLog: 0 });
    let seen = 0;
    let failedAt = 0;
    const error = refusal(() => {
      for (const piece of pieces(lying, [1])) {
        failedAt++;
        for (const content of verifier.push(piece)) seen += content.length;
      }
    });
    expect(error).toEqual({ name: 'VerificationError', reason: 'group', groupIndex: 3 });
    expect(seen).toBe(3 * 1024);
    expect(failedAt - inGroup3).toBeLessThanOrEqual(1024);
    expect(refusal(() => verifier.push(new Uint8Array(1)))).toEqual(error);
    expect(refusal(() => verifier.finish())).toEqual(error);
    expect([verifier.done, verifier.sizeProven]).toEqual([false, false]);
  });

  test('tells where a slice broke off', () => {
    const slice = modelSlice(bytes, 0, size, 0);
    expect(run({}, [slice.subarray(0, slice.length - 5)]).error).toEqual({
      name: 'VerificationError',
      reason: 'truncated',
      groupIndex: 13,
    });
    expect(run({}, []).error).toEqual({ name: 'VerificationError', reason: 'truncated' });
  });

  test('does not depend on the pushed array after the call', () => {
    const slice = modelSlice(bytes, 0, size, 0);
    const verifier = createSliceVerifier({ root, groupLog: 0 });
    const buffer = new Uint8Array(100);
    const content: Uint8Array[] = [];
    for (const piece of pieces(slice, [100])) {
      buffer.set(piece);
      for (const part of verifier.push(buffer.subarray(0, piece.length))) content.push(part.slice());
      buffer.fill(0xee);
    }
    verifier.finish();
    expect(hex(joined(content))).toBe(hex(bytes));
  });

  test.each([0, 1, 1024, 65_536])('checks an object of one group, of %i bytes, against the root itself', (length) => {
    const only = pattern(length);
    const slice = modelSlice(only, 0, length, 6);
    const verifier = createSliceVerifier({ root: hash(only) });
    expect(hex(joined(verifier.push(slice)))).toBe(hex(only));
    verifier.finish();
    expect([verifier.size, verifier.sizeProven]).toEqual([length, true]);
    const other = createSliceVerifier({ root: hash(pattern(length + 1)) });
    expect(refusal(() => other.push(slice)).reason).toBe('group');
  });

  test('bears the largest length that a header can claim', () => {
    const header = Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0]);
    const verifier = createSliceVerifier({ root, start: 2 ** 53 - 1 });
    expect(verifier.push(header)).toEqual([]);
    expect(verifier.size).toBe(2 ** 53 - 1);
    expect(refusal(() => verifier.push(new Uint8Array(64))).reason).toBe('parent');
  });

  test.each([{ start: -1 }, { length: 0.5 }, { groupLog: 7 }, { size: -1 }, { root: new Uint8Array(31) }])(
    'refuses the argument %o',
    (wrong) => {
      expect(refusal(() => createSliceVerifier({ root, ...wrong })).name).toBe('RangeError');
    },
  );
});

describe('verifySlice', () => {
  async function collect(slice: Uint8Array): Promise<string> {
    async function* source() {
      yield* pieces(slice, [999]);
    }
    const content: Uint8Array[] = [];
    for await (const part of verifySlice(source(), { root, start: 10, length: 5000, groupLog: 0 })) content.push(part);
    return hex(joined(content));
  }

  test('turns a stream into verified content', async () => {
    expect(await collect(modelSlice(bytes, 10, 5000, 0))).toBe(hex(bytes.subarray(10, 5010)));
  });

  test('ends with the error of a slice that stops early', async () => {
    const short = modelSlice(bytes, 10, 5000, 0).subarray(0, -1);
    await expect(collect(short)).rejects.toMatchObject({ name: 'VerificationError', reason: 'truncated' });
  });
});
