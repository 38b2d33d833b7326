export type { Activation, ActivePolicy } from './active-policy.ts';
export { clockSkewMsMax } from './candidate.ts';
export { type ParsedRule, parseRules } from './cedar.ts';
export { parsePolicy, readPolicy } from './check.ts';
export { type CheckResult, checkPolicy } from './check-policy.ts';
export {
  type DecisionChange,
  diffPolicies,
  type PolicyChange,
  type PolicyDifference,
} from './difference.ts';
export {
  type BodyLimits,
  documentLimits,
  type MailboxQuota,
  type PolicyDocument,
  type PolicyQuotas,
  type PolicySigner,
  policyType,
  type RateQuota,
} from './document.ts';
export { openPolicyEngine, type PolicyEngine, type PolicyEngineOptions, type PolicyInForce } from './engine.ts';
export type { Explanation } from './explanation.ts';
export { type FollowedDocument, FollowedPolicy } from './followed-policy.ts';
export { type LimitField, limitOf, lowered } from './limits.ts';
export { parsePolicyToml } from './policy-toml.ts';
export { type ProposalState, proposalTtlMs } from './proposals.ts';
export type { Refusal } from './refusal.ts';
export { type HistoryRow, type PolicyRow, type PolicyTable, policyRowsMax } from './rows.ts';
export { type DecidingRule, RuleSet, type Verdict } from './rule-set.ts';
export { addSignature, policyId, type SignedPolicy, type SignerKeys, signPolicy, verifyWithNode } from './signing.ts';
export { exemptResource, verdictsMax } from './verdicts.ts';
export { type Widening, widens } from './widening.ts';
