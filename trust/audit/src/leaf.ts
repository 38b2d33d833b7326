import { canonicalJson } from '@ron/naming';
import { type AuditLeaf, auditLimits } from '@ron/proto/audit';
import type { AuditEntry } from '@ron/service';

/** Characters kept of each text of an entry, and how many of each list; less where the whole would pass 8 KiB. */
const textMax = 512;
const resourcesMax = 16;
const fieldsMax = 32;
/** With this few characters of each text, no entry passes 8 KiB: a character takes at most 6 bytes as JSON. */
const textMin = 8;

const encoder = new TextEncoder();

/**
 * What is hashed and kept: canonical JSON of at most 8 KiB. Long texts are cut, ever shorter until the whole fits; then
 * `clipped` is set. What is not well-formed Unicode is replaced: nobody can stop an entry by what stands in it.
 */
export function encodeLeaf(entry: AuditEntry, atMs: number): Uint8Array {
  for (let characters = textMax; ; characters = Math.max(textMin, characters / 2)) {
    const bytes = encoder.encode(canonicalJson(leafOf(entry, atMs, characters)));
    if (bytes.byteLength <= auditLimits.entryBytesMax || characters === textMin) return bytes;
  }
}

function leafOf(entry: AuditEntry, atMs: number, characters: number): AuditLeaf {
  let clipped = entry.resources.length > resourcesMax || Object.keys(entry.fields).length > fieldsMax;
  const clip = (text: string) => {
    if (text.length > characters) clipped = true;
    return text.slice(0, characters).toWellFormed();
  };
  const fields = Object.entries(entry.fields)
    .slice(0, fieldsMax)
    .map(([name, value]) => [clip(name), clip(value)] as const);
  const leaf = {
    v: 1 as const,
    at: Math.max(0, Math.floor(atMs)),
    op: clip(entry.op),
    outcome: clip(entry.outcome),
    corr_id: clip(entry.corr_id),
    subject: clip(entry.subject),
    capability_id: clip(entry.capability_id),
    tenant: clip(entry.tenant),
    resources: entry.resources.slice(0, resourcesMax).map(clip),
    fields: Object.fromEntries(fields),
    ...(entry.reason === undefined ? {} : { reason: clip(entry.reason) }),
  };
  return clipped ? { ...leaf, clipped: true } : leaf;
}

/** Of a stored entry. Undefined when it is not an entry of this version. */
export function parseLeaf(bytes: Uint8Array): AuditLeaf | undefined {
  try {
    const leaf = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as AuditLeaf;
    const ours = leaf.v === 1 && typeof leaf.op === 'string' && typeof leaf.at === 'number';
    return ours && typeof leaf.fields === 'object' && leaf.fields !== null ? leaf : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** What the log notes of itself. */
export function ownEntry(op: string, fields: Readonly<Record<string, string>>): AuditEntry {
  return {
    op,
    outcome: 'ok',
    corr_id: '',
    subject: 'node',
    capability_id: '',
    tenant: 'node',
    resources: ['admin/audit'],
    fields,
  };
}
