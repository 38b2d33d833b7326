import { type AuditLog, createReceipt } from '@ron/audit';
import type { Handlers } from '@ron/proto/contract';
import type { trustContract } from '@ron/proto/trust';

export function createProve(log: AuditLog): Handlers<typeof trustContract>['prove'] {
  return async ({ index }) => ({ proof: await createReceipt(log, index) });
}
