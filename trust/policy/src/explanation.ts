import type { PolicyDocument } from './document.ts';
import { type Asked, factsOf } from './facts.ts';
import type { DecidingRule, RuleSet } from './rule-set.ts';
import { exemptResource } from './verdicts.ts';

/** Rules that an explanation names. */
const namedMax = 64;

export interface Explanation {
  readonly decision: 'allow' | 'deny';
  readonly policy?: string;
  readonly rules: readonly DecidingRule[];
  readonly note: string;
}

const capability = 'The capability is asked before the policy and has to allow the request too.';

/** What the policy in force says of a request that a capability allows. */
export function explain(
  asked: Asked,
  inForce: { readonly id: string; readonly document: PolicyDocument; readonly rules: RuleSet } | undefined,
): Explanation {
  if (inForce === undefined) {
    return { decision: 'allow', rules: [], note: `There is no policy: what the capability allows is allowed.` };
  }
  const policy = inForce.id;
  if (asked.resource === exemptResource) {
    return { decision: 'allow', policy, rules: [], note: `Rules do not apply to ${exemptResource}. ${capability}` };
  }
  const { allowed, rules } = inForce.rules.decide(factsOf(asked));
  const why = allowed
    ? rules.length === 0
      ? 'No rule forbids it.'
      : 'A rule permits it and none forbids it.'
    : rules.length === 0
      ? 'The policy has permit rules and none of them permits it.'
      : 'A rule forbids it.';
  return {
    decision: allowed ? 'allow' : 'deny',
    policy,
    rules: rules.slice(0, namedMax),
    note: `${why} ${capability}`,
  };
}
