/** What one step of a ramp found, a second. */
export interface Step {
  readonly offered: number;
  readonly goodput: number;
  readonly p99Ms: number;
  /** What happened to the rest; for a person. */
  readonly lost: string;
  /** Why the generator, not the server, may have set the result. */
  readonly unfit: string | undefined;
}

export interface Saturation {
  /** The highest rate at which nearly everything was answered rightly and in time. */
  readonly perSecond: number;
  /** The highest goodput of any step. */
  readonly peakPerSecond: number;
  readonly steps: readonly Step[];
  /** What ended the ramp. */
  readonly limitedBy: 'server' | 'generator' | 'the highest rate';
}

export interface RampOptions {
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
  /** Factor from step to step. */
  readonly factor: number;
  /** Steps between the last rate that was kept up with and the first that was not. */
  readonly refinements: number;
}

/** Share of what is offered that has to be answered well for a rate to be kept up with. */
const keptUpShare = 0.95;
/** Goodput that does not grow by this share from one step to the next does not grow. */
const growthMin = 0.03;

/**
 * Raises the rate until goodput stops growing, then looks closer around the knee. A step that cannot be kept up with
 * is repeated once: on a shared machine one pause is not the knee.
 */
export async function findSaturation(
  measure: (perSecond: number) => Promise<Step>,
  { fromPerSecond, toPerSecond, factor, refinements }: RampOptions,
): Promise<Saturation> {
  const steps: Step[] = [];
  const keepsUp = ({ offered, goodput }: Step) => goodput >= keptUpShare * offered;
  const step = async (perSecond: number): Promise<Step> => {
    let found = await measure(perSecond);
    steps.push(found);
    if (keepsUp(found)) return found;
    const again = await measure(perSecond);
    steps.push(again);
    if (again.goodput > found.goodput) found = again;
    return found;
  };
  let low = 0;
  let high: Step | undefined;
  let before = 0;
  let rate = fromPerSecond;
  while (rate <= toPerSecond) {
    const found = await step(rate);
    if (keepsUp(found)) low = rate;
    else high ??= found;
    // Goodput may still grow past the first step that loses some.
    if (!keepsUp(found) && found.goodput < before * (1 + growthMin)) break;
    if (found.unfit !== undefined && !keepsUp(found)) break;
    before = Math.max(before, found.goodput);
    rate *= factor;
  }
  let top = high?.offered;
  for (let left = refinements; left > 0 && top !== undefined && low > 0; left -= 1) {
    const middle = Math.sqrt(low * top);
    if (keepsUp(await step(middle))) low = middle;
    else top = middle;
  }
  const best = steps.reduce((most, each) => (each.goodput > most.goodput ? each : most));
  const limitedBy = high === undefined ? 'the highest rate' : high.unfit === undefined ? 'server' : 'generator';
  return { perSecond: low > 0 ? low : best.goodput, peakPerSecond: best.goodput, steps, limitedBy };
}
