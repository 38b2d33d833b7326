import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { wholeNumber } from '../load/args.ts';
import { ms, number, textTable } from '../load/report/format.ts';
import { linesOf, verdictLine } from '../load/report/scenario-report.ts';
import { driftVerdict, errorVerdicts, growthVerdicts, timelineOf } from './findings.ts';
import { soak } from './soak.ts';
import { soakChart } from './soak-chart.ts';

const usage = `usage: npm run soak -- [--minutes N] [--quick] [--rate N] [--seed N] [--persist] [--out DIR]

  --minutes N   default 60; --quick is one minute, which shows that it works and judges no growth
  --rate N      requests/s, instead of half of the saturation that is searched first
  --persist     the node on disk instead of in memory
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    quick: { type: 'boolean', default: false },
    rate: { type: 'string' },
    seed: { type: 'string' },
    persist: { type: 'boolean', default: false },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(usage);
else await main();

async function main(): Promise<void> {
  const minutes = values.quick ? 1 : (wholeNumber('--minutes', values.minutes, 1, 10_080) ?? 60);
  const seed = wholeNumber('--seed', values.seed, 0, 2 ** 31) ?? Math.floor(Math.random() * 1_000_000);
  const rate = wholeNumber('--rate', values.rate, 10, 1_000_000);
  const folder = values.out ?? mkdtempSync(join(tmpdir(), 'ron-soak-'));
  mkdirSync(folder, { recursive: true });
  console.log(`seed ${seed}, ${minutes} min, ${cpus().length} cores (${cpus()[0]?.model}), shared by all processes`);
  const say = (text: string) => console.log(text);
  const { samples, rounds, chores, startedAtMs, perSecond, slow } = await soak({
    minutes,
    seed,
    rate,
    persist: values.persist,
    say,
  });
  const results = rounds.flat();
  const warmS = Math.min(600, minutes * 60 * 0.2);
  const verdicts = [
    ...growthVerdicts(samples, warmS),
    driftVerdict(results, startedAtMs, warmS),
    ...errorVerdicts(results, chores),
  ];
  const rows = results.flatMap((result, index) => linesOf({ label: `soak ${index + 1}`, result, unfit: undefined }));
  console.log(
    textTable([
      ['', 'offered/s', 'goodput/s', 'refused/s', 'failed/s', 'p50', 'p99', 'p99.9'],
      ...rows.map(({ name, summary: s }) => [
        name,
        ...[s.offered, s.goodput, s.refused, s.failed].map(number),
        ...[s.p50Ms, s.p99Ms, s.p999Ms].map(ms),
      ]),
    ]),
  );
  console.log(`slow sockets: ${number(slow.opened)} opened, ${slow.open} open at the end`);
  const subtitle = `${number(perSecond)} requests/s, seed ${seed}, ${values.persist ? 'on disk' : 'in memory'}`;
  const load = timelineOf(rounds, startedAtMs);
  writeFileSync(join(folder, 'soak.svg'), soakChart(`soak, ${minutes} min`, subtitle, samples, load));
  const record = { minutes, seed, perSecond, verdicts, samples, load, chores, slow };
  writeFileSync(join(folder, 'soak.json'), `${JSON.stringify(record, undefined, 1)}\n`);
  console.log(`plot and JSON: ${folder}`);
  for (const verdict of verdicts) console.log(verdictLine(verdict));
  const missed = verdicts.filter(({ met }) => met === false).length;
  const open = verdicts.filter(({ met }) => met === undefined).length;
  if (missed > 0) process.exitCode = 1;
  console.log(
    `soak of ${minutes} min: ${verdicts.length - missed - open} bars met, ${missed} missed, ${open} not judged`,
  );
}
