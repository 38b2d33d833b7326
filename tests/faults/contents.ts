import { randomFrom } from './scenario.ts';

const sizes = [0, 1, 1_024, 65_536, 65_537, 200_000, 3 * 1_048_576];

/** Bytes that can be made again from two numbers: nothing has to be remembered to compare with. */
export function contentOf(seed: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  const random = randomFrom(seed);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((random() * 4_294_967_296) >>> 0, at);
  for (let at = size & ~3; at < size; at++) bytes[at] = (random() * 256) >>> 0;
  return bytes;
}

/** Small ones often, 3 MiB seldom. */
export function sizeFrom(random: () => number): number {
  const drawn = random();
  if (drawn < 0.6) return sizes[2]!;
  if (drawn < 0.8) return sizes[3]! - Math.trunc(random() * 100);
  if (drawn < 0.97) return sizes[5]!;
  return sizes[6]!;
}
