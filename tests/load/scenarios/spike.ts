import { recoveryMs } from '../measure/recovery.ts';
import { mergedTimeline, phaseOf } from '../measure/summary.ts';
import { ms, number } from '../report/format.ts';
import type { Scenario } from '../scenario.ts';
import { judged } from '../verdicts.ts';

const recoveryMsMax = 5_000;
/** p99 that counts as recovered: this many times what it was before, and never below a tenth of the deadline. */
const p99Factor = 2;
const p99FloorMs = 100;

/** Ten times the load, from one moment to the next, and back. */
export const spike: Scenario = {
  name: 'spike',
  what: '10 × the load for 5 s: recovery within 5 s',
  through: 'node',
  mix: 'realistic',
  async run(stage) {
    const { perSecond } = await stage.saturation();
    const base = 0.25 * perSecond;
    const phases = [
      { name: 'before', seconds: stage.pick(10, 2), perSecond: base },
      { name: 'spike', seconds: stage.pick(5, 2), perSecond: 10 * base },
      { name: 'after', seconds: stage.pick(20, 4), perSecond: base },
    ];
    const run = await stage.load([{ tenant: 'spike', phases }], { label: `${number(base)}/s` });
    const before = phaseOf(run.result, 'before');
    const points = mergedTimeline(Object.values(run.result.timelines));
    const overMs = 1_000 * (phases[0]!.seconds + phases[1]!.seconds);
    const took = recoveryMs(points, overMs, Math.max(p99FloorMs, p99Factor * before.p99Ms));
    const found = took === undefined ? 'not within the run' : ms(took);
    return [judged([run], 'recovered < 5 s after the spike', found, took !== undefined && took < recoveryMsMax)];
  },
};
