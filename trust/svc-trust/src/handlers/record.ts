import type { AuditLog } from '@ron/audit';
import type { Handlers } from '@ron/proto/contract';
import type { trustContract } from '@ron/proto/trust';
import { entryFrom } from '../entry.ts';

export function createRecord(log: AuditLog): Handlers<typeof trustContract>['record'] {
  return async ({ entry }) => {
    const { index } = await log.record(entryFrom(entry));
    return { index };
  };
}
