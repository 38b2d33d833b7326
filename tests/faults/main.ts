import { amnesia } from './amnesia.ts';
import { bitFlips } from './bit-flips.ts';
import { descriptors } from './descriptors.ts';
import { diskFull } from './disk-full.ts';
import { killLoop } from './kill-loop.ts';
import { mailboxDiskFull } from './mailbox-disk-full.ts';
import { mailboxEio } from './mailbox-eio.ts';
import { mailboxFlips } from './mailbox-flips.ts';
import { mailboxKill } from './mailbox-kill.ts';
import { mailboxPause } from './mailbox-pause.ts';
import { mailboxPowerCut } from './mailbox-power-cut.ts';
import { memory } from './memory.ts';
import { powerCut } from './power-cut.ts';
import { CannotRun, type Scenario } from './scenario.ts';
import { trustDiskFull } from './trust-disk-full.ts';
import { trustKill } from './trust-kill.ts';

const scenarios: readonly Scenario[] = [
  ...[amnesia, memory, killLoop, powerCut, diskFull, descriptors, bitFlips],
  ...[mailboxKill, mailboxPowerCut, mailboxDiskFull, mailboxEio, mailboxFlips, mailboxPause],
  ...[trustKill, trustDiskFull],
];

const usage = `npm run faults -- [name…] [--quick] [--seed N]

${scenarios.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`).join('\n')}
`;

interface Arguments {
  readonly names: readonly string[];
  readonly quick: boolean;
  readonly seed: number;
}

function parse(args: readonly string[]): Arguments | undefined {
  const names: string[] = [];
  let seed = Math.trunc(Math.random() * 1_000_000);
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === '--seed') seed = Number(args[++at]);
    else if (word !== '--quick') names.push(word);
  }
  const known = names.every((name) => scenarios.some((scenario) => scenario.name === name));
  return known && Number.isSafeInteger(seed) ? { names, quick: args.includes('--quick'), seed } : undefined;
}

async function main(): Promise<number> {
  const parsed = parse(process.argv.slice(2));
  if (parsed === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const { names, quick, seed } = parsed;
  const chosen = names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const scenario of chosen) {
    const from = performance.now();
    const [outcome, line] = await verdict(scenario, quick, seed);
    counts[outcome]++;
    const seconds = ((performance.now() - from) / 1_000).toFixed(1);
    process.stdout.write(
      `${outcome.toUpperCase().padEnd(8)}${scenario.name.padEnd(18)}${seconds.padStart(7)} s  ${line}\n`,
    );
  }
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
  process.stdout.write(`seed ${seed}\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
  return counts.failed === 0 ? 0 : 1;
}

async function verdict(
  scenario: Scenario,
  quick: boolean,
  seed: number,
): Promise<['passed' | 'failed' | 'skipped', string]> {
  try {
    return ['passed', await scenario.run({ quick, seed })];
  } catch (error) {
    if (error instanceof CannotRun) return ['skipped', `CANNOT RUN: ${error.message}`];
    return [
      'failed',
      error instanceof Error ? `${error.message}${error.name === 'Error' ? `\n${error.stack}` : ''}` : String(error),
    ];
  }
}

process.exitCode = await main();
