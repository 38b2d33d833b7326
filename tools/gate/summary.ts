import type { StepResult } from './run-step.ts';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The part of vitest's JSON report that is counted. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** Every step but the tests is one check; what a step could not run is skipped, and a failed step never counts as passed. */
export function countStep(result: StepResult): Counts {
  return { passed: result.ok ? 1 : 0, failed: result.ok ? 0 : 1, skipped: result.cannotRun.length };
}

/** Each test counts. A file that failed as a whole, and a run that failed without a failed test, count as one failure. */
export function countTests(report: VitestReport | undefined, result: StepResult): Counts {
  if (report === undefined) return { passed: 0, failed: 1, skipped: result.cannotRun.length };
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = report.numFailedTests + brokenFiles.length;
  const empty = report.numPassedTests === 0;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && (!result.ok || empty) ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests + result.cannotRun.length,
  };
}

export function addCounts(counts: readonly Counts[]): Counts {
  const sum = (field: keyof Counts) => counts.reduce((total, count) => total + count[field], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** The gate's last line: `N passed, N failed`, and `, N skipped` when there are any. */
export function lastLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
