import type { CedarEntity, CedarPolicy, CedarScope, ParsedRule } from './cedar.ts';
import { isBelow } from './facts.ts';

/**
 * The rules with which `next` may allow what `old` refused: permits that no old permit covers and forbids that no
 * next forbid covers. Looks only at the form of rules, so it may name a rule that changes nothing; what it does not
 * name allows nothing more. Costs one comparison for each rule that stands in both texts, a product for the others.
 */
export function wideningRules(
  old: readonly ParsedRule[],
  next: readonly ParsedRule[],
): { readonly permits: readonly ParsedRule[]; readonly forbids: readonly ParsedRule[]; readonly lastPermit: boolean } {
  const [oldPermits, nextPermits] = [withEffect(old, 'permit'), withEffect(next, 'permit')];
  const [oldForbids, nextForbids] = [withEffect(old, 'forbid'), withEffect(next, 'forbid')];
  return {
    // Without a permit of its own the old document left everything to the capability.
    permits: oldPermits.length === 0 ? [] : uncovered(nextPermits, oldPermits),
    forbids: uncovered(oldForbids, nextForbids),
    lastPermit: oldPermits.length > 0 && nextPermits.length === 0,
  };
}

function withEffect(rules: readonly ParsedRule[], effect: CedarPolicy['effect']): readonly ParsedRule[] {
  return rules.filter(({ cedar }) => cedar.effect === effect);
}

/** Comparisons of two rules that differ: past it, the rest counts as not covered. About 0.2 s. */
const comparisonsMax = 2_000_000;

function uncovered(narrow: readonly ParsedRule[], wide: readonly ParsedRule[]): readonly ParsedRule[] {
  const same = new Set(wide.map(({ cedar }) => canonicalRule(cedar)));
  const others = wide.map(({ cedar }) => formOf(cedar));
  let comparisons = 0;
  return narrow.filter((rule) => {
    if (same.has(canonicalRule(rule.cedar))) return false;
    comparisons += wide.length;
    if (comparisons > comparisonsMax) return true;
    const form = formOf(rule.cedar);
    return !others.some((other) => coversForm(other, form));
  });
}

/** A rule with the texts that comparing it needs: made once, and not for each of the others. */
interface RuleForm {
  readonly cedar: CedarPolicy;
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  readonly conditions: readonly string[];
}

function formOf(cedar: CedarPolicy): RuleForm {
  return {
    cedar,
    principal: JSON.stringify(cedar.principal),
    action: JSON.stringify(cedar.action),
    resource: JSON.stringify(cedar.resource),
    conditions: cedar.conditions.map((condition) => JSON.stringify(condition)),
  };
}

/** Annotations say nothing to the decision. Cedar's JSON form is the same text for the same rule. */
export function canonicalRule({ annotations: _, ...rule }: CedarPolicy): string {
  return JSON.stringify(rule);
}

/** Whatever `narrow` applies to, `wide` applies to. Both have one effect. */
export function covers(wide: CedarPolicy, narrow: CedarPolicy): boolean {
  return coversForm(formOf(wide), formOf(narrow));
}

function coversForm(wide: RuleForm, narrow: RuleForm): boolean {
  return (
    wide.cedar.effect === narrow.cedar.effect &&
    (['principal', 'action', 'resource'] as const).every(
      (role) => wide[role] === narrow[role] || coversScope(wide.cedar[role], narrow.cedar[role]),
    ) &&
    coversConditions(wide.cedar.effect, wide.conditions, narrow.conditions)
  );
}

/**
 * Fewer conditions cover more. A forbid also applies when a condition cannot be evaluated; then only the first ones
 * of the narrow rule may be all that the wide one asks, since what comes before a failure decides whether it happens.
 */
function coversConditions(effect: CedarPolicy['effect'], few: readonly string[], many: readonly string[]): boolean {
  if (effect === 'permit') return few.every((condition) => many.includes(condition));
  return few.length <= many.length && few.every((condition, place) => condition === many[place]);
}

function coversScope(wide: CedarScope, narrow: CedarScope): boolean {
  if (wide.op === 'All') return true;
  if (wide.op === 'in') {
    const inside = narrow.op === 'is' ? narrow.in && [narrow.in.entity] : entitiesOf(narrow);
    const above = entitiesOf(wide) ?? [];
    return inside?.every((entity) => above.some((other) => isInEntity(entity, other))) ?? false;
  }
  if (wide.op !== 'is') return false;
  if (narrow.op === 'is') {
    if (wide.entity_type !== narrow.entity_type) return false;
    return wide.in === undefined || (narrow.in !== undefined && isInEntity(narrow.in.entity, wide.in.entity));
  }
  // `== Subject::"x"` says the type; `in Tenant::"x"` does not say that of what is in it.
  if (narrow.op !== '==' || narrow.entity?.type !== wide.entity_type) return false;
  return wide.in === undefined || isInEntity(narrow.entity as CedarEntity, wide.in.entity);
}

function entitiesOf({ entity, entities }: CedarScope): readonly CedarEntity[] | undefined {
  return entities ?? (entity === undefined ? undefined : [entity]);
}

/** Everything in `entity` is in `above`: the same, or a resource further down. */
function isInEntity(entity: CedarEntity, above: CedarEntity): boolean {
  if (entity.type !== above.type) return false;
  return entity.id === above.id || (entity.type === 'Resource' && isBelow(entity.id, above.id));
}
