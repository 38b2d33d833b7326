import type { DhtKey } from '@ron/proto/dht';
import type { Contact } from '@ron/proto/network';
import { distanceShare } from './distance.ts';

/** Samples that are remembered; the estimate is their median. */
const samplesMax = 9;
/** A sample of fewer nodes says next to nothing. */
const sampleNodesMin = 4;

/**
 * How many nodes there are, if `nearest` are all that lie nearest to `point`, by distance: the i-th of n is expected at i/(n + 1) of
 * the space, so this fits distance over rank by least squares. Undefined when there are too few to say.
 */
export function sizeAround(point: DhtKey, nearest: readonly Contact[]): number | undefined {
  if (nearest.length < sampleNodesMin) return undefined;
  let squares = 0;
  let products = 0;
  for (const [index, { id }] of nearest.entries()) {
    const rank = index + 1;
    squares += rank * rank;
    products += rank * distanceShare(point, id);
  }
  return products === 0 ? undefined : Math.max(1, squares / products - 1);
}

/**
 * How many nodes there are, from how densely they lie around several points. The median, so that who crowds one point moves one
 * sample.
 */
export class NetworkSize {
  readonly #samples: number[] = [];

  /** At least 1. `current` counts as one sample more. */
  estimate(current: number | undefined): number {
    const all = current === undefined ? this.#samples : [...this.#samples, current];
    const sorted = all.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    if (sorted.length === 0) return 1;
    return sorted.length % 2 === 1 ? sorted[middle]! : Math.sqrt(sorted[middle - 1]! * sorted[middle]!);
  }

  get samples(): number {
    return this.#samples.length;
  }

  /** The nodes nearest to `point`, none left out, by distance. */
  observe(point: DhtKey, nearest: readonly Contact[]): void {
    const sample = sizeAround(point, nearest);
    if (sample === undefined) return;
    this.#samples.push(sample);
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
