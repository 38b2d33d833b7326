import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { encodeBase64 } from '@ron/tlog';
import type { AuditLog } from '../log.ts';
import { createReceipt, proveInclusion } from '../receipts.ts';

export function createInclusion(log: AuditLog): Handlers<typeof auditContract>['inclusion'] {
  return async ({ index, size: asked }) => {
    if (index >= log.size) throw new RonError('not_found', `the log has no entry ${index}`);
    const head = await log.checkpoint(index + 1);
    const size = asked ?? head.size;
    if (size > head.size || index >= size)
      throw new RonError('not_found', 'the log has no such entry in a tree of that size');
    const proven = await proveInclusion(log, index, size, size === head.size ? head.root : undefined);
    return {
      index,
      size,
      leaf_hash: encodeBase64(proven.leafHash),
      root: encodeBase64(proven.root),
      proof: proven.proof.map(encodeBase64),
      receipt: await createReceipt(log, index),
    };
  };
}
