import { canonicalJson } from '@ron/naming';
import type { AuditExportHead } from '@ron/proto/audit';
import { RonError } from '@ron/proto/errors';
import { coverOf, encodeBase64, encodeVerifierKey, tileWidth } from '@ron/tlog';
import type { AuditLog } from './log.ts';

export interface AuditExport {
  readonly head: AuditExportHead;
  /** Lines of NDJSON, the head first, some hundred a piece. */
  readonly body: AsyncGenerator<Uint8Array>;
}

/**
 * Entries [from, to) under the newest checkpoint, with the hashes of what lies before and after, so that the signed root
 * can be computed from them: see docs/specs/audit.md. Rejects with `bad_request` for a range that is not in the log. The
 * body ends with `unavailable` when retention takes entries while they are being exported: start again.
 */
export async function exportLog(
  log: AuditLog,
  range: { readonly from?: number | undefined; readonly to?: number | undefined } = {},
): Promise<AuditExport> {
  // Before the checkpoint, which then covers the entry that says why nothing below is kept.
  const { keptFrom } = log;
  const { size, text } = await log.checkpoint();
  const from = range.from ?? 0;
  const to = range.to ?? size;
  if (from > to || to > size) throw new RonError('bad_request', `the log has entries 0 to ${size}`);
  const base64Of = async (start: number, end: number) => (await log.hashes(coverOf(start, end))).map(encodeBase64);
  const head: AuditExportHead = {
    type: 'ron-audit-export',
    v: 1,
    from,
    to,
    checkpoint: text,
    keys: log.signer.keys().map(encodeVerifierKey),
    before: await base64Of(0, from),
    after: await base64Of(to, size),
  };
  return { head, body: linesOf(log, head, keptFrom) };
}

async function* linesOf(log: AuditLog, head: AuditExportHead, keptFrom: number): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  yield encoder.encode(`${canonicalJson(head)}\n`);
  for (let at = head.from; at < head.to; ) {
    const end = Math.min(head.to, (Math.floor(at / tileWidth) + 1) * tileWidth);
    const entries = await log.read(at, end);
    const lines = entries.map(({ index, leafHash, entry }) => {
      if (entry === undefined && index >= keptFrom) {
        throw new RonError('unavailable', `retention took entry ${index} before it was exported`);
      }
      // A leaf is canonical JSON already, and members stand in their canonical order here.
      const leaf = entry === undefined ? 'null' : decoder.decode(entry);
      return `{"entry":${leaf},"index":${index},"leaf_hash":"${encodeBase64(leafHash)}"}\n`;
    });
    yield encoder.encode(lines.join(''));
    at = end;
  }
}
