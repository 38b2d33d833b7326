import { recoveryMs } from '../measure/recovery.ts';
import { mergedTimeline, phaseOf, summarize } from '../measure/summary.ts';
import { ms, number, percent } from '../report/format.ts';
import type { Scenario } from '../scenario.ts';
import { judged, ofPeak } from '../verdicts.ts';

/** Goodput must not fall when more is asked for than can be done. */
export const overload2x: Scenario = {
  name: 'overload-2x',
  what: '2 × saturation: goodput ≥ 80 % of peak, recovery < 5 s',
  through: 'node',
  mix: 'realistic',
  async run(stage) {
    const found = await stage.saturation();
    const { perSecond, peakPerSecond } = found;
    const light = 0.5 * perSecond;
    const phases = [
      { name: 'before', seconds: stage.pick(5, 1), perSecond: light },
      { name: 'overload', seconds: stage.pick(20, 3), perSecond: 2 * perSecond },
      { name: 'after', seconds: stage.pick(15, 3), perSecond: light },
    ];
    const run = await stage.load([{ tenant: 'crowd', phases }], { label: `2 × ${number(perSecond)}/s` });
    const { goodput } = phaseOf(run.result, 'overload');
    const share = goodput / peakPerSecond;
    const points = mergedTimeline(Object.values(run.result.timelines));
    const overMs = 1_000 * (phases[0]!.seconds + phases[1]!.seconds);
    const took = recoveryMs(points, overMs, Math.max(100, 2 * phaseOf(run.result, 'before').p99Ms));
    return [
      ofPeak(
        found,
        judged(
          [run],
          'goodput ≥ 80 % of peak',
          `${percent(share)} (${number(goodput)} of ${number(peakPerSecond)}/s)`,
          share >= 0.8,
        ),
      ),
      judged([run], 'recovery < 5 s', took === undefined ? 'not within the run' : ms(took), (took ?? Infinity) < 5_000),
    ];
  },
};

/**
 * Two tenants ask for a tenth of saturation each, which is below their fair share, and four ask for 0.95 of it each:
 * together 4 ×. What the node serves in all, and what the modest ones get, must both hold.
 */
export const overload4x: Scenario = {
  name: 'overload-4x',
  what: '4 × saturation through omnigate: ≥ 90 % for admitted tenants',
  through: 'omnigate',
  mix: 'realistic',
  async run(stage) {
    const found = await stage.saturation();
    const { perSecond, peakPerSecond } = found;
    const modest = ['modest-1', 'modest-2'];
    const greedy = ['greedy-1', 'greedy-2', 'greedy-3', 'greedy-4'];
    // The modest are at work already when the others come.
    const phases = (share: number, before: number) => [
      { name: 'before', seconds: stage.pick(3, 1), perSecond: before * perSecond },
      { name: 'overload', seconds: stage.pick(20, 3), perSecond: share * perSecond },
      { name: 'after', seconds: stage.pick(10, 2), perSecond: 0.05 * perSecond },
    ];
    // In processes of their own: those that flood must not delay those that do not.
    const [quiet, loud] = await Promise.all([
      stage.load(
        modest.map((tenant) => ({ tenant, phases: phases(0.1, 0.1) })),
        { label: 'modest', connectionsMax: 288 },
      ),
      stage.load(
        greedy.map((tenant) => ({ tenant, phases: phases(0.95, 0) })),
        { label: 'greedy', connectionsMax: 640 },
      ),
    ]);
    const all = [...quiet.result.phases, ...loud.result.phases].filter(({ phase }) => phase === 'overload');
    const total = summarize(all).goodput / peakPerSecond;
    const asked = phaseOf(quiet.result, 'overload');
    const admitted = asked.goodput / asked.offered;
    return [
      ofPeak(found, judged([quiet, loud], 'goodput of all ≥ 90 % of peak', percent(total), total >= 0.9)),
      judged([quiet], 'tenants below their share get ≥ 90 % of what they ask', percent(admitted), admitted >= 0.9),
    ];
  },
};
