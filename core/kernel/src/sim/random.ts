import type { Random } from '../env/random.ts';

/** Seeded randomness for simulation: never for keys. */
export interface SimRandom extends Random {
  /** An independent stream: what one part draws never shifts what another gets. */
  fork(name: string): SimRandom;
  /** Uniform from 0 to `below` − 1. */
  integer(below: number): number;
  chance(probability: number): boolean;
}

/** sfc32 (C. Doty-Humphrey, PractRand) seeded by mixing the text of the seed. */
export function createSimRandom(seed: string | number): SimRandom {
  const text = String(seed);
  let a = mix(text, 0x9e3779b9);
  let b = mix(text, 0x243f6a88);
  let c = mix(text, 0xb7e15162);
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  const unit = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
  return {
    unit,
    bytes(length) {
      if (!Number.isInteger(length) || length < 0 || length > 65_536)
        throw new RangeError(`cannot give ${length} random bytes`);
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i += 4) {
        const word = next();
        for (let j = 0; j < 4 && i + j < length; j++) out[i + j] = word >>> (8 * j);
      }
      return out;
    },
    integer: (below) => Math.floor(unit() * below),
    chance: (probability) => unit() < probability,
    fork: (name) => createSimRandom(`${text}/${name}`),
  };
}

/** FNV-1a, 32 bits. */
export function mix(text: string, start: number): number {
  let hash = (start ^ 0x811c9dc5) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
