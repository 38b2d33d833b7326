import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { consistencyProof, encodeBase64, treeRoot, verifyConsistency } from '@ron/tlog';
import { treeHasher } from '../hashing.ts';
import type { AuditLog } from '../log.ts';

export function createConsistency(log: AuditLog): Handlers<typeof auditContract>['consistency'] {
  return async ({ from, to: asked }) => {
    const head = await log.checkpoint();
    const to = asked ?? head.size;
    if (from > to) throw new RonError('bad_request', 'a tree is the beginning of larger ones only');
    if (to > head.size) throw new RonError('not_found', `the log has ${head.size} entries`);
    const fromRoot = await treeRoot(from, log.hashes, treeHasher);
    const toRoot = to === head.size ? head.root : await treeRoot(to, log.hashes, treeHasher);
    const proof = await consistencyProof(from, to, log.hashes, treeHasher);
    if (!verifyConsistency({ from, to, fromRoot, toRoot, proof }, treeHasher)) {
      throw new RonError('integrity', 'the audit log’s hashes do not make up the proof', { details: { index: from } });
    }
    return {
      from,
      to,
      from_root: encodeBase64(fromRoot),
      to_root: encodeBase64(toRoot),
      proof: proof.map(encodeBase64),
    };
  };
}
