import { type CedarPolicy, type ParsedRule, parseRules, refuseRules } from './cedar.ts';
import { CedarSet } from './cedar-set.ts';
import { type Condition, compileCondition } from './condition.ts';
import { documentLimits, methods } from './document.ts';
import { ancestry, type Facts, scopeFits } from './facts.ts';

export interface DecidingRule {
  readonly rule: string;
  readonly effect: 'permit' | 'forbid';
  /** The rule could not be evaluated: such a forbid forbids, such a permit permits nothing. */
  readonly error?: boolean;
}

export interface Verdict {
  readonly allowed: boolean;
  /** What decided; empty when nothing forbids and nothing has to permit. */
  readonly rules: readonly DecidingRule[];
}

interface Rule {
  readonly parsed: ParsedRule;
  /** Undefined: Cedar evaluates it. */
  readonly conditions: readonly Condition[] | undefined;
}

/** The rules that can fit, found by the method and by what the head says of resource or subject. */
interface Index {
  readonly byResource: Map<string, Rule[]>;
  readonly byPrincipal: Map<string, Rule[]>;
  readonly others: Rule[];
}

const allowed: Verdict = { allowed: true, rules: [] };

/**
 * The rules of one document, ready to decide. Forbids win over permits; without a single permit rule nothing has to
 * permit, because the capability already did. A forbid that cannot be evaluated forbids and a permit that cannot be
 * evaluated permits nothing, so that taking a permit away or adding a forbid never allows more.
 */
export class RuleSet {
  readonly rules: readonly ParsedRule[];
  readonly #mustPermit: boolean;
  readonly #byMethod = new Map<string, Index>();
  readonly #leftToCedar: CedarSet | undefined;

  private constructor(rules: readonly Rule[], leftToCedar: CedarSet | undefined) {
    this.rules = rules.map(({ parsed }) => parsed);
    this.#mustPermit = this.rules.some(({ cedar }) => cedar.effect === 'permit');
    this.#leftToCedar = leftToCedar;
    for (const method of methods) this.#byMethod.set(method, indexOf(rules, method));
  }

  /** `bad_request` for what is not Cedar, see `parseRules`, and past 1,000 rules that only Cedar evaluates. */
  static async create(text: string, pause?: () => Promise<void>): Promise<RuleSet> {
    const parsed = await parseRules(text, pause);
    const rules = parsed.map((rule) => ({ parsed: rule, conditions: conditionsOf(rule.cedar) }));
    const hard = rules.filter(({ conditions }) => conditions === undefined).map((rule) => rule.parsed);
    if (hard.length > documentLimits.cedarRulesMax) {
      refuseRules(`at most ${documentLimits.cedarRulesMax} rules use what only Cedar evaluates, such as arithmetic`);
    }
    return new RuleSet(rules, hard.length === 0 ? undefined : await CedarSet.create(hard));
  }

  get isEmpty(): boolean {
    return this.rules.length === 0;
  }

  decide(facts: Facts): Verdict {
    if (this.isEmpty) return allowed;
    const found = new Findings();
    const left: ParsedRule[] = [];
    for (const rule of this.#candidates(facts)) {
      if (rule.conditions === undefined) left.push(rule.parsed);
      else found.add(rule.parsed, evaluate(rule.conditions, facts));
    }
    if (left.length > 0) {
      this.#leftToCedar?.decide(facts, left, (rule, holds) => found.add(rule, holds));
    }
    if (found.forbids.length > 0) return { allowed: false, rules: found.forbids };
    if (!this.#mustPermit) return allowed;
    return { allowed: found.permits.length > 0, rules: found.permits };
  }

  /** Cedar keeps its set until another takes its place. Rules that only Cedar evaluates then count as not evaluable. */
  dispose(): void {
    this.#leftToCedar?.dispose();
  }

  *#candidates(facts: Facts): Iterable<Rule> {
    const index = this.#byMethod.get(facts.method);
    if (index === undefined) throw new TypeError(`no such method: ${facts.method}`);
    const fits = ({ parsed: { cedar } }: Rule) =>
      scopeFits('resource', cedar.resource, facts) && scopeFits('principal', cedar.principal, facts);
    for (const rule of index.others) if (fits(rule)) yield rule;
    if (index.byPrincipal.size > 0) {
      for (const rule of index.byPrincipal.get(`Subject ${facts.principalId}`) ?? []) if (fits(rule)) yield rule;
      for (const rule of index.byPrincipal.get(`Tenant ${facts.tenant}`) ?? []) if (fits(rule)) yield rule;
    }
    if (index.byResource.size === 0) return;
    for (const above of ancestry(facts.resource)) {
      for (const rule of index.byResource.get(above) ?? []) if (fits(rule)) yield rule;
    }
  }
}

class Findings {
  readonly forbids: DecidingRule[] = [];
  readonly permits: DecidingRule[] = [];

  add({ name, cedar: { effect } }: ParsedRule, holds: boolean | 'error'): void {
    if (holds === false || (holds === 'error' && effect === 'permit')) return;
    const deciding = { rule: name, effect, ...(holds === 'error' ? { error: true } : {}) };
    (effect === 'forbid' ? this.forbids : this.permits).push(deciding);
  }
}

function evaluate(conditions: readonly Condition[], facts: Facts): boolean | 'error' {
  try {
    return conditions.every((condition) => condition(facts));
  } catch {
    return 'error';
  }
}

function conditionsOf({ conditions }: CedarPolicy): readonly Condition[] | undefined {
  const compiled = conditions.map(({ kind, body }) =>
    compileCondition(kind === 'when' ? body : { '!': { arg: body } }),
  );
  return compiled.every((condition) => condition !== undefined) ? compiled : undefined;
}

function indexOf(rules: readonly Rule[], method: string): Index {
  const index: Index = { byResource: new Map(), byPrincipal: new Map(), others: [] };
  for (const rule of rules) {
    const { action, resource, principal } = rule.parsed.cedar;
    if (!scopeFits('action', action, { method } as Facts)) continue;
    const place = resource.entity ?? resource.in?.entity;
    const who = principal.entity ?? principal.in?.entity;
    if (place !== undefined) put(index.byResource, place.id, rule);
    else if (who !== undefined) put(index.byPrincipal, `${who.type} ${who.id}`, rule);
    else index.others.push(rule);
  }
  return index;
}

function put(map: Map<string, Rule[]>, key: string, rule: Rule): void {
  const rules = map.get(key);
  if (rules === undefined) map.set(key, [rule]);
  else rules.push(rule);
}
