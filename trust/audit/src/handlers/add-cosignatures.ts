import type { Table } from '@ron/journal';
import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import {
  encodeBase64,
  encodeNote,
  type Note,
  type NoteSignature,
  noteSignaturesMax,
  openCheckpoint,
  parseNote,
  parseSignatureLines,
  parseVerifierKey,
  sameHash,
  treeRoot,
  type VerifierKey,
  verifyCosignature,
} from '@ron/tlog';
import { treeHasher, verifyEd25519 } from '../hashing.ts';
import type { AuditLog } from '../log.ts';
import type { CosignedRecord } from '../witness.ts';

export function createAddCosignatures(
  log: AuditLog,
  cosigned: Table<CosignedRecord>,
): Handlers<typeof auditContract>['add_cosignatures'] {
  return async (input) => {
    const keys = input.verifier_keys.map(parseVerifierKey);
    const { size, root, note } = await openCheckpoint(input.checkpoint, log.signer.keys(), verifyEd25519);
    const own = size <= log.size && sameHash(await treeRoot(size, log.hashes, treeHasher), root);
    if (!own) throw new RonError('conflict', 'that is no checkpoint of this log', { details: { reason: 'fork' } });
    const added = await checked(note.text, parseSignatureLines(input.cosignatures), keys);
    return cosigned.transact((table) => {
      const before = table.get('own');
      if (before !== undefined && before.size > size) {
        const details = { reason: 'rollback', size: before.size };
        throw new RonError('conflict', 'a later checkpoint is cosigned already', { details });
      }
      const base: Note = before?.size === size && before.note !== undefined ? parseNote(before.note) : note;
      const signatures = merged(base.signatures, added);
      const record = { size, root: encodeBase64(root), keys: [], note: encodeNote({ text: base.text, signatures }) };
      return { changes: [['own', record]], result: { size, cosignatures: added.length } };
    });
  };
}

async function checked(
  text: string,
  lines: readonly NoteSignature[],
  keys: readonly VerifierKey[],
): Promise<readonly NoteSignature[]> {
  for (const line of lines) {
    const found = await Promise.all(keys.map((key) => verifyCosignature(text, line, key, verifyEd25519)));
    if (!found.some((each) => each !== undefined)) {
      throw new RonError('bad_request', `the cosignature of ${line.name} is not by one of the keys given`);
    }
  }
  return lines;
}

/** A witness's newer cosignature takes the place of its older one. */
function merged(base: readonly NoteSignature[], added: readonly NoteSignature[]): readonly NoteSignature[] {
  const keyOf = ({ name, keyId }: NoteSignature) => `${name} ${keyId}`;
  const signatures = [...new Map([...base, ...added].map((each) => [keyOf(each), each])).values()];
  if (signatures.length <= noteSignaturesMax) return signatures;
  throw new RonError('conflict', `a checkpoint has at most ${noteSignaturesMax} signatures`);
}
