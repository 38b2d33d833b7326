import { createSimRandom } from '@ron/kernel/sim';
import { toHex } from '@ron/transport';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareDistance, distanceShare, randomWithin, sharedBits, withFlippedBit } from './distance.ts';

const point = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
const number = (hex: string) => BigInt(`0x${hex}`);
/** Points that agree in a random number of bits, which random ones hardly do. */
const related = fc
  .tuple(point, point, fc.nat(256))
  .map(
    ([a, b, bits]) =>
      [a, bits === 256 ? a : randomWithin(a, bits, { bytes: () => bytesOf(b), unit: () => 0 })] as const,
  );
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

test('distances compare as the numbers that they are', () => {
  fc.assert(
    fc.property(point, related, (target, [a, b]) => {
      const wanted = (number(target) ^ number(a)) - (number(target) ^ number(b));
      expect(Math.sign(compareDistance(target, a, b))).toBe(wanted === 0n ? 0 : wanted < 0n ? -1 : 1);
      expect(distanceShare(a, b)).toBeCloseTo(Number(number(a) ^ number(b)) / 2 ** 256, 12);
    }),
  );
});

test('shared bits are the leading zeros of the distance', () => {
  fc.assert(
    fc.property(related, ([a, b]) => {
      const distance = number(a) ^ number(b);
      expect(sharedBits(a, b)).toBe(distance === 0n ? 256 : 256 - distance.toString(2).length);
    }),
  );
});

test('a random point within a prefix has the prefix, and a flipped bit is the only difference', () => {
  fc.assert(
    fc.property(point, fc.nat(256), fc.nat(255), fc.nat(), (a, bits, flip, seed) => {
      const drawn = randomWithin(a, bits, createSimRandom(seed));
      expect(drawn).toMatch(/^[0-9a-f]{64}$/);
      expect(sharedBits(a, drawn)).toBeGreaterThanOrEqual(bits);
      expect(number(a) ^ number(withFlippedBit(a, flip))).toBe(1n << BigInt(255 - flip));
    }),
  );
});
