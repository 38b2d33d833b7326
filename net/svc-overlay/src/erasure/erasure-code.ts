import { Combiner } from './combiner.ts';
import { generatorRow, invert, product } from './matrix.ts';

/** Data and parity shards together: what a byte can number, less the 0 that coordinates of the code must not share. */
export const shardsMax = 255;

/** Any 10 of 14: survives four losses with 1.4 times the bytes. Three copies survive two with 3 times. */
export const codeDefault = { k: 10, m: 4 } as const;

export interface CodeParameters {
  /** Data shards: as many as are needed to rebuild. */
  readonly k: number;
  /** Parity shards: as many as may be lost. */
  readonly m: number;
}

/** Reconstructors that are kept, by the shards they read and make; each has up to 64 KiB of tables for 10 + 4. */
const reconstructorsMax = 16;

/**
 * Systematic Reed–Solomon: shard 0 to k − 1 are the data, k to k + m − 1 are parity. All shards of one call have one
 * length. Throws `RangeError` unless k and m are at least 1 and k + m at most 255.
 */
export class ErasureCode {
  readonly k: number;
  readonly m: number;
  readonly #encoder: Combiner;
  readonly #reconstructors = new Map<string, Combiner>();

  constructor({ k, m }: CodeParameters) {
    if (!Number.isInteger(k) || !Number.isInteger(m) || k < 1 || m < 1 || k + m > shardsMax) {
      throw new RangeError(`k and m are at least 1 and at most ${shardsMax} together`);
    }
    this.k = k;
    this.m = m;
    this.#encoder = new Combiner(Array.from({ length: m }, (_, row) => generatorRow(k + row, k)));
  }

  /** Fills the m parity shards from the k data shards. */
  encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    this.#encoder.combine(data, parity);
  }

  /**
   * Fills the shards of index `wanted` from any k others: `shards[i]` has index `present[i]`. What was given is not
   * checked: wrong input gives wrong output, so who calls has verified it.
   */
  reconstruct(
    present: readonly number[],
    shards: readonly Uint8Array[],
    wanted: readonly number[],
    into: readonly Uint8Array[],
  ): void {
    if (wanted.length === 0) return;
    this.#reconstructor(present, wanted).combine(shards, into);
  }

  #reconstructor(present: readonly number[], wanted: readonly number[]): Combiner {
    const key = `${present.join()}>${wanted.join()}`;
    const kept = this.#reconstructors.get(key);
    if (kept !== undefined) return kept;
    const indices = [...present, ...wanted];
    if (present.length !== this.k || new Set(present).size !== this.k)
      throw new RangeError(`${this.k} shards are needed`);
    if (indices.some((index) => !Number.isInteger(index) || index < 0 || index >= this.k + this.m)) {
      throw new RangeError('no such shard');
    }
    const toData = invert(present.map((index) => generatorRow(index, this.k)));
    if (toData === undefined) throw new Error('a part of the generator has no inverse');
    const made = new Combiner(
      product(
        wanted.map((index) => generatorRow(index, this.k)),
        toData,
      ),
    );
    const oldest = this.#reconstructors.keys().next();
    if (this.#reconstructors.size >= reconstructorsMax && oldest.done !== true)
      this.#reconstructors.delete(oldest.value);
    this.#reconstructors.set(key, made);
    return made;
  }
}
