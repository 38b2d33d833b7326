import { RonError } from '@ron/proto/errors';
import { narrowedTenant } from '../narrowing.ts';
import type { Revoker } from '../revoker.ts';
import { checkText } from '../text.ts';
import type { PassportHandler } from './handler.ts';

export function createRevoke(revoker: Revoker): PassportHandler<'revoke'> {
  return ({ capability_id, subject, tenant, kid, family }, { context }) => {
    const { principal } = context;
    const named = [capability_id, subject, kid, family].filter((each) => each !== undefined);
    if (named.length !== 1 || (tenant !== undefined && subject === undefined)) {
      throw new RonError('bad_request', 'name one of capability_id, subject (with its tenant), kid, family');
    }
    if (capability_id !== undefined) return revoker.capability(canonicalId(capability_id), principal);
    if (family !== undefined) return revoker.family(family, principal);
    if (kid !== undefined) return revoker.key(kid, principal);
    checkText('subject', subject!);
    return revoker.subject(narrowedTenant(principal, context.tenant, tenant), subject!, principal);
  };
}

/** As capabilities spell it: a UUID in lower case or a ULID in upper case. Another spelling would be revoked and go on working. */
function canonicalId(id: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id.toLowerCase();
  if (/^[0-7][0-9a-hjkmnp-tv-z]{25}$/i.test(id)) return id.toUpperCase();
  throw new RonError('bad_request', 'capability_id is a UUID or a ULID', { details: { field: 'capability_id' } });
}
