import { randomFillSync } from 'node:crypto';
import type { Random } from '../env/random.ts';

const poolBytes = 8192;
const lengthMax = 65_536;

/** The operating system's generator, asked for 8 KiB at a time: a call for 16 bytes costs a hundredth of a system call. */
export function createRealRandom(): Random {
  const pool = new Uint8Array(poolBytes);
  let used = poolBytes;
  const bytes = (length: number): Uint8Array => {
    if (!Number.isInteger(length) || length < 0 || length > lengthMax) {
      throw new RangeError(`cannot give ${length} random bytes`);
    }
    const out = new Uint8Array(length);
    if (length > poolBytes / 8) return randomFillSync(out);
    if (used + length > poolBytes) {
      randomFillSync(pool);
      used = 0;
    }
    out.set(pool.subarray(used, used + length));
    // What was handed out may be a key: it must not stay here.
    pool.fill(0, used, used + length);
    used += length;
    return out;
  };
  return {
    bytes,
    unit() {
      const raw = bytes(8);
      const view = new DataView(raw.buffer);
      return (view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11)) / 2 ** 53;
    },
  };
}
