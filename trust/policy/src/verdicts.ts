import type { Metrics } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { PolicyRequest, PolicyStage } from '@ron/service';
import { LRUCache } from 'lru-cache';
import { askedBy, factsOf } from './facts.ts';
import type { RuleSet, Verdict } from './rule-set.ts';

/** Verdicts remembered, about 0.5 KB each: at most some 60 MB. */
export const verdictsMax = 100_000;
/** Characters of a question that is remembered; longer ones are decided each time. */
const questionMax = 512;

/** Rules say nothing about this resource: a policy that forbids too much can always be replaced by its signers. */
export const exemptResource = 'admin/policy';

const unasked: Verdict = { allowed: true, rules: [] };

/** The policy stage: rules in force, with a memory of what they said. */
export class Verdicts implements PolicyStage {
  #policy: string | undefined;
  #rules: RuleSet | undefined;
  readonly #known = new LRUCache<string, Verdict>({ max: verdictsMax });
  readonly #allowed: { inc(): void };
  readonly #denied: { inc(): void };

  constructor(metrics?: Metrics) {
    const counter = metrics?.counter('policy_decisions_total', 'What the policy said of requests', ['decision']);
    this.#allowed = counter?.labels({ decision: 'allow' }) ?? { inc: () => undefined };
    this.#denied = counter?.labels({ decision: 'deny' }) ?? { inc: () => undefined };
  }

  /** Verdicts remembered now. */
  get size(): number {
    return this.#known.size;
  }

  /** From the next question on, only these rules count. */
  use(policy: string, rules: RuleSet): void {
    const before = this.#rules;
    this.#policy = policy;
    this.#rules = rules.isEmpty ? undefined : rules;
    this.#known.clear();
    before?.dispose();
  }

  decide(request: PolicyRequest): void {
    const { allowed, rules } = this.#verdict(request);
    if (allowed) {
      this.#allowed.inc();
      return;
    }
    this.#denied.inc();
    const [rule] = rules;
    throw new RonError('forbidden', 'the policy of this node does not allow it', {
      details: { policy: this.#policy, ...(rule === undefined ? {} : { rule: rule.rule }) },
    });
  }

  #verdict(request: PolicyRequest): Verdict {
    const rules = this.#rules;
    if (rules === undefined || request.resource === exemptResource) return unasked;
    const question = questionOf(request);
    return this.#known.get(question) ?? this.#ask(rules, request, question);
  }

  #ask(rules: RuleSet, request: PolicyRequest, question: string): Verdict {
    // Of what decided only the first is ever told: a thousand rules a verdict would be gigabytes.
    const { allowed, rules: found } = rules.decide(factsOf(askedBy(request)));
    const verdict = allowed ? unasked : { allowed, rules: found.slice(0, 1) };
    if (question.length <= questionMax) this.#known.set(question, verdict);
    return verdict;
  }
}

/** Everything that rules can see. The lengths keep two questions from having one text: callers choose the resource. */
function questionOf({ op, method, resource, tenant, principal: { subject, capabilityId } }: PolicyRequest): string {
  return `${op} ${method} ${tenant.length} ${subject.length} ${capabilityId.length} ${tenant}${subject}${capabilityId}${resource}`;
}
