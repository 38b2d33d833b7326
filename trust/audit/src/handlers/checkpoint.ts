import type { Table } from '@ron/journal';
import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import type { AuditLog } from '../log.ts';
import type { CosignedRecord } from '../witness.ts';

export function createCheckpoint(
  log: AuditLog,
  cosigned: Table<CosignedRecord>,
): Handlers<typeof auditContract>['checkpoint'] {
  return async (input) => {
    const text = input.cosigned === true ? cosigned.get('own')?.note : (await log.checkpoint()).text;
    if (text === undefined) throw new RonError('not_found', 'no witness has cosigned a checkpoint of this log yet');
    const bytes = new TextEncoder().encode(text);
    return {
      output: {
        content_type: 'text/plain; charset=utf-8',
        cache_control: 'no-store',
        content_length: bytes.byteLength,
      },
      body: new ResidentBody(bytes),
    };
  };
}
