import type { Env } from '@ron/kernel';
import type { Right } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import type { Passport } from '@ron/proto/passport';
import type { Answers } from '../answers.ts';
import type { Issuer, PassportRequest } from '../issuer.ts';
import { narrowedLimits, refuseWiderRights } from '../narrowing.ts';
import { hashOf } from '../refresh-token.ts';
import { serviceSubject } from '../text.ts';
import type { PassportHandler } from './handler.ts';
import { issuerOf } from './issue.ts';

/**
 * The rights are those of the node's own table, and still none that the issuer does not have: a right to issue
 * passports alone must not become a right to data.
 */
export function createIssueService(
  issuer: Issuer,
  serviceRights: ReadonlyMap<string, readonly Right[]>,
  answers: Answers<Passport>,
  env: Pick<Env, 'work'>,
): PassportHandler<'issue_service'> {
  return (input, { context }) => {
    const { principal, idempotencyKey } = context;
    if (principal.tenant !== '') {
      throw new RonError('forbidden', 'services are the node’s, not a tenant’s', { details: { reason: 'tenant' } });
    }
    const rights = serviceRights.get(input.service);
    if (rights === undefined) throw new RonError('not_found', 'the node has no such service');
    // Before a kept answer is looked for, as in `issue`.
    refuseWiderRights(principal, rights);
    const request: PassportRequest = {
      subject: serviceSubject(input.service),
      tenant: '',
      kind: 'service',
      rights,
      limits: narrowedLimits(principal),
      ttlS: input.ttl_s,
      scheme: input.scheme,
      key: input.key,
      keys: [input.key],
      issuedBy: issuerOf(principal),
    };
    return answers.once(
      ['issue_service', principal.subject, principal.capabilityId, idempotencyKey],
      hashOf(env.work, JSON.stringify(request)),
      () => issuer.issue(request),
    );
  };
}
