export interface CostAhead {
  readonly quantum: number;
  /** The lane that the call joins, before it does. */
  readonly own: { readonly backlog: number; readonly deficit: number };
  readonly cost: number;
  /** All lanes in which something waits; `own` is passed over. */
  readonly lanes: Iterable<{ readonly backlog: number; readonly deficit: number }>;
  /** Lanes are looked at until the sum is more than this: thousands may wait, and under overload a few decide. */
  readonly enough: number;
}

/**
 * The stated bound of deficit round robin: the most cost that is served before a call of cost `c`, measured from its
 * arrival, as long as its lane may be served whenever there is room.
 *
 * With `Q` the quantum, `B` what waits in its lane before it and `D` the deficit of the lane, the call is served in its
 * lane's visit number `r = ⌈(B + c − D) / Q⌉` at the latest, at least 1. Until then each other lane `i` is visited `r`
 * times at most, serves no more than it had left (`Dᵢ`) and `r` quanta, and no more than it has (`Bᵢ`):
 *
 *     ahead ≤ B + Σᵢ min(Bᵢ, max(0, Dᵢ + r·Q))
 *
 * What comes later to another lane takes the place of `Bᵢ` and keeps under `Dᵢ + r·Q`, so that whatever others send
 * `ahead ≤ B + Σᵢ max(0, Dᵢ + r·Q)` over the lanes that have something to wait during that time; with `n` such lanes, each with less
 * left than the dearest call `M`, this is `B + (n − 1)·(r·Q + M)`. What was charged too much and given back counts as not
 * served. Divided by the cost that the backends serve in a second, it is the longest wait in line.
 */
export function costAheadMax({ quantum, own, cost, lanes, enough }: CostAhead): number {
  const visits = Math.max(1, Math.ceil((own.backlog + cost - own.deficit) / quantum));
  let ahead = own.backlog;
  for (const lane of lanes) {
    if (ahead > enough) break;
    if (lane !== own) ahead += Math.min(lane.backlog, Math.max(0, lane.deficit + visits * quantum));
  }
  return ahead;
}
