import type { Snapshot, SnapshotHead } from '@ron/proto/registry';
import { encodeSigned, type SignedDocument } from '@ron/signed';
import {
  headKey,
  historyCharactersMax,
  idKey,
  idsKeptMax,
  type RowChange,
  type Rows,
  snapshotKey,
  snapshotPrefix,
} from './rows.ts';

function headFor(id: string, { version, issued_at, expires_at }: Snapshot): SnapshotHead {
  return { version, id, issued_at, expires_at };
}

/** The rows that make a snapshot the head, and those of snapshots that are too old, or too many, to keep. */
export function recordHead(
  rows: Rows,
  id: string,
  signed: SignedDocument<Snapshot>,
  snapshotsMax: number,
): { readonly changes: readonly RowChange[]; readonly result: SnapshotHead } {
  const head = headFor(id, signed.document);
  const text = encodeSigned(signed);
  const changes: RowChange[] = [
    [headKey, head],
    [snapshotKey(head.version), text],
    [idKey(head.version), id],
  ];
  const tooOld = head.version - idsKeptMax;
  if (tooOld > 1) changes.push([idKey(tooOld), undefined]);
  for (const key of surplus(rows, text.length, snapshotsMax)) changes.push([key, undefined]);
  return { changes, result: head };
}

/** Never the first, which is what clients pin. */
function surplus(rows: Rows, newCharacters: number, snapshotsMax: number): readonly string[] {
  const first = snapshotKey(1);
  const kept = [...rows.entries(snapshotPrefix)].filter(([key]) => key !== first);
  const newestFirst = kept.sort(([one], [other]) => (one < other ? 1 : -1));
  let characters = newCharacters;
  return newestFirst
    .filter(([, text], index) => {
      characters += (text as string).length;
      return index + 2 > snapshotsMax || characters > historyCharactersMax;
    })
    .map(([key]) => key);
}
