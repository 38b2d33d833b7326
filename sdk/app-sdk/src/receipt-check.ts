import type { AuditLeaf } from '@ron/proto/audit';
import { RonError } from '@ron/proto/errors';
import {
  encodeBase64,
  encodeNote,
  openCheckpoint,
  parseVerifierKey,
  type SignedCheckpoint,
  verifyReceipt,
} from '@ron/tlog';
import type { AuditCheckpoint, AuditReceipt, ExpectedEntry } from './audit.ts';
import { verifyEd25519 } from './platform.ts';

// Imported when a first proof is checked: a page that never checks one does not load it.

/** Refuses (`integrity`) what no key of `keys` signed. */
export async function openLogCheckpoint(text: string, keys: readonly string[]): Promise<AuditCheckpoint> {
  try {
    return view(await openCheckpoint(text, keys.map(parseVerifierKey), verifyEd25519), text);
  } catch (cause) {
    throw new RonError('integrity', 'the checkpoint is not signed by a known key', { cause });
  }
}

/** Refuses (`integrity`) what does not prove its entry under one of `keys`. */
export async function openReceipt(text: string, keys: readonly string[]): Promise<AuditReceipt> {
  const { index, entry, checkpoint } = await verifyReceipt(text, { keys, verify: verifyEd25519 });
  return { text, index, entry: leafOf(entry), checkpoint: view(checkpoint, encodeNote(checkpoint.note)) };
}

/** A true receipt of some other call proves nothing about this one. */
export function refuseOther({ entry }: AuditReceipt, { op, corrId, resource, fields }: ExpectedEntry): void {
  const isCall = entry.op === op && entry.corr_id === corrId && entry.outcome === 'ok';
  const isSame = Object.entries(fields).every(([name, text]) => entry.fields[name] === text);
  if (isCall && isSame && entry.resources.includes(resource)) return;
  throw new RonError('integrity', 'it is about another call');
}

function view({ origin, size, root }: SignedCheckpoint, text: string): AuditCheckpoint {
  return { origin, size, root: encodeBase64(root), text };
}

function leafOf(entry: Uint8Array): AuditLeaf {
  try {
    const leaf: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(entry));
    if (isLeaf(leaf)) return leaf;
  } catch (cause) {
    throw new RonError('integrity', 'the entry cannot be read', { cause });
  }
  throw new RonError('integrity', 'the entry is no entry of an audit log');
}

/** As much of it as is looked at here: what the log signed is a matter between the node and whoever reads its log. */
function isLeaf(leaf: unknown): leaf is AuditLeaf {
  if (typeof leaf !== 'object' || leaf === null) return false;
  const { resources, fields } = leaf as Partial<AuditLeaf>;
  return Array.isArray(resources) && typeof fields === 'object' && fields !== null;
}
