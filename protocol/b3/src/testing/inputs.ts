import { encodeSlice } from '../slice.ts';

/** The input of the official BLAKE3 test vectors: byte i is i mod 251. */
export function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index++) bytes[index] = index % 251;
  return bytes;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The input lengths of the 35 official BLAKE3 test vectors. */
export const officialLengths = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4096, 4097, 5120,
  5121, 6144, 6145, 7168, 7169, 8192, 8193, 16_384, 31_744, 102_400,
];

/** The error that `work` throws, with its name and, where it has them, its reason and group. */
export function refusal(work: () => unknown): { name: string; reason?: unknown; groupIndex?: unknown } {
  try {
    work();
  } catch (error) {
    const { name, reason, groupIndex } = error as { name: string; reason?: unknown; groupIndex?: unknown };
    return { name, ...(reason === undefined ? {} : { reason }), ...(groupIndex === undefined ? {} : { groupIndex }) };
  }
  return { name: 'nothing was thrown' };
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[Math.floor(bit / 8)]! ^= 1 << (bit % 8);
  return copy;
}

/** Cuts bytes into pieces; the sizes are used in turn. */
export function pieces(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? bytes.length);
    cut.push(bytes.subarray(at, at + size));
    at += size;
  }
  return cut;
}

export interface SliceOf {
  readonly bytes: Uint8Array;
  readonly outboard: Uint8Array;
  readonly start: number;
  readonly length?: number;
  readonly groupLog?: number;
}

/** Runs the encoder over an object in memory and joins what it yields. */
export async function sliceOf({ bytes, groupLog = 6, ...rest }: SliceOf): Promise<Uint8Array> {
  const group = 1024 * 2 ** groupLog;
  const readGroup = (index: number) => bytes.subarray(index * group, (index + 1) * group);
  const out: Uint8Array[] = [];
  for await (const piece of encodeSlice({ ...rest, size: bytes.length, groupLog, readGroup })) out.push(piece);
  const slice = new Uint8Array(out.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of out) {
    slice.set(piece, at);
    at += piece.length;
  }
  return slice;
}
