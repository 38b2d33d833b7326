import { type Attack, areas, Evidence, type ServedAttack, Target } from './attack.ts';
import { attacks } from './attacks/index.ts';
import { GoodClient } from './good-client.ts';
import { type Finding, goodTargetOf, type Judgement, judge } from './judge.ts';
import { type StartedSubject, startSubject } from './subjects.ts';
import { printRow, printTitle, type Row } from './table.ts';
import { wireTests } from './wire-tests.ts';

const usage = `npm run redteam -- [--quick] [--area AREA]… [--list] [name…]

  --quick   the subset that takes a minute and a half; without it also all tests of tests/redteam by vitest
  --area    one of ${areas.join(', ')}
  --list    prints what there is and runs nothing
  name      attacks whose name contains it
`;

interface Arguments {
  readonly quick: boolean;
  readonly list: boolean;
  readonly areas: readonly string[];
  readonly names: readonly string[];
}

function parse(args: readonly string[]): Arguments | undefined {
  const names: string[] = [];
  const chosen: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === '--area') chosen.push(args[++at] ?? '');
    else if (word !== '--quick' && word !== '--list') names.push(word);
  }
  const known = chosen.every((area) => (areas as readonly string[]).includes(area));
  if (!known || names.some((name) => name.startsWith('-'))) return undefined;
  return { quick: args.includes('--quick'), list: args.includes('--list'), areas: chosen, names };
}

function chosenOf({ quick, areas: chosen, names }: Arguments): readonly Attack[] {
  const wanted = attacks
    .filter((attack) => !quick || attack.quick)
    .filter(({ area }) => chosen.length === 0 || chosen.includes(area))
    .filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)));
  // One process for all that want the same one.
  const key = ({ setting }: Attack) => JSON.stringify(setting);
  return Object.values(Object.groupBy(wanted, key)).flatMap((group) => group ?? []);
}

/** The process of the attacks that run now, and the good client at it. */
class Bench implements AsyncDisposable {
  #key = '';
  #subject: StartedSubject | undefined;
  #good: GoodClient | undefined;

  async with(attack: ServedAttack): Promise<{ subject: StartedSubject; good: GoodClient }> {
    const key = JSON.stringify(attack.setting);
    if (key !== this.#key || this.#subject?.process.alive !== true) {
      await this[Symbol.asyncDispose]();
      this.#subject = await startSubject(attack.setting);
      this.#good = new GoodClient(goodTargetOf(this.#subject));
      this.#key = key;
    }
    return { subject: this.#subject!, good: this.#good! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#good?.[Symbol.asyncDispose]();
    await this.#subject?.[Symbol.asyncDispose]();
    this.#subject = undefined;
    this.#good = undefined;
  }
}

async function rowOf(bench: Bench, attack: Attack): Promise<Row> {
  const from = performance.now();
  const rowFrom = (said: string, findings: readonly Finding[], judgement?: Judgement): Row => ({
    attack,
    said,
    findings,
    judgement,
    seconds: (performance.now() - from) / 1_000,
  });
  if (attack.setting === 'alone') {
    const evidence = new Evidence();
    await attack.run(evidence).catch((error: Error) => evidence.check(false, error.message));
    return rowFrom(
      evidence.said,
      evidence.wrong.map((detail) => ({ rule: 'seen', detail })),
    );
  }
  for (let again = 0; ; again++) {
    const { said, judgement } = await judged(bench, attack);
    const { findings } = judgement;
    // A machine with other work is slow once; an attack is slow each time.
    const onlySlow = findings.length > 0 && findings.every(({ rule }) => rule === 'slow');
    if (!onlySlow || again === 2) return rowFrom(said, findings, judgement);
  }
}

async function judged(bench: Bench, attack: ServedAttack): Promise<{ said: string; judgement: Judgement }> {
  try {
    const { subject, good } = await bench.with(attack);
    const target = new Target(subject);
    const judgement = await judge(subject, good, target, attack.tolerance ?? {}, () => attack.run(target));
    return { said: target.said, judgement };
  } catch (error) {
    const detail = `it cannot be watched: ${(error as Error).message.slice(0, 400)}`;
    const findings: readonly Finding[] = [{ rule: 'alive', detail }];
    return {
      said: '',
      judgement: { findings, before: undefined, during: undefined, heapBytesLeft: 0, descriptorsLeft: 0 },
    };
  }
}

async function main(): Promise<number> {
  const parsed = parse(process.argv.slice(2));
  if (parsed === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const chosen = chosenOf(parsed);
  if (parsed.list) {
    for (const { area, name, expected, quick } of chosen)
      process.stdout.write(`${area.padEnd(9)}${quick ? 'quick  ' : '       '}${name}: ${expected}\n`);
    return 0;
  }
  const counts = { passed: 0, failed: 0 };
  printTitle();
  {
    await using bench = new Bench();
    for (const attack of chosen) {
      const row = await rowOf(bench, attack);
      counts[row.findings.length === 0 ? 'passed' : 'failed']++;
      printRow(row);
    }
  }
  if (!parsed.quick && parsed.names.length === 0 && parsed.areas.length === 0) {
    const { passed, failed } = await wireTests();
    counts.passed += passed;
    counts.failed += failed;
    process.stdout.write(`tests/redteam/*.test.ts by vitest: ${passed} passed, ${failed} failed\n`);
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

process.exitCode = await main();
