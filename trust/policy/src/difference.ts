import type { CedarScope, ParsedRule } from './cedar.ts';
import { canonicalRule } from './containment.ts';
import { methods, type PolicyDocument } from './document.ts';
import { type Asked, factsOf } from './facts.ts';
import { RuleSet } from './rule-set.ts';
import { type Widening, wideningsOf } from './widening.ts';

export interface PolicyChange {
  /** The path of a field, or `rules.<name>`. */
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly effect: 'widens' | 'tightens' | 'neutral';
}

/** A request that the two documents decide differently. */
export interface DecisionChange {
  readonly asked: Asked;
  readonly before: 'allow' | 'deny';
  readonly after: 'allow' | 'deny';
}

export interface PolicyDifference {
  readonly changes: readonly PolicyChange[];
  /** Among sample requests made of what the rules of both name; at most `decisionsMax`. */
  readonly decisions: readonly DecisionChange[];
  readonly samples: number;
}

/** Sample requests that are tried, and changed decisions that are listed. */
const samplesMax = 5_000;
const decisionsMax = 100;

/** What a person wants to know before signing. Without `old`, against a node without a policy. */
export async function diffPolicies(old: PolicyDocument | undefined, next: PolicyDocument): Promise<PolicyDifference> {
  const [before, after] = [await RuleSet.create(old?.rules ?? ''), await RuleSet.create(next.rules ?? '')];
  try {
    const widenings = wideningsOf(old, next, before.rules, after.rules);
    const samples = samplesOf([...before.rules, ...after.rules]);
    return {
      changes: [
        ...widenings.map((widening) => ({ ...widening, effect: 'widens' as const })),
        ...fieldChanges(old, next, widenings),
        ...ruleChanges(before.rules, after.rules, widenings),
      ],
      decisions: samples.flatMap((asked) => decisionChange(asked, before, after)).slice(0, decisionsMax),
      samples: samples.length,
    };
  } finally {
    before.dispose();
    after.dispose();
  }
}

/** Fields that say nothing about what is allowed. */
const neutral: ReadonlySet<string> = new Set([
  'version',
  'previous',
  'issued_at',
  'expires_at',
  'break_change',
  'reason',
]);

/** Changed fields in which nothing widens. A field with both is listed as what widens. */
function fieldChanges(
  old: PolicyDocument | undefined,
  next: PolicyDocument,
  widenings: readonly Widening[],
): PolicyChange[] {
  const [before, after] = [leaves(old), leaves(next)];
  const told = new Set(widenings.map(({ what }) => what));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((what) => {
    const [from = 'absent', to = 'absent'] = [before.get(what), after.get(what)];
    if (from === to || told.has(what)) return [];
    return [{ what, from, to, effect: neutral.has(what) ? ('neutral' as const) : ('tightens' as const) }];
  });
}

/** `quotas.burst` → `10`; lists are one leaf, and rules are compared apart. */
function leaves(document: PolicyDocument | undefined): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      found.set(path, typeof value === 'string' ? value : JSON.stringify(value));
      return;
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
  };
  const { rules: _, type: __, ...fields } = document ?? {};
  walk(fields, '');
  return found;
}

function ruleChanges(
  old: readonly ParsedRule[],
  next: readonly ParsedRule[],
  widenings: readonly Widening[],
): PolicyChange[] {
  const told = new Set(widenings.map(({ what }) => what));
  // What widens is told already: permits that come and forbids that go. The other half of a changed rule is not.
  const missing = (rules: readonly ParsedRule[], others: readonly ParsedRule[], widening: 'permit' | 'forbid') => {
    const known = new Set(others.map(({ cedar }) => canonicalRule(cedar)));
    const isTold = ({ name, cedar }: ParsedRule) => cedar.effect === widening && told.has(`rules.${name}`);
    return rules.filter((rule) => !known.has(canonicalRule(rule.cedar)) && !isTold(rule));
  };
  const effect = 'tightens' as const;
  return [
    ...missing(next, old, 'permit').map(({ name, text }) => ({
      what: `rules.${name}`,
      from: 'absent',
      to: text,
      effect,
    })),
    ...missing(old, next, 'forbid').map(({ name, text }) => ({
      what: `rules.${name}`,
      from: text,
      to: 'absent',
      effect,
    })),
  ];
}

function decisionChange(asked: Asked, old: RuleSet, next: RuleSet): DecisionChange[] {
  const facts = factsOf(asked);
  const [before, after] = [old.decide(facts).allowed, next.decide(facts).allowed];
  if (before === after) return [];
  return [{ asked, before: before ? 'allow' : 'deny', after: after ? 'allow' : 'deny' }];
}

/** Every resource, subject, tenant and operation that a rule names, and one of each that none names. */
function samplesOf(rules: readonly ParsedRule[]): readonly Asked[] {
  const resources = new Set(['n/example', 'o/example', 'admin/kms']);
  const subjects = new Map([['/someone', { tenant: '', subject: 'someone' }]]);
  const ops = new Set(['gateway.example']);
  const see = (type: string, id: string) => {
    if (type === 'Resource') resources.add(id).add(`${id}/example`);
    if (type === 'Tenant') subjects.set(`${id}/someone`, { tenant: id, subject: 'someone' });
    const slash = id.indexOf('/');
    if (type === 'Subject' && slash >= 0) {
      subjects.set(id, { tenant: id.slice(0, slash), subject: id.slice(slash + 1) });
    }
  };
  for (const { cedar } of rules) {
    for (const scope of [cedar.principal, cedar.resource]) for (const { type, id } of entitiesOf(scope)) see(type, id);
    for (const { body } of cedar.conditions) collect(body, see, ops);
  }
  const samples: Asked[] = [];
  for (const resource of resources) {
    for (const who of subjects.values()) {
      for (const op of ops) {
        for (const method of methods) {
          if (samples.length >= samplesMax) return samples;
          samples.push({ op, method, resource, ...who, capabilityId: '' });
        }
      }
    }
  }
  return samples;
}

function entitiesOf({ entity, entities, in: inside }: CedarScope) {
  return [...(entity ? [entity] : []), ...(entities ?? []), ...(inside ? [inside.entity] : [])];
}

/** Entities that a condition names, and texts that look like an operation. */
function collect(value: unknown, see: (type: string, id: string) => void, ops: Set<string>): void {
  if (typeof value === 'string' && /^[a-z]+\.[a-z_]+$/.test(value)) ops.add(value);
  if (typeof value !== 'object' || value === null) return;
  const { __entity: entity } = value as { readonly __entity?: { readonly type: string; readonly id: string } };
  if (entity !== undefined) see(entity.type, entity.id);
  else for (const inner of Object.values(value)) collect(inner, see, ops);
}
