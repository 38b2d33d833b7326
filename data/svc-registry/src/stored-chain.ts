import type { SnapshotHead } from '@ron/proto/registry';
import { checkSuccessor, documentId, type HeldSnapshot, parseSignedSnapshot } from '@ron/signed';
import type { RegistryParts } from './registry.ts';
import { headOf, idKey, type Rows, snapshotKey, snapshotPrefix, textOf } from './rows.ts';

export function heldIn(rows: Pick<Rows, 'get'>, { version, id }: SnapshotHead): HeldSnapshot {
  const text = textOf(rows, snapshotKey(version));
  if (text === undefined) throw damaged(version);
  return { id, snapshot: parseSignedSnapshot(text).document };
}

/**
 * Checks what an earlier run left: every kept snapshot has the id that was noted for it and follows the one that was
 * noted before it, and the signatures of the newest step hold. The others were checked when they came, and a changed one
 * would have another id.
 */
export function checkStoredChain({ table, blake3, verify }: Pick<RegistryParts, 'table' | 'blake3' | 'verify'>): void {
  const head = headOf(table)!;
  let [before, newest]: (HeldSnapshot | undefined)[] = [];
  const texts = [...table.entries(snapshotPrefix)].sort(([one], [other]) => (one < other ? -1 : 1));
  let signed: ReturnType<typeof parseSignedSnapshot> | undefined;
  for (const [key, text] of texts) {
    signed = parseSignedSnapshot(text as string);
    const { document } = signed;
    const id = documentId(document, blake3);
    const isNoted = key === snapshotKey(document.version) && textOf(table, idKey(document.version)) === id;
    const follows = document.version === 1 || textOf(table, idKey(document.version - 1)) === document.previous;
    if (!isNoted || !follows) throw damaged(document.version);
    [before, newest] = [newest, { id, snapshot: document }];
  }
  if (signed === undefined || newest?.id !== head.id || newest.snapshot.version !== head.version) {
    throw damaged(head.version);
  }
  if (before?.snapshot.version === head.version - 1) checkSuccessor(before, signed, verify);
}

function damaged(version: number): Error {
  return new Error(`the registry's store does not hold: version ${version} is not what was committed`);
}
