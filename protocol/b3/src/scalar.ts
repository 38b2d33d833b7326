import { CV_BYTES, IV, SCHEDULE } from './constants.ts';
import type { Engine } from './engine.ts';

const order = Uint8Array.from(SCHEDULE.flat());
const state = new Int32Array(16);
const initial = Int32Array.from(IV);

/** The portable engine: the same interface as the SIMD one, one lane after the other. Needs a little-endian host. */
export function createScalarEngine(memoryBytes: number): Engine {
  const memory = new ArrayBuffer(memoryBytes);
  const words = new Int32Array(memory);
  const chain = new Int32Array(8);
  const lanes: Engine['lanes'] = (
    input,
    stride,
    blocks,
    counterLow,
    counterHigh,
    counterStep,
    flags,
    firstFlags,
    lastFlags,
    lastBytes,
    out,
    count,
  ) => {
    for (let lane = 0; lane < count; lane++) {
      const low = (counterLow + lane * counterStep) >>> 0;
      const high = low < counterLow >>> 0 ? counterHigh + 1 : counterHigh;
      chain.set(initial);
      for (let block = 0; block < blocks; block++) {
        const last = block === blocks - 1;
        const blockFlags = flags | (block === 0 ? firstFlags : 0) | (last ? lastFlags : 0);
        const at = (input + lane * stride + block * 64) >> 2;
        compress(chain, words, at, low, high, last ? lastBytes : 64, blockFlags);
      }
      words.set(chain, (out + lane * CV_BYTES) >> 2);
    }
  };
  return { name: 'scalar', memory, lanes };
}

function compress(
  chain: Int32Array,
  words: Int32Array,
  at: number,
  low: number,
  high: number,
  bytes: number,
  flags: number,
): void {
  state.set(chain);
  for (let word = 0; word < 4; word++) state[8 + word] = initial[word]!;
  state[12] = low;
  state[13] = high;
  state[14] = bytes;
  state[15] = flags;
  // Written out: with constant state indices the engine checks no bounds and inlines every mix.
  for (let round = 0; round < 112; round += 16) {
    mix(0, 4, 8, 12, words[at + order[round]!]!, words[at + order[round + 1]!]!);
    mix(1, 5, 9, 13, words[at + order[round + 2]!]!, words[at + order[round + 3]!]!);
    mix(2, 6, 10, 14, words[at + order[round + 4]!]!, words[at + order[round + 5]!]!);
    mix(3, 7, 11, 15, words[at + order[round + 6]!]!, words[at + order[round + 7]!]!);
    mix(0, 5, 10, 15, words[at + order[round + 8]!]!, words[at + order[round + 9]!]!);
    mix(1, 6, 11, 12, words[at + order[round + 10]!]!, words[at + order[round + 11]!]!);
    mix(2, 7, 8, 13, words[at + order[round + 12]!]!, words[at + order[round + 13]!]!);
    mix(3, 4, 9, 14, words[at + order[round + 14]!]!, words[at + order[round + 15]!]!);
  }
  for (let word = 0; word < 8; word++) chain[word] = state[word]! ^ state[word + 8]!;
}

function mix(ia: number, ib: number, ic: number, id: number, x: number, y: number): void {
  let a = state[ia]!;
  let b = state[ib]!;
  let c = state[ic]!;
  let d = state[id]!;
  a = (a + b + x) | 0;
  d ^= a;
  d = (d >>> 16) | (d << 16);
  c = (c + d) | 0;
  b ^= c;
  b = (b >>> 12) | (b << 20);
  a = (a + b + y) | 0;
  d ^= a;
  d = (d >>> 8) | (d << 24);
  c = (c + d) | 0;
  b ^= c;
  b = (b >>> 7) | (b << 25);
  state[ia] = a;
  state[ib] = b;
  state[ic] = c;
  state[id] = d;
}
