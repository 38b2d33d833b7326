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
    readonly name: string;
    readonly status: string;
    /** Why the file as a whole failed, when it did. */
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Lines of each failure that are shown again at the end. */
const failureLinesMax = 30;

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

/** What failed and why, for the end of the output, which is what is left of a run somewhere else. */
export function failuresOf(report: VitestReport | undefined): readonly string[] {
  return (report?.testResults ?? []).flatMap((file) => {
    const failed = file.assertionResults.filter(({ status }) => status === 'failed');
    if (file.status === 'failed' && failed.length === 0) return [failureText(file.name, '', file.message ?? '')];
    return failed.map((test) => failureText(file.name, test.fullName, (test.failureMessages ?? []).join('\n')));
  });
}

function failureText(file: string, test: string, message: string): string {
  const lines = message.split('\n').slice(0, failureLinesMax);
  return [`FAILED: ${file}${test === '' ? '' : ` > ${test}`}`, ...lines.map((line) => `  ${line}`)].join('\n');
}

export function addCounts(counts: readonly Counts[]): Counts {
  const sum = (field: keyof Counts) => counts.reduce((total, count) => total + count[field], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** The gate's last line: `N passed, N failed`, and `, N skipped` when there are any. */
export function lastLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
