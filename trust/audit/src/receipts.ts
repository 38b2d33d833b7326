import { RonError } from '@ron/proto/errors';
import { encodeReceipt, inclusionProof, treeRoot, verifyInclusion } from '@ron/tlog';
import { treeHasher } from './hashing.ts';
import type { AuditLog, StoredEntry } from './log.ts';

export interface ProvenEntry {
  readonly leafHash: Uint8Array;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * An inclusion proof that was checked before it is handed out: against the checkpoint's root where `root` is given.
 * Rejects with `integrity` when the stored hashes do not make up the proof. `index` < `size` ≤ the log's size.
 */
export async function proveInclusion(
  log: AuditLog,
  index: number,
  size: number,
  root?: Uint8Array,
): Promise<ProvenEntry> {
  const [leafHash] = (await log.hashes([{ level: 0, index }])) as [Uint8Array];
  const proof = await inclusionProof(index, size, log.hashes, treeHasher);
  const proven = { leafHash, proof, root: root ?? (await treeRoot(size, log.hashes, treeHasher)) };
  if (verifyInclusion({ index, size, ...proven }, treeHasher)) return proven;
  throw new RonError('integrity', `the audit log’s hashes do not prove entry ${index}`, { details: { index } });
}

/** For an HTTP header: see `encodeReceipt`. Waits for a checkpoint over the entry. */
export async function createReceipt(log: AuditLog, index: number): Promise<string> {
  if (index >= log.size) throw new RonError('not_found', `the log has no entry ${index}`);
  const { size, root, text } = await log.checkpoint(index + 1);
  const { proof } = await proveInclusion(log, index, size, root);
  const [{ entry }] = (await log.read(index, index + 1)) as [StoredEntry];
  return encodeReceipt({ index, entry, proof, checkpoint: text });
}
