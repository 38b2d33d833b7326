import type { Random } from '@ron/kernel';
import type { DhtKey } from '@ron/proto/dht';
import { toHex } from '@ron/transport';

/** Points are compared as the hex digits that they travel as: no parsing, no memory beside the text. */
export const pointBits = 256;
const digits = 64;

/** How many leading bits two points have in common: 256 for equal ones. */
export function sharedBits(a: DhtKey, b: DhtKey): number {
  for (let at = 0; at < digits; at++) {
    const difference = digitAt(a, at) ^ digitAt(b, at);
    if (difference !== 0) return at * 4 + Math.clz32(difference) - 28;
  }
  return pointBits;
}

/** By XOR distance to `target`: negative when `a` is nearer. */
export function compareDistance(target: DhtKey, a: DhtKey, b: DhtKey): number {
  for (let at = 0; at < digits; at++) {
    if (a.charCodeAt(at) === b.charCodeAt(at)) continue;
    const digit = digitAt(target, at);
    return (digitAt(a, at) ^ digit) - (digitAt(b, at) ^ digit);
  }
  return 0;
}

/** The XOR distance as a share of the whole space, to 52 bits. */
export function distanceShare(a: DhtKey, b: DhtKey): number {
  let distance = 0;
  for (let at = 0; at < 13; at++) distance = distance * 16 + (digitAt(a, at) ^ digitAt(b, at));
  return distance / 2 ** 52;
}

/** A random point that has the first `bits` bits of `point`. */
export function randomWithin(point: DhtKey, bits: number, random: Random): DhtKey {
  const drawn = toHex(random.bytes(32));
  const whole = bits >> 2;
  if (whole >= digits) return point;
  const keep = 0xf0 >> (bits & 3);
  const mixed = (digitAt(point, whole) & keep & 15) | (digitAt(drawn, whole) & ~keep & 15);
  return point.slice(0, whole) + mixed.toString(16) + drawn.slice(whole + 1);
}

/** The point with the bit at `index` turned over; 0 is the first. */
export function withFlippedBit(point: DhtKey, index: number): DhtKey {
  const at = index >> 2;
  const digit = digitAt(point, at) ^ (8 >> (index & 3));
  return point.slice(0, at) + digit.toString(16) + point.slice(at + 1);
}

function digitAt(point: string, at: number): number {
  const code = point.charCodeAt(at);
  return code <= 57 ? code - 48 : code - 87;
}
