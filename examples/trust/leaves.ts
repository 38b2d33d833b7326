import assert from 'node:assert/strict';
import type { AuditLine } from '@ron/proto/audit';

export interface Leaf {
  readonly index: number;
  readonly entry: NonNullable<AuditLine['entry']>;
}

/** What a step must have left behind. */
export interface Trace {
  readonly step: string;
  readonly op: string;
  readonly outcome: string;
  readonly subject: string;
  readonly corrId?: string;
  readonly capabilityId?: string;
  /** Fields of the entry that must have these values. */
  readonly fields?: Readonly<Record<string, string>>;
}

/** The entries of an export that was verified already: after its head, one line for each. */
export function leavesOf(ndjson: string): readonly Leaf[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as Leaf);
}

/** The one leaf of a step. Fails when there is none, or when there are two. */
export function leafOf(leaves: readonly Leaf[], trace: Trace): Leaf {
  const { step, op, outcome, subject, corrId, capabilityId, fields = {} } = trace;
  const found = leaves.filter(
    ({ entry }) =>
      entry.op === op &&
      entry.outcome === outcome &&
      entry.subject === subject &&
      (corrId === undefined || entry.corr_id === corrId) &&
      (capabilityId === undefined || entry.capability_id === capabilityId) &&
      Object.entries(fields).every(([name, value]) => entry.fields[name] === value),
  );
  assert.equal(found.length, 1, `leaves of "${step}" (${op}: ${outcome})`);
  return found[0]!;
}

export function leafText(step: string, { index, entry }: Leaf): string {
  const { op, outcome, subject, resources } = entry;
  const who = subject === '' ? '(nobody)' : subject;
  return [`${index}`.padStart(4), step.padEnd(34), op.padEnd(19), outcome.padEnd(16), who.padEnd(10), ...resources]
    .join(' ')
    .trimEnd();
}
