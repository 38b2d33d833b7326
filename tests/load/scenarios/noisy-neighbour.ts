import { phaseOf } from '../measure/summary.ts';
import { ms, percent } from '../report/format.ts';
import type { Run, Scenario, Verdict } from '../scenario.ts';
import { compared, judged } from '../verdicts.ts';

const others = ['quiet-1', 'quiet-2', 'quiet-3', 'quiet-4'];

/** Each of four tenants asks for 1/40 of saturation, the fifth for a hundred times as much: 2.5 × saturation alone. */
export const noisyNeighbour: Scenario = {
  name: 'noisy-neighbour',
  what: 'one tenant at 100 ×: the others within ± 10 % of their share, p99 within 2 ×',
  through: 'omnigate',
  mix: 'realistic',
  async run(stage) {
    const { perSecond } = await stage.saturation();
    const rate = perSecond / 40;
    const seconds = stage.pick(10, 3);
    // The quiet ones are at work already when the noise begins; a warm-up that is not counted opens their connections.
    const quietly = ['warm', 'alone', 'beside'].map((name) => ({ name, seconds, perSecond: rate }));
    const noise = [
      { name: 'silent', seconds: 2 * seconds, perSecond: 0 },
      { name: 'noisy', seconds, perSecond: 100 * rate },
    ];
    const [quiet, noisy] = await Promise.all([
      stage.load(
        others.map((tenant) => ({ tenant, phases: quietly })),
        { label: 'quiet', connectionsMax: 320 },
      ),
      stage.load([{ tenant: 'noisy', phases: noise }], { label: 'noisy', connectionsMax: 640 }),
    ]);
    return others.flatMap((tenant) => verdictsOf(tenant, quiet, [quiet, noisy]));
  },
};

/** What a tenant asks for is below its fair share, so its fair share is all of it. */
function verdictsOf(tenant: string, quiet: Run, runs: readonly Run[]): Verdict[] {
  const before = phaseOf(quiet.result, 'alone', tenant);
  const after = phaseOf(quiet.result, 'beside', tenant);
  const alone = { ...quiet.result, phases: quiet.result.phases.filter(({ phase }) => phase === 'alone') };
  const share = after.goodput / after.offered;
  const slower = after.p99Ms / before.p99Ms;
  return [
    judged(runs, `${tenant} within ± 10 % of its share`, percent(share), share >= 0.9 && share <= 1.1),
    compared(
      { ...quiet, result: alone },
      runs,
      `${tenant} p99 ≤ 2 × alone`,
      `${slower.toFixed(2)} × (${ms(before.p99Ms)} → ${ms(after.p99Ms)})`,
      slower <= 2,
    ),
  ];
}
