import { loadCedar, type ParsedRule } from './cedar.ts';
import { cedarRequest, type Facts } from './facts.ts';

type Cedar = Awaited<ReturnType<typeof loadCedar>>;

const freeSlots: string[] = [];
let slots = 0;

/** Rules that say more than `condition.ts` understands, parsed once by Cedar, which evaluates all of them at once. */
export class CedarSet {
  readonly #cedar: Cedar;
  readonly #slot: string;
  readonly #rules: readonly ParsedRule[];
  #disposed = false;

  private constructor(cedar: Cedar, slot: string, rules: readonly ParsedRule[]) {
    this.#cedar = cedar;
    this.#slot = slot;
    this.#rules = rules;
  }

  static async create(rules: readonly ParsedRule[]): Promise<CedarSet> {
    const cedar = await loadCedar();
    const slot = freeSlots.pop() ?? `ron-policy-${slots++}`;
    const staticPolicies = Object.fromEntries(rules.map(({ text }, place) => [`${place}`, text]));
    const answer = cedar.preparsePolicySet(slot, { staticPolicies });
    if (answer.type === 'failure') throw new Error(`Cedar refuses what it parsed: ${answer.errors[0]?.message}`);
    return new CedarSet(cedar, slot, rules);
  }

  /**
   * Tells of forbids that hold, or else of permits that hold, and of every rule that could not be evaluated. When
   * Cedar gives no answer at all, or has given the place of the set to another, that is every candidate.
   */
  decide(facts: Facts, candidates: readonly ParsedRule[], tell: (rule: ParsedRule, holds: true | 'error') => void) {
    const answer = this.#disposed
      ? undefined
      : this.#cedar.statefulIsAuthorized({
          ...cedarRequest(facts),
          preparsedPolicySetId: this.#slot,
          validateRequest: false,
        });
    if (answer === undefined || answer.type === 'failure') {
      for (const rule of candidates) tell(rule, 'error');
      return;
    }
    const { reason, errors } = answer.response.diagnostics;
    for (const place of reason) tell(this.#rules[Number(place)] as ParsedRule, true);
    for (const { policyId } of errors) tell(this.#rules[Number(policyId)] as ParsedRule, 'error');
  }

  /** Cedar has no way to forget a set, so its place is emptied and used again. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#cedar.preparsePolicySet(this.#slot, { staticPolicies: {} });
    freeSlots.push(this.#slot);
  }
}
