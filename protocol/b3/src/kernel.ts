import {
  BLOCK_BYTES,
  CHUNK_BYTES,
  CHUNK_END,
  CHUNK_START,
  CV_BYTES,
  GROUP_LOG_MAX,
  PARENT,
  PARENT_BYTES,
  ROOT,
} from './constants.ts';
import { createEngine, type Engine } from './engine.ts';

/** Largest run of bytes that one call of `subtree` takes. */
export const SUBTREE_BYTES_MAX = CHUNK_BYTES << GROUP_LOG_MAX;

/** BLAKE3 nodes over an engine. Synchronous, keeps nothing between calls, so one kernel serves a whole thread. */
export interface Kernel {
  readonly name: Engine['name'];
  /**
   * Writes the chaining value (32 bytes) of the subtree over `bytes` at `out[at]`. `chunk` is the index of its first
   * chunk in the object. With `root` the value is the root, for an object that consists of these bytes alone.
   */
  subtree(bytes: Uint8Array, chunk: number, root: boolean, out: Uint8Array, at: number): void;
  /**
   * Writes `count` chaining values (32 bytes each) of the parents that lie in `pairs` (64 bytes each) at `out[at]`.
   * With `root` they are roots.
   */
  parents(pairs: Uint8Array, count: number, root: boolean, out: Uint8Array, at: number): void;
}

// The input area has slack for the three lanes past its end; the second area takes chaining values. Levels of
// parents alternate between the two, so that what unused lanes write never hits what is still to be read.
const INPUT = 0;
const VALUES = SUBTREE_BYTES_MAX + 4 * CHUNK_BYTES;
const PAIRS_MAX = SUBTREE_BYTES_MAX / PARENT_BYTES;

export function createKernel(engine: Engine): Kernel {
  const memory = new Uint8Array(engine.memory);
  const { lanes } = engine;

  const fullChunks = (count: number, chunk: number) => {
    for (let index = 0; index < count; index += 4) {
      const counter = chunk + index;
      const high = Math.floor(counter / 2 ** 32);
      const used = Math.min(4, count - index);
      const out = VALUES + index * CV_BYTES;
      lanes(index * CHUNK_BYTES, CHUNK_BYTES, 16, counter >>> 0, high, 1, 0, CHUNK_START, CHUNK_END, 64, out, used);
    }
  };

  const lastChunk = (offset: number, length: number, chunk: number, root: boolean, out: number) => {
    const blocks = Math.max(1, Math.ceil(length / BLOCK_BYTES));
    memory.fill(0, offset + length, offset + blocks * BLOCK_BYTES);
    const lastBytes = length - (blocks - 1) * BLOCK_BYTES;
    const lastFlags = root ? CHUNK_END | ROOT : CHUNK_END;
    const high = Math.floor(chunk / 2 ** 32);
    lanes(offset, 0, blocks, chunk >>> 0, high, 0, 0, CHUNK_START, lastFlags, lastBytes, out, 1);
  };

  const level = (from: number, pairs: number, root: boolean, to: number) => {
    const flags = root ? PARENT | ROOT : PARENT;
    for (let pair = 0; pair < pairs; pair += 4) {
      const used = Math.min(4, pairs - pair);
      lanes(from + pair * PARENT_BYTES, PARENT_BYTES, 1, 0, 0, 0, flags, 0, 0, 64, to + pair * CV_BYTES, used);
    }
  };

  /** Halves the values at VALUES until one is left; returns where it lies. An odd one moves up unchanged. */
  const reduce = (count: number, root: boolean): number => {
    let from = VALUES;
    let to = INPUT;
    for (let left = count; left > 1; left = (left + 1) >> 1) {
      const pairs = left >> 1;
      level(from, pairs, root && left === 2, to);
      if (left & 1) {
        const odd = from + pairs * PARENT_BYTES;
        memory.copyWithin(to + pairs * CV_BYTES, odd, odd + CV_BYTES);
      }
      [from, to] = [to, from];
    }
    return from;
  };

  const copyOut = (from: number, bytes: number, out: Uint8Array, at: number) =>
    out.set(memory.subarray(from, from + bytes), at);

  return {
    name: engine.name,
    subtree(bytes, chunk, root, out, at) {
      if (bytes.length > SUBTREE_BYTES_MAX) throw new RangeError(`a subtree is at most ${SUBTREE_BYTES_MAX} bytes`);
      memory.set(bytes, INPUT);
      if (bytes.length <= CHUNK_BYTES) {
        lastChunk(INPUT, bytes.length, chunk, root, VALUES);
        copyOut(VALUES, CV_BYTES, out, at);
        return;
      }
      const full = Math.floor(bytes.length / CHUNK_BYTES);
      const rest = bytes.length % CHUNK_BYTES;
      fullChunks(full, chunk);
      // After the full ones: an unused lane of theirs may have written here.
      if (rest > 0) lastChunk(full * CHUNK_BYTES, rest, chunk + full, false, VALUES + full * CV_BYTES);
      copyOut(reduce(full + (rest > 0 ? 1 : 0), root), CV_BYTES, out, at);
    },
    parents(pairs, count, root, out, at) {
      for (let done = 0; done < count; done += PAIRS_MAX) {
        const now = Math.min(PAIRS_MAX, count - done);
        memory.set(pairs.subarray(done * PARENT_BYTES, (done + now) * PARENT_BYTES), INPUT);
        level(INPUT, now, root, VALUES);
        copyOut(VALUES, now * CV_BYTES, out, at + done * CV_BYTES);
      }
    },
  };
}

let shared: Kernel | undefined;

/** The kernel of this thread, made on first use (about 2 ms). */
export function threadKernel(): Kernel {
  shared ??= createKernel(createEngine());
  return shared;
}
