import type { ProbeResult } from './measure/health-probe.ts';
import type { Saturation } from './measure/saturation.ts';
import { summarize } from './measure/summary.ts';
import { ms, percent } from './report/format.ts';
import type { Run, Verdict } from './scenario.ts';

/** The bar of every scenario. */
export const healthzMsMax = 50;
const baselineShareMin = 0.99;

/** A miss that the generator may have caused is not held against the server. */
export function judged(runs: readonly Run[], bar: string, found: string, met: boolean): Verdict {
  const unfit = runs.flatMap((run) => run.unfit ?? [])[0];
  if (met || unfit === undefined) return { bar, found, met };
  return { bar, found: `${found}; ${unfit}`, met: undefined };
}

/** For a bar that is a multiple of what a baseline run found: a bad baseline makes any bar easy. */
export function compared(baseline: Run, runs: readonly Run[], bar: string, found: string, met: boolean): Verdict {
  const { offered, goodput } = summarize(baseline.result.phases);
  if (goodput < baselineShareMin * offered) {
    return { bar, found: `${found}; the run alone served ${percent(goodput / offered)} only`, met: undefined };
  }
  if (baseline.unfit !== undefined) return { bar, found: `${found}; alone, ${baseline.unfit}`, met: undefined };
  return judged(runs, bar, found, met);
}

/** Of a bar that is a share of peak: a peak that the generator set is lower than the server's, and easy to reach. */
export function ofPeak({ limitedBy }: Saturation, verdict: Verdict): Verdict {
  if (limitedBy !== 'generator') return verdict;
  return { ...verdict, found: `${verdict.found}; the generator, not the server, ended the search`, met: undefined };
}

/** What an idle server beside it did not manage either, says nothing about the node. */
export function healthVerdict({ times, failures }: ProbeResult, control: ProbeResult): Verdict {
  const bar = `/healthz within ${healthzMsMax} ms throughout`;
  const found = `worst ${ms(times.maxMs)}${failures > 0 ? `, ${failures} failed` : ''}`;
  if (failures > 0) return { bar, found, met: false };
  if (times.total === 0) return { bar, found: 'never asked', met: undefined };
  if (times.maxMs <= healthzMsMax) return { bar, found, met: true };
  if (control.times.maxMs <= healthzMsMax) return { bar, found, met: false };
  return {
    bar,
    found: `${found}; an idle server took up to ${ms(control.times.maxMs)}: the machine is too busy`,
    met: undefined,
  };
}
