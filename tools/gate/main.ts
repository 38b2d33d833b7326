import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runStep, type Step, type StepResult, stopAll } from './run-step.ts';
import { buildStep, runSteps, staticSteps, testStep } from './steps.ts';
import { addCounts, type Counts, countStep, countTests, failuresOf, lastLine, type VitestReport } from './summary.ts';

/** `npm test`, the gate: everything that must hold. `--static` stops before the tests. */
const root = join(import.meta.dirname, '../..');
const onlyStatic = process.argv.includes('--static');
const folder = mkdtempSync(join(tmpdir(), 'ron-gate-'));
const reportPath = join(folder, 'vitest.json');
const results: StepResult[] = [];
const counts: Counts[] = [];
const failures: string[] = [];

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopAll();
    rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  });
}

try {
  for (const step of staticSteps) counts.push(countStep(await run(step)));
  if (!onlyStatic) {
    counts.push(countStep(await run(buildStep)));
    const tests = await run(testStep(reportPath));
    const report = readReport();
    counts.push(countTests(report, tests));
    failures.push(...failuresOf(report));
    for (const step of runSteps) counts.push(countStep(await run(step)));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

for (const failure of failures) console.log(`\n${failure}`);
console.log('');
for (const { name, ok, wallMs, reason } of results) {
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(12)} ${seconds(wallMs)}${reason === '' ? '' : `  ${reason}`}`);
}
for (const what of results.flatMap((result) => result.cannotRun)) console.log(`CANNOT RUN: ${what}`);
const total = addCounts(counts);
if (total.failed > 0) process.exitCode = 1;
console.log(lastLine(total));

async function run(step: Step): Promise<StepResult> {
  console.log(`\n== ${step.name}: ${step.script} ${step.args.join(' ')}`.trimEnd());
  const result = await runStep(step, { root, write: (bytes) => process.stdout.write(bytes) });
  console.log(`== ${step.name}: ${result.ok ? 'ok' : `FAIL, ${result.reason}`}, ${seconds(result.wallMs)}`);
  results.push(result);
  return result;
}

/** Undefined when the run ended before it wrote one. */
function readReport(): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(reportPath, 'utf8'));
  } catch (error) {
    console.log(`no test report: ${(error as Error).message}`);
    return undefined;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
