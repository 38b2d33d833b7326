import type { AuditEntry } from '@ron/service';

/** What the pipeline writes of an issued passport: a leaf of about 400 bytes. */
export function auditEntryOf(at: number): AuditEntry {
  return {
    op: 'passport.issue',
    outcome: 'ok',
    corr_id: `01jd${at.toString(32).padStart(22, '0')}`,
    subject: 'owner',
    capability_id: '019a0000-0000-7000-8000-000000000000',
    tenant: '',
    resources: ['admin/passport'],
    fields: {
      subject: `user-${at}`,
      tenant: '',
      capability_id: '019a0000-0000-7000-8000-000000000001',
      family: '00112233445566778899aabbccddeeff',
      expires_at: '1790000000000',
    },
  };
}
