import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';

export type Verdict = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** What to type, where something is not well. */
  readonly fix?: string;
}

const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

/** Checks from the machine outwards to a round trip through the node. Ends with the exit code of the first failure. */
export async function runDoctor(session: Session): Promise<number> {
  const { output, signal } = session;
  const { machineChecks } = await import('../health/machine-checks.ts');
  const { nodeChecks } = await import('../health/node-checks.ts');
  let exitCode: number = exitCodes.ok;
  for await (const { exit, ...finding } of both(machineChecks(session), nodeChecks(session))) {
    signal.throwIfAborted();
    output.result(finding, () => {
      const verdict = output.paint(colours[finding.verdict], finding.verdict.padEnd(4));
      const fix = finding.fix === undefined ? '' : `\n      fix: ${finding.fix}`;
      return `${verdict}  ${finding.check}: ${finding.detail}${fix}`;
    });
    if (finding.verdict === 'fail' && exitCode === exitCodes.ok) exitCode = exit ?? exitCodes.other;
  }
  return exitCode;
}

export interface CheckedFinding extends Finding {
  /** Exit code when it is a failure. */
  readonly exit?: number;
}

async function* both(first: AsyncIterable<CheckedFinding>, second: AsyncIterable<CheckedFinding>) {
  yield* first;
  yield* second;
}
