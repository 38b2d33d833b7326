import { sampleBytes } from '../../support/sample-bytes.ts';
import { startSlowClients } from '../generator/slow-clients.ts';
import { totalRss } from '../measure/process-samples.ts';
import { phaseOf } from '../measure/summary.ts';
import { mebibytes, ms, number, reasons } from '../report/format.ts';
import type { Scenario } from '../scenario.ts';
import { ask } from '../target/seeding.ts';
import { compared, judged } from '../verdicts.ts';

const sockets = 1_000;
const grownBytesMax = 100 * 1_048_576;
/** What a slow reader asks for: more than kernel and server may hold for it. */
const largeBytes = 16 * 1_048_576;

/** The good client reads only: what it wrote would be memory of the node too. */
export const slowClients: Scenario = {
  name: 'slow-clients',
  what: '1,000 sockets with slow heads, bodies and readers: good p99 within 2 ×, RSS + 100 MiB at most',
  through: 'node',
  mix: 'reads',
  saturates: false,
  async run(stage) {
    const { target } = stage;
    const { capability } = await target.tenant('slow');
    const large = await ask<{ address: string }>(target.url, target.capability, 'PUT', '/put', sampleBytes(largeBytes));
    const rate = 200;
    const good = (name: string, seconds: number) => [{ tenant: 'good', phases: [{ name, seconds, perSecond: rate }] }];
    const warm = await stage.load(good('warm', stage.pick(5, 2)), { label: 'warm', connectionsMax: 16 });
    const alone = await stage.load(good('alone', stage.pick(30, 5)), { label: 'alone', connectionsMax: 16 });
    const before = rssOf(stage.sample());
    using slow = startSlowClients({
      host: target.host,
      port: target.port,
      capability,
      sockets,
      largeTarget: `/o/${large.address}`,
    });
    stage.watch('slow clients', slow.pid);
    const from = Date.now();
    const beside = await stage.load(good('beside', stage.pick(600, 20)), { label: 'beside', connectionsMax: 16 });
    const state = await slow.state();
    const during = stage.samples().filter(({ atMs }) => atMs >= from);
    const peak = Math.max(...during.map(rssOf));
    stage.note(
      `slow sockets   ${state.open} open at the end, ${number(state.opened)} opened; ended: ${reasons(state.ended)}`,
    );
    const slower = phaseOf(beside.result, 'beside').p99Ms / phaseOf(alone.result, 'alone').p99Ms;
    const served = phaseOf(beside.result, 'beside');
    const verdicts = [
      compared(
        alone,
        [beside],
        'good p99 within 2 × of alone',
        `${slower.toFixed(2)} × (${ms(served.p99Ms)})`,
        slower <= 2,
      ),
      judged(
        [warm, beside],
        'the good client is served',
        `${number(served.goodput)} of ${number(served.offered)}/s`,
        served.goodput >= 0.99 * served.offered,
      ),
    ];
    if (Number.isNaN(before) || before === 0) return verdicts;
    const grown = peak - before;
    return [...verdicts, { bar: 'RSS + 100 MiB at most', found: `+ ${mebibytes(grown)}`, met: grown <= grownBytesMax }];

    function rssOf(sample: Parameters<typeof totalRss>[0]): number {
      return totalRss(sample, Object.keys(target.pids));
    }
  },
};
