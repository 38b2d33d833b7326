import type { Random } from './random.ts';

export type ArrivalKind = 'poisson' | 'constant';

/** A stretch of a run with one rate. Results are kept for each phase, by the time at which a request was due. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
  readonly perSecond: number;
}

export interface Arrival {
  /** Milliseconds from the start of the run. */
  readonly atMs: number;
  readonly phase: number;
}

/**
 * When requests are due, whatever the server does. A unit of work, 1 for constant arrivals and exponentially
 * distributed with mean 1 for Poisson arrivals, is used up at the rate of the phase, so that a change of rate
 * takes effect at once and not only after the next gap.
 */
export class Schedule {
  readonly #phases: readonly Phase[];
  readonly #unit: () => number;
  #phase = 0;
  #atMs = 0;
  #phaseEndMs: number;

  constructor(kind: ArrivalKind, phases: readonly Phase[], random: Random) {
    if (phases.length === 0) throw new RangeError('a schedule has at least one phase');
    for (const { name, seconds, perSecond } of phases) {
      if (!(seconds > 0) || !(perSecond >= 0)) throw new RangeError(`phase ${name}: seconds > 0, perSecond ≥ 0`);
    }
    this.#phases = phases;
    this.#phaseEndMs = phases[0]!.seconds * 1_000;
    // Lanes with the same constant rate must not all send in the same instant.
    let first = kind === 'constant' ? random() : 0;
    this.#unit = () => {
      if (kind === 'poisson') return -Math.log(1 - random());
      const unit = 1 - first;
      first = 0;
      return unit;
    };
  }

  /** Undefined when the last phase is over. */
  next(): Arrival | undefined {
    let work = this.#unit();
    for (;;) {
      const { perSecond } = this.#phases[this.#phase]!;
      const takesMs = perSecond === 0 ? Number.POSITIVE_INFINITY : (work * 1_000) / perSecond;
      if (this.#atMs + takesMs < this.#phaseEndMs) {
        this.#atMs += takesMs;
        return { atMs: this.#atMs, phase: this.#phase };
      }
      work -= ((this.#phaseEndMs - this.#atMs) * perSecond) / 1_000;
      this.#atMs = this.#phaseEndMs;
      this.#phase += 1;
      const next = this.#phases[this.#phase];
      if (next === undefined) {
        // Asked again, the answer stays.
        this.#phase -= 1;
        return undefined;
      }
      this.#phaseEndMs += next.seconds * 1_000;
    }
  }
}

export function lengthMsOf(phases: readonly Phase[]): number {
  return phases.reduce((sum, { seconds }) => sum + seconds * 1_000, 0);
}
