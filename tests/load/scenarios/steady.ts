import { phaseOf } from '../measure/summary.ts';
import { askWrk } from '../measure/wrk.ts';
import { number, percent } from '../report/format.ts';
import type { Scenario } from '../scenario.ts';
import { judged } from '../verdicts.ts';

/** What the node does all day. The ramp before it says where its saturation is. */
export const steady: Scenario = {
  name: 'steady',
  what: 'finds saturation, then holds 70 % of it',
  through: 'node',
  mix: 'realistic',
  async run(stage) {
    const { perSecond, peakPerSecond, limitedBy } = await stage.saturation();
    stage.note(
      `saturation     ${number(perSecond)} requests/s, peak goodput ${number(peakPerSecond)}/s; the ramp was ended by ${limitedBy === 'the highest rate' ? limitedBy : `the ${limitedBy}`}`,
    );
    const rate = 0.7 * perSecond;
    const phases = [
      { name: 'warm', seconds: stage.pick(3, 1), perSecond: rate },
      { name: 'steady', seconds: stage.pick(60, 3), perSecond: rate },
    ];
    const run = await stage.load([{ tenant: 'steady', phases }], { label: 'at 70 %' });
    const wrk = await askWrk(stage.target, stage.pick(5, 1));
    if (wrk !== undefined) stage.note(`wrk            one object of 64 KiB, 48 connections: ${wrk}`);
    const { offered, goodput } = phaseOf(run.result, 'steady');
    const share = goodput / offered;
    return [judged([run], 'goodput ≥ 99 % of what is offered', percent(share), share >= 0.99)];
  },
};
