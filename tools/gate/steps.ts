import type { Step } from './run-step.ts';

const minuteMs = 60_000;

/** What can be told without running the product; seconds, so it can run before every commit. */
export const staticSteps: readonly Step[] = [
  step('biome', 'node_modules/@biomejs/biome/bin/biome', ['check', '.'], 2),
  step('types', 'node_modules/typescript/bin/tsc', ['-b'], 5),
  step('layers', 'tools/check-layers/main.ts', [], 1),
  step('apis', 'tools/ls-apis/main.ts', ['--check'], 1),
  step('tidy', 'tools/tidy/main.ts', [], 1),
];

/** What the tests start as processes. */
export const buildStep: Step = step('build', 'tools/build/main.ts', [], 1);

/** All `*.test.ts`: unit, property, contract, integration and red-team tests. */
export function testStep(reportPath: string): Step {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  return step('tests', 'node_modules/vitest/vitest.mjs', ['run', ...reporters], 20);
}

/** The product itself, in processes of its own. */
export const runSteps: readonly Step[] = [
  step('simulation', 'tests/sim/main.ts', ['--seeds', '200'], 10),
  step('histories', 'tests/sim/mailbox/main.ts', ['--seeds', '1000'], 5),
  step('examples', 'examples/run-all.ts', [], 5),
  step('smoke', 'tests/e2e/smoke.ts', [], 5),
];

function step(name: string, script: string, args: readonly string[], minutes: number): Step {
  return { name, script, args, deadlineMs: minutes * minuteMs };
}
