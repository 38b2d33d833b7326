/** Numbers of the BLAKE3 specification (section 2, "BLAKE3"), and our choice of group. */

export const CHUNK_BYTES = 1024;
export const BLOCK_BYTES = 64;
/** Length of a chaining value and of a root. */
export const CV_BYTES = 32;
/** An interior node: the chaining values of its left and right child. */
export const PARENT_BYTES = 64;
/** The object's length, unsigned, little-endian, in front of outboards and slices. */
export const HEADER_BYTES = 8;

/** log2 of the chunks in a group: 64 KiB groups. */
export const GROUP_LOG_DEFAULT = 6;
/** Also the size of the kernel's fixed input area, hence the upper bound. */
export const GROUP_LOG_MAX = 6;

export const CHUNK_START = 1;
export const CHUNK_END = 2;
export const PARENT = 4;
export const ROOT = 8;

/** The initial chaining value (BLAKE3 specification, table 1). */
export const IV: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/** How the sixteen message words move between two rounds. */
const PERMUTATION: readonly number[] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/** State words (a, b, c, d) of the eight mixes of a round: four columns, then four diagonals. */
export const MIXES: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** Message word order of each of the seven rounds. */
export const SCHEDULE: readonly (readonly number[])[] = buildSchedule();

function buildSchedule(): number[][] {
  const rounds: number[][] = [Array.from({ length: 16 }, (_, word) => word)];
  while (rounds.length < 7) {
    const previous = rounds[rounds.length - 1]!;
    rounds.push(PERMUTATION.map((from) => previous[from]!));
  }
  return rounds;
}
