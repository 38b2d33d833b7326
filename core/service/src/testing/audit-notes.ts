import { RonError } from '@ron/proto/errors';
import type { AuditEntry, AuditStage } from '../stages.ts';

/** An audit log for tests: a list, which can be made to fail. */
export function auditNotes() {
  const recorded: AuditEntry[] = [];
  const offered: AuditEntry[] = [];
  const state = { failing: (_entry: AuditEntry): boolean => false, full: false };
  const stage: AuditStage = {
    ready() {
      if (state.full) throw new RonError('unavailable', 'the audit log cannot be written');
    },
    async record(entry) {
      if (state.failing(entry)) throw new RonError('unavailable', 'the audit log cannot be written');
      recorded.push(entry);
      const index = recorded.length - 1;
      return { index, proof: async () => `proof-of-${index}` };
    },
    offer: (entry) => void offered.push(entry),
  };
  return { recorded, offered, state, stage };
}
