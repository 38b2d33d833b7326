import type { Env } from '@ron/kernel';
import type { Principal } from '@ron/proto/contract';
import type { IssueInput, Passport } from '@ron/proto/passport';
import type { Answers } from '../answers.ts';
import type { Issuer, PassportRequest } from '../issuer.ts';
import { narrowedLimits, narrowedTenant, refuseWiderRights } from '../narrowing.ts';
import { hashOf } from '../refresh-token.ts';
import { checkSubject, checkText } from '../text.ts';
import type { PassportHandler } from './handler.ts';

/**
 * Rights, tenant and limits are the issuer's own or less. Time is not: a passport may outlive the capability that it
 * was issued with, which lasts an hour at most; so may its use from other addresses. To take back what a stolen
 * administrator's capability has issued, revoke those subjects: the audit log names them.
 */
export function createIssue(
  issuer: Issuer,
  answers: Answers<Passport>,
  env: Pick<Env, 'work'>,
): PassportHandler<'issue'> {
  return (input, { context }) => {
    const { principal, idempotencyKey, tenant } = context;
    // Refused and narrowed before a kept answer is looked for: what a holder weakens offline has the same id and subject,
    // and must not get what the stronger one got.
    const request = requestOf(input, principal, tenant);
    return answers.once(
      ['issue', tenant, principal.subject, principal.capabilityId, idempotencyKey],
      hashOf(env.work, JSON.stringify(request)),
      () => issuer.issue(request),
    );
  };
}

function requestOf(input: IssueInput, by: Principal, contextTenant: string): PassportRequest {
  const tenant = narrowedTenant(by, contextTenant, input.tenant);
  checkSubject(input.subject);
  checkText('tenant', tenant);
  if (input.display_name !== undefined) checkText('display_name', input.display_name);
  refuseWiderRights(by, input.rights);
  return {
    subject: input.subject,
    tenant,
    kind: input.kind ?? 'user',
    rights: input.rights,
    limits: narrowedLimits(by, input.limits),
    ttlS: input.ttl_s,
    scheme: input.scheme,
    key: input.key,
    displayName: input.display_name,
    keys: input.keys,
    issuedBy: issuerOf(by),
  };
}

/** Kept beside a family, for people. */
export function issuerOf({ subject, capabilityId }: Principal): string {
  return `${subject} ${capabilityId}`;
}
