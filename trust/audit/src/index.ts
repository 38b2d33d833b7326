export { type AuditExport, exportLog } from './export.ts';
export { verifyEd25519 } from './hashing.ts';
export { encodeLeaf, parseLeaf } from './leaf.ts';
export type { AuditLog, LogEvents, SignedHead, StoredEntry } from './log.ts';
export {
  createRamAuditLog,
  type DiskAuditLogOptions,
  openDiskAuditLog,
  type RamAuditLogOptions,
} from './open-log.ts';
export { createReceipt } from './receipts.ts';
export type { Retention } from './retention.ts';
export type { LogSigner } from './signer.ts';
export type { Trust as LogTrust } from './verify/heads.ts';
export type { Finding, FindingKind, VerifyReport } from './verify/report.ts';
export { type LogSource, verifyLog } from './verify/verify-log.ts';
