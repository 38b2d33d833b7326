import { type AuditLine, type auditContract, auditLimits } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { encodeBase64 } from '@ron/tlog';
import { parseLeaf } from '../leaf.ts';
import type { AuditLog, StoredEntry } from '../log.ts';

/** Bytes of entries that one answer holds, so that it fits into a frame; one entry always comes. */
const replyBytesMax = 768 * 1024;

export function createTail(log: AuditLog): Handlers<typeof auditContract>['tail'] {
  return async ({ from: asked, wait_ms: waitMs = 0, limit = auditLimits.tailMax }, { context }) => {
    const from = asked ?? log.size;
    const size = await log.grown(from, waitMs, waitMs > 0 ? context.signal : undefined);
    const stored = from < size ? await log.read(from, Math.min(size, from + limit)) : [];
    const entries: AuditLine[] = [];
    let bytes = 0;
    for (const each of stored) {
      bytes += each.entry?.byteLength ?? 0;
      if (entries.length > 0 && bytes > replyBytesMax) break;
      entries.push(lineOf(each));
    }
    return { entries, next: from + entries.length, size };
  };
}

function lineOf({ index, leafHash, entry }: StoredEntry): AuditLine {
  const leaf = entry === undefined ? null : parseLeaf(entry);
  if (leaf === undefined) throw new RonError('integrity', `audit entry ${index} is damaged`, { details: { index } });
  return { index, leaf_hash: encodeBase64(leafHash), entry: leaf };
}
