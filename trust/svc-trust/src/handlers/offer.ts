import type { AuditLog } from '@ron/audit';
import type { Handlers } from '@ron/proto/contract';
import type { trustContract } from '@ron/proto/trust';
import { entryFrom } from '../entry.ts';

export function createOffer(log: AuditLog): Handlers<typeof trustContract>['offer'] {
  return ({ entries }) => {
    for (const entry of entries) log.offer(entryFrom(entry));
    return {};
  };
}
