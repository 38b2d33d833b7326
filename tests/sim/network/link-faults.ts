import type { SimRandom } from '@ron/kernel/sim';
import { type Static, Type } from 'typebox';

const Chance = Type.Number({ minimum: 0, maximum: 1 });

/** How often something happens to a message, request and reply alike. */
export const LinkRates = Type.Object(
  {
    loss: Type.Optional(Chance),
    duplicate: Type.Optional(Chance),
    reorder: Type.Optional(Chance),
    /** What a reordered message waits at most, beside its way. */
    reorder_ms: Type.Optional(Type.Number({ minimum: 0, maximum: 60_000 })),
  },
  { additionalProperties: false },
);
export type LinkRates = Static<typeof LinkRates>;

export type LinkFault = 'loss' | 'duplicate' | 'reorder' | 'partition' | 'crash' | 'leave';

/** What becomes of one message: the extra wait of each copy that arrives. Empty: it is lost. */
export type Fate = readonly number[];

const unharmed: Fate = [0];
const lost: Fate = [];

/** Draws what happens to messages, and counts what has fired. */
export class LinkFaults {
  rates: LinkRates;
  readonly fired = new Map<LinkFault, number>();
  readonly #random: SimRandom;
  #sides: ((id: string) => number) | undefined;

  constructor(rates: LinkRates, random: SimRandom) {
    this.rates = rates;
    this.#random = random;
  }

  /** From now on messages pass only between nodes of the same side; undefined heals. */
  partition(sides: ((id: string) => number) | undefined): void {
    this.#sides = sides;
  }

  count(fault: LinkFault): void {
    this.fired.set(fault, (this.fired.get(fault) ?? 0) + 1);
  }

  fateOf(from: string, to: string): Fate {
    if (this.#sides !== undefined && this.#sides(from) !== this.#sides(to)) {
      this.count('partition');
      return lost;
    }
    const { loss = 0, duplicate = 0, reorder = 0, reorder_ms: reorderMs = 200 } = this.rates;
    if (loss > 0 && this.#random.chance(loss)) {
      this.count('loss');
      return lost;
    }
    let waitMs = 0;
    if (reorder > 0 && this.#random.chance(reorder)) {
      this.count('reorder');
      waitMs = this.#random.unit() * reorderMs;
    }
    if (duplicate > 0 && this.#random.chance(duplicate)) {
      this.count('duplicate');
      return [waitMs, waitMs + this.#random.unit() * reorderMs];
    }
    return waitMs === 0 ? unharmed : [waitMs];
  }
}
