import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { exportLog } from '../export.ts';
import type { AuditLog } from '../log.ts';

export function createExport(log: AuditLog): Handlers<typeof auditContract>['export'] {
  return async (range) => {
    const { head, body } = await exportLog(log, range);
    return {
      output: { content_type: 'application/x-ndjson', cache_control: 'no-store', size: head.to },
      body,
    };
  };
}
