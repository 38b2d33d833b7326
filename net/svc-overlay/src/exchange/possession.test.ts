import { encodeSlice, groupBytes, groupCount, groupLength } from '@ron/b3';
import { createSimRandom } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Challenge, checkPossession, provePossession, randomChallenge } from './possession.ts';
import { type TestObject, testObject } from './testing/fake-peers.ts';

const node = 'a'.repeat(64);

function contentOf({ bytes }: TestObject, group: number): Uint8Array {
  return bytes.subarray(group * groupBytes(), group * groupBytes() + groupLength(bytes.length, group));
}

function answer(object: TestObject, challenge: Challenge, by = node) {
  const { bytes, tree } = object;
  const slice = encodeSlice({
    outboard: tree.outboard,
    size: bytes.length,
    start: challenge.group * groupBytes(),
    length: 1,
    readGroup: (group) => contentOf(object, group).slice(),
  });
  return provePossession(slice, bytes.length, challenge, by);
}

const sizes = fc.oneof(
  fc.constantFrom(0, 1, 1_024, 1_025, 65_536, 65_537, 131_072),
  fc.integer({ min: 0, max: 400_000 }),
);

describe('possession', () => {
  test('whoever has the group can answer, and whoever has address and size can check', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (size, seed) => {
        const object = testObject(size, seed);
        const challenge = randomChallenge(size, createSimRandom(seed));
        expect(challenge.group).toBeLessThan(groupCount(size));
        const given = await answer(object, challenge);
        expect(Buffer.from(given.proof, 'base64url').length).toBeLessThanOrEqual(8 + 43 * 64 + 1_024);
        const question = { address: object.address, size, node, ...challenge };
        expect(checkPossession(question, given)).toBe(true);
        expect(checkPossession(question, given, contentOf(object, challenge.group))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('an answer is for its nonce, its group, its node and its object', async () => {
    const object = testObject(3 * 65_536);
    const challenge = { group: 1, nonce: '01'.repeat(32) };
    const question = { address: object.address, size: object.bytes.length, node, ...challenge };
    const given = await answer(object, challenge);
    const content = contentOf(object, 1);
    expect(checkPossession(question, given, content)).toBe(true);
    expect(checkPossession({ ...question, group: 2 }, given)).toBe(false);
    expect(checkPossession({ ...question, address: testObject(9).address }, given)).toBe(false);
    expect(checkPossession({ ...question, size: object.bytes.length + 1 }, given)).toBe(false);
    // Sixty-four chunks: of the next nonces, most choose another one, and the tag is always another.
    const others = Array.from({ length: 16 }, (_, index) => ({ ...question, nonce: String(index).padStart(64, '0') }));
    expect(others.filter((other) => checkPossession(other, given)).length).toBeLessThan(4);
    for (const other of others) expect(checkPossession(other, given, content)).toBe(false);
    expect(checkPossession({ ...question, node: 'b'.repeat(64) }, given, content)).toBe(false);
  });

  test('any changed, shortened or lengthened proof is refused', async () => {
    const object = testObject(200_000);
    const challenge = { group: 2, nonce: 'f0'.repeat(32) };
    const question = { address: object.address, size: object.bytes.length, node, ...challenge };
    const { proof, tag } = await answer(object, challenge);
    const bytes = Buffer.from(proof, 'base64url');
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= change;
        const forged = [changed, bytes.subarray(0, at), Buffer.concat([bytes, changed.subarray(0, 1)])];
        for (const one of forged) {
          expect(checkPossession(question, { proof: one.toString('base64url'), tag })).toBe(false);
        }
      }),
    );
  });
});
