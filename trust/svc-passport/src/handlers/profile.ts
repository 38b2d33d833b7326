import { RonError } from '@ron/proto/errors';
import type { AuthenticatedPrincipal } from '@ron/service';
import { narrowedTenant } from '../narrowing.ts';
import type { PassportStore } from '../store/passport-store.ts';
import type { PassportHandler } from './handler.ts';

/** Everyone may read their own; the contract has no scope, so the rest is decided here. */
export function createProfile(store: PassportStore): PassportHandler<'profile'> {
  return ({ subject, tenant }, { context }) => {
    const principal: AuthenticatedPrincipal = context.principal;
    if (principal.anonymous) throw new RonError('unauthenticated', 'this needs a capability');
    const wanted = {
      subject: subject ?? principal.subject,
      tenant: tenant ?? (subject === undefined ? principal.tenant : context.tenant),
    };
    const isOwn = wanted.subject === principal.subject && wanted.tenant === principal.tenant;
    if (!isOwn) {
      if (!principal.allows('admin', 'admin/passport')) {
        throw new RonError('forbidden', 'the profiles of others need admin/passport');
      }
      narrowedTenant(principal, context.tenant, wanted.tenant);
    }
    const record = store.subject(wanted.tenant, wanted.subject);
    if (record === undefined) throw new RonError('not_found', 'the node has no profile of this subject');
    return record.profile;
  };
}
