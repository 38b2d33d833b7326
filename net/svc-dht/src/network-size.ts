import type { DhtKey } from '@ron/proto/dht';
import type { Contact } from '@ron/proto/network';
import { distanceShare } from './distance.ts';

/** Samples that are remembered; the estimate is their median. */
const samplesMax = 9;
/**
 * How many nodes there are, if `nearest` are all that lie nearest to `point`, by distance: the i-th of n is expected at i/(n + 1) of
 * the space, so this fits distance over rank by least squares. 20 give a standard deviation of a quarter.
 */
export function sizeAround(point: DhtKey, nearest: readonly Contact[]): number {
  let squares = 0;
  let products = 0;
  for (const [index, { id }] of nearest.entries()) {
    const rank = index + 1;
    squares += rank * rank;
    products += rank * distanceShare(point, id);
  }
  return products === 0 ? nearest.length : Math.max(nearest.length, squares / products - 1);
}

/**
 * How many nodes there are, this one among them: counted while its table can hold all, and then judged by how densely they lie around
 * several points. The median, so that who crowds one point moves one sample. Samples are as old as the lookups that made them: of a
 * network that grows the estimate is low for up to three refreshes of the table.
 */
export class NetworkSize {
  readonly #k: number;
  readonly #samples: number[] = [];

  /** `k`: entries of a bucket, so that a table of fewer has room for everybody, and nodes of a sample. */
  constructor(k: number) {
    this.#k = k;
  }

  /** `known`: nodes in the table. `around`: those nearest to this node, one sample more. */
  estimate(self: DhtKey, known: number, around: readonly Contact[]): number {
    if (known < this.#k) return known + 1;
    const sorted = [...this.#samples, sizeAround(self, around)].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    const median = sorted.length % 2 === 1 ? sorted[middle]! : Math.sqrt(sorted[middle - 1]! * sorted[middle]!);
    return Math.max(known, median) + 1;
  }

  /** The nodes nearest to `point`, none left out, by distance. Fewer than `k` are no sample: some did not answer, or there are no more. */
  observe(point: DhtKey, nearest: readonly Contact[]): void {
    if (nearest.length < this.#k) return;
    this.#samples.push(sizeAround(point, nearest));
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }
}

/**
 * The first bits that a key shares with the nodes that keep its records: so many that `nodesMin` of `size` nodes or more are expected
 * to have them, and fewer than twice as many.
 */
export function regionBitsOf(size: number, nodesMin: number): number {
  return Math.max(0, Math.min(64, Math.floor(Math.log2(size / nodesMin))));
}
