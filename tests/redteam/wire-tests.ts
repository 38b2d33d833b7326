import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../support/child-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { treeRoot } from '../support/tree-root.ts';

const deadlineMs = 15 * 60_000;

/** Single messages and short exchanges are tests for vitest, which the gate runs too: one row each would be a thousand. */
export async function wireTests(): Promise<{ readonly passed: number; readonly failed: number }> {
  using folder = tempFolder();
  const report = folder.join('report.json');
  const vitest = join(treeRoot, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', 'tests/redteam', '--reporter=json', `--outputFile=${report}`];
  const { stderr } = await run(process.execPath, args, { cwd: treeRoot, deadlineMs });
  process.stderr.write(stderr);
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  // A file that cannot be loaded fails no test.
  return { passed: numPassedTests, failed: Math.max(numFailedTests, Math.min(1, numFailedTestSuites)) };
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
}
