import type { Heads } from './heads.ts';
import type { LeafChecker } from './leaf-checker.ts';
import type { VerifyReport } from './report.ts';

export function reportOf(
  checker: LeafChecker,
  { claimed }: Heads,
  range: Pick<VerifyReport, 'from' | 'to' | 'notKept'>,
): VerifyReport {
  const findings = checker.findings.toSorted((a, b) => a.index - b.index);
  const ok = findings.length === 0;
  return {
    ok,
    exitCode: ok ? 0 : 1,
    origin: claimed.origin,
    size: claimed.size,
    ...range,
    findings,
    warnings: checker.warnings.toSorted((a, b) => a.index - b.index),
  };
}
