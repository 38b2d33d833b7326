import { mkdirSync, mkdtempSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseLoadArgs, usage } from './args.ts';
import { Generator } from './generator/generator.ts';
import { ceilingOf } from './measure/ceiling.ts';
import { number } from './report/format.ts';
import { runScenario, type Session } from './run-scenario.ts';
import type { Verdict } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';

/** Load on a node that was started for it, or on a running one: what it does at, beyond and beside its saturation. */
const args = parse();
if (args.help) console.log(usage);
else if (args.list) {
  for (const { name, what, through } of scenarios) console.log(`${name.padEnd(18)} ${through.padEnd(9)} ${what}`);
} else await main();

async function main(): Promise<void> {
  const unknown = args.names.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0) fail(`no scenario ${unknown.join(', ')}; --list names them`);
  const chosen = scenarios.filter(({ name }) => args.names.length === 0 || args.names.includes(name));
  const folder = args.out ?? mkdtempSync(join(tmpdir(), 'ron-load-'));
  mkdirSync(folder, { recursive: true });
  console.log(
    `seed ${args.seed}, ${cpus().length} cores (${cpus()[0]?.model}), shared by server and generator; nothing is pinned`,
  );
  await printCeiling();
  const session: Session = { args, folder, known: new Map(), say: (text) => console.log(text) };
  const results: { readonly name: string; readonly verdicts: readonly Verdict[]; readonly error?: string }[] = [];
  for (const scenario of chosen) {
    console.log(`\n== ${scenario.name}: ${scenario.what}`);
    try {
      results.push({ name: scenario.name, verdicts: (await runScenario(scenario, session)).verdicts });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      console.log(`FAILED: ${why}`);
      results.push({ name: scenario.name, verdicts: [], error: why.split('\n')[0]! });
    }
  }
  console.log(`\nplots and JSON: ${folder}`);
  const given = process.argv.slice(2);
  const seedGiven = given.some((word) => word.startsWith('--seed'));
  console.log(
    `again: npm run load -- ${[...given, ...(seedGiven ? [] : ['--seed', String(args.seed)])].map(shown).join(' ')}`,
  );
  const verdicts = results.flatMap((result) => result.verdicts);
  const counts = [true, false, undefined].map((met) => verdicts.filter((verdict) => verdict.met === met).length);
  const failed = results.filter(({ error }) => error !== undefined);
  for (const { name, error } of failed) console.log(`FAILED: ${name}: ${error}`);
  console.log(`${counts[0]} bars met, ${counts[1]} missed, ${counts[2]} not judged, ${failed.length} scenarios failed`);
  if (counts[1]! > 0 || failed.length > 0) process.exitCode = 1;
}

async function printCeiling(): Promise<void> {
  using generator = new Generator();
  const small = await ceilingOf(generator, 1_024, args.quick, args.seed);
  const large = await ceilingOf(generator, 65_536, args.quick, args.seed);
  console.log(
    `one generator against a server that only answers: ${number(small)} requests/s of 1 KiB, ${number(large)} of 64 KiB`,
  );
}

/** A capability is a secret, and a log is not the place for it. */
function shown(word: string, at: number, words: readonly string[]): string {
  return words[at - 1] === '--cap' || word.startsWith('--cap=') ? '…' : word;
}

function parse() {
  try {
    return parseLoadArgs(process.argv.slice(2), process.env, Math.floor(Math.random() * 1_000_000));
  } catch (error) {
    fail(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

function fail(why: string): never {
  console.error(why);
  process.exit(2);
}
