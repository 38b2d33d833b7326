import type { Step } from './run-step.ts';

/** The deadlines below only end what hangs, on a machine with other work too. */
const minuteMs = 60_000;

/** What can be told without running the product; seconds, so it can run before every commit. */
export const staticSteps: readonly Step[] = [
  step('biome', 'node_modules/@biomejs/biome/bin/biome', ['check', '.'], 10),
  step('types', 'node_modules/typescript/bin/tsc', ['-b'], 20),
  step('layers', 'tools/check-layers/main.ts', [], 5),
  step('apis', 'tools/ls-apis/main.ts', ['--check'], 5),
  step('tidy', 'tools/tidy/main.ts', [], 5),
];

/** What the tests start as processes. */
export const buildStep: Step = step('build', 'tools/build/main.ts', [], 5);

/** All `*.test.ts`: unit, property, contract, integration and red-team tests. */
export function testStep(reportPath: string): Step {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  return step('tests', 'node_modules/vitest/vitest.mjs', ['run', ...reporters], 60);
}

/** The product itself, in processes of its own. */
export const runSteps: readonly Step[] = [
  step('simulation', 'tests/sim/main.ts', ['--seeds', '200'], 30),
  step('histories', 'tests/sim/mailbox/main.ts', ['--seeds', '1000'], 30),
  step('network', 'tests/sim/main.ts', ['--scenario', 'dht', '--nodes', '200', '--seed', '7'], 10),
  step('examples', 'examples/run-all.ts', [], 20),
  step('smoke', 'tests/e2e/smoke.ts', [], 20),
];

function step(name: string, script: string, args: readonly string[], minutes: number): Step {
  return { name, script, args, deadlineMs: minutes * minuteMs };
}
