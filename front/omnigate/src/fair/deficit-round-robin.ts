import type { Lane, Waiting } from './lane.ts';
import { costAheadMax } from './wait-bound.ts';

export interface DeficitOptions {
  /** What each lane may spend in a round. */
  readonly quantum: number;
  /** The most that a lane can owe after corrections: it is out of its turn for `debtMax / quantum` rounds at most. */
  readonly debtMax: number;
}

/**
 * Deficit round robin (M. Shreedhar, G. Varghese: Efficient Fair Queuing using Deficit Round Robin, IEEE/ACM ToN 4(3),
 * 1996) between lanes, by cost. A lane with something in it gets `quantum` a round and keeps what it does not spend; a
 * lane that runs empty keeps nothing. What a call turned out to cost is set against its lane's next turns, until the
 * busy period ends: while nobody waits there is nothing to share.
 *
 * Who may not be served now (`mayServe`) is passed over without a quantum.
 */
export class DeficitRoundRobin<T extends Waiting> {
  readonly #quantum: number;
  readonly #debtMax: number;
  /** Lanes with something in them, the one whose visit it is first. */
  readonly #ring = new Set<Lane<T>>();
  /** Counts the times in which somebody waits; what a lane owes or has left does not outlive one. */
  #period = 1;

  constructor({ quantum, debtMax }: DeficitOptions) {
    this.#quantum = quantum;
    this.#debtMax = debtMax;
  }

  /** Lanes in which something waits. */
  get lanes(): ReadonlySet<Lane<T>> {
    return this.#ring;
  }

  push(lane: Lane<T>, line: string, item: T): void {
    if (lane.period !== this.#period) lane.deficit = 0;
    lane.period = this.#period;
    lane.push(line, item);
    this.#ring.add(lane);
  }

  drop(lane: Lane<T>, item: T): void {
    lane.drop(item);
    if (lane.waiting === 0) this.#deactivate(lane);
  }

  /** The next to be served, taken out of its lane; undefined when nothing waits that may be. */
  next(mayServe: (lane: Lane<T>) => boolean): { readonly lane: Lane<T>; readonly item: T } | undefined {
    for (;;) {
      const served = this.#round(mayServe);
      if (served !== undefined) return served;
      // Nobody had enough in a whole round: the rounds until somebody has are given at once.
      const rounds = this.#roundsToNext(mayServe);
      if (rounds === undefined) return undefined;
      for (const lane of this.#ring) if (mayServe(lane)) lane.deficit += (rounds - 1) * this.#quantum;
    }
  }

  /** A call of the lane cost more (or, below 0, less) than it was charged. */
  correct(lane: Lane<T>, more: number): void {
    if (lane.period !== this.#period) return;
    const most = lane.waiting > 0 ? Math.max(lane.deficit, lane.peek()?.cost ?? 0) : 0;
    lane.deficit = Math.min(most, Math.max(-this.#debtMax, lane.deficit - more));
  }

  /** What the lane owes still counts: it may not be forgotten. */
  owes({ period, deficit }: Lane<T>): boolean {
    return period === this.#period && deficit < 0;
  }

  /**
   * Cost that can be served before something of `cost` that would join `lane` now: see `costAheadMax`. Past `enough` it is not
   * counted to its end.
   */
  costAhead(lane: Lane<T>, cost: number, enough = Number.POSITIVE_INFINITY): number {
    return costAheadMax({ quantum: this.#quantum, own: lane, cost, lanes: this.#ring, enough });
  }

  /** One visit to each lane, from where the last ended. */
  #round(mayServe: (lane: Lane<T>) => boolean): { readonly lane: Lane<T>; readonly item: T } | undefined {
    for (let left = this.#ring.size; left > 0; left -= 1) {
      const lane: Lane<T> = this.#ring.values().next().value!;
      const head = lane.peek();
      if (head === undefined) {
        this.#deactivate(lane);
        continue;
      }
      if (mayServe(lane)) {
        if (!lane.visited) lane.deficit += this.#quantum;
        lane.visited = true;
        if (head.cost <= lane.deficit) {
          lane.deficit -= head.cost;
          lane.shift();
          if (lane.waiting === 0) this.#deactivate(lane);
          return { lane, item: head };
        }
      }
      lane.visited = false;
      this.#ring.delete(lane);
      this.#ring.add(lane);
    }
    return undefined;
  }

  #roundsToNext(mayServe: (lane: Lane<T>) => boolean): number | undefined {
    let least: number | undefined;
    for (const lane of this.#ring) {
      if (!mayServe(lane)) continue;
      const rounds = Math.max(1, Math.ceil(((lane.peek()?.cost ?? 0) - lane.deficit) / this.#quantum));
      if (least === undefined || rounds < least) least = rounds;
    }
    return least;
  }

  #deactivate(lane: Lane<T>): void {
    this.#ring.delete(lane);
    lane.visited = false;
    lane.deficit = Math.min(0, lane.deficit);
    if (this.#ring.size === 0) this.#period += 1;
  }
}
