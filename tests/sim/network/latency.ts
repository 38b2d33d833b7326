import type { SimRandom } from '@ron/kernel/sim';
import { type Static, Type } from 'typebox';

const options = { additionalProperties: false } as const;
const Milliseconds = Type.Number({ minimum: 0, maximum: 60_000 });

/** How long messages are on their way, by the regions of both ends. */
export const LatencyPlan = Type.Object(
  {
    regions: Type.Array(Type.String({ pattern: '^[a-z0-9-]{1,32}$' }), { minItems: 1, maxItems: 32 }),
    /** Which share of the nodes is in each region; need not add up to 1. */
    weights: Type.Array(Type.Number({ minimum: 0 }), { minItems: 1, maxItems: 32 }),
    /** Row: region of the sender; column: of the receiver. Inside a region, the diagonal. */
    one_way_ms: Type.Array(Type.Array(Milliseconds, { minItems: 1, maxItems: 32 }), { minItems: 1, maxItems: 32 }),
    /** Mean of an exponential addition, as a share of the one-way time: most messages get little, some get much. */
    jitter_share: Type.Number({ minimum: 0, maximum: 5 }),
    /** Upper bound of what a node's own line adds to each of its messages; drawn once a node. */
    access_ms: Milliseconds,
  },
  options,
);
export type LatencyPlan = Static<typeof LatencyPlan>;

/** Where a node is: its region's row, and what its own line adds. */
export interface Place {
  readonly region: number;
  readonly accessMs: number;
}

/** One-way times drawn from a plan. */
export class Latency {
  readonly plan: LatencyPlan;
  readonly #rows: ReadonlyMap<string, number>;

  constructor(plan: LatencyPlan) {
    const size = plan.regions.length;
    const square = plan.one_way_ms.length === size && plan.one_way_ms.every((row) => row.length === size);
    if (!square || plan.weights.length !== size) throw new RangeError(`the latency plan needs ${size} × ${size} times`);
    this.plan = plan;
    this.#rows = new Map(plan.regions.map((region, row) => [region, row]));
  }

  /** By weight. */
  drawRegion(random: SimRandom): string {
    const { regions, weights } = this.plan;
    let left = random.unit() * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [row, weight] of weights.entries()) {
      left -= weight;
      if (left < 0) return regions[row]!;
    }
    return regions.at(-1)!;
  }

  placeIn(region: string | undefined, random: SimRandom): Place {
    return { region: this.#rows.get(region ?? '') ?? 0, accessMs: random.unit() * this.plan.access_ms };
  }

  oneWayMs(from: Place, to: Place, random: SimRandom): number {
    const base = this.plan.one_way_ms[from.region]![to.region]!;
    const jitter = -Math.log(1 - random.unit()) * this.plan.jitter_share;
    return base * (1 + jitter) + from.accessMs + to.accessMs;
  }
}
