import type { Disk } from '@ron/kernel';
import { verifyExport } from './export-source.ts';
import { verifyFolder } from './folder-source.ts';
import type { Trust } from './heads.ts';
import type { VerifyReport } from './report.ts';

/** A folder of a disk log whose node is off, which is read and never written; or the bytes of an NDJSON export. */
export type LogSource =
  | { readonly kind: 'folder'; readonly disk: Disk; readonly folder: string }
  | { readonly kind: 'export'; readonly bytes: AsyncIterable<Uint8Array> };

/**
 * Checks a whole log offline: every entry against its hash, every tile against those below, the root against the signed
 * checkpoint and against one known from elsewhere. Reports what was edited, deleted, reordered, cut off or added, with the
 * index. Rejects only for what is no evidence about the log: a malformed key, a folder in use (`EBUSY`), a failing disk.
 */
export function verifyLog(source: LogSource, trust: Trust): Promise<VerifyReport> {
  return source.kind === 'folder' ? verifyFolder(source.disk, source.folder, trust) : verifyExport(source.bytes, trust);
}
