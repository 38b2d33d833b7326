import { type TrustEntry, trustLimits } from '@ron/proto/trust';
import type { AuditEntry } from '@ron/service';

/** On the wire: cut to what the log keeps and one character more, by which it sees that something is missing. */
export function entryTo(entry: AuditEntry): TrustEntry {
  const clip = (text: string): string => text.slice(0, trustLimits.textMax).toWellFormed();
  const fields = Object.entries(entry.fields).slice(0, trustLimits.fieldsMax);
  return {
    op: clip(entry.op),
    outcome: entry.outcome,
    corr_id: clip(entry.corr_id),
    subject: clip(entry.subject),
    capability_id: clip(entry.capability_id),
    tenant: clip(entry.tenant),
    resources: entry.resources.slice(0, trustLimits.resourcesMax).map(clip),
    fields: Object.fromEntries(fields.map(([name, value]) => [clip(name), clip(value)])),
    ...(entry.reason === undefined ? {} : { reason: clip(entry.reason) }),
  };
}

/** A process of this node says what became of a call: the log takes its word, as it takes that of this process. */
export function entryFrom(entry: TrustEntry): AuditEntry {
  return entry as AuditEntry;
}
