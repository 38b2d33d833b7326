/** What the choice looks at. */
export interface Candidate {
  readonly inflight: number;
  /** 0 to 1: its share while it joins. Above 0. */
  readonly weight: number;
}

/** Up to this many, all are compared; more, and two taken at random are. */
const compareAllMax = 8;

/**
 * The least loaded, by calls in flight over the weight; among equals one at random, so that they do not all get the
 * first call after a pause. Of many, the better of two random ones: nearly as even at a constant price (M. Mitzenmacher:
 * The Power of Two Choices in Randomized Load Balancing, 1996). `random` gives numbers in [0, 1).
 */
export function leastLoaded<C extends Candidate>(candidates: readonly C[], random: () => number): C | undefined {
  if (candidates.length === 0) return undefined;
  if (candidates.length > compareAllMax) {
    const first = Math.floor(random() * candidates.length);
    const step = 1 + Math.floor(random() * (candidates.length - 1));
    const [a, b] = [candidates[first]!, candidates[(first + step) % candidates.length]!];
    return loadOf(a) <= loadOf(b) ? a : b;
  }
  let best = candidates[0]!;
  let equals = 1;
  for (const candidate of candidates.slice(1)) {
    const difference = loadOf(candidate) - loadOf(best);
    if (difference > 0) continue;
    equals = difference === 0 ? equals + 1 : 1;
    if (difference < 0 || random() * equals < 1) best = candidate;
  }
  return best;
}

function loadOf({ inflight, weight }: Candidate): number {
  return (inflight + 1) / weight;
}
