import { createInlineWork } from '@ron/kernel/real';
import { createSimRandom, type SimRandom } from '@ron/kernel/sim';
import { type Address, addressFromHash } from '@ron/naming';

const work = createInlineWork();
const KiB = 1_024;

/** Where the code has corners: empty, chunks, groups, the limit between journal and file. */
const borders = [
  0,
  1,
  KiB - 1,
  KiB,
  KiB + 1,
  64 * KiB - 1,
  64 * KiB,
  64 * KiB + 1,
  128 * KiB,
  128 * KiB + 1,
  192 * KiB,
];

export function addressOf(bytes: Uint8Array): Address {
  return addressFromHash(work.blake3(bytes));
}

/** Bytes that no other `id` of the same seed gives, of a size drawn from `random`. */
export function createContent(random: SimRandom, id: string): Uint8Array {
  return fill(sizeOf(random), id);
}

function sizeOf(random: SimRandom): number {
  const kind = random.integer(100);
  if (kind < 70) return random.integer(4 * KiB);
  if (kind < 90) return borders[random.integer(borders.length)]!;
  return random.integer(300 * KiB);
}

function fill(size: number, id: string): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = createSimRandom(id).integer(2 ** 32) | 1;
  const words = new Uint32Array(bytes.buffer, 0, size >>> 2);
  // Marsaglia's xorshift32: fast, and different contents differ in every part.
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  for (let at = words.length * 4; at < size; at++) bytes[at] = (state >>> (8 * (at & 3))) & 0xff;
  return bytes;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
