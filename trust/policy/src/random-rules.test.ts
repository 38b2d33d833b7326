import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadCedar, parseRules } from './cedar.ts';
import { type Asked, cedarRequest, type Facts, factsOf } from './facts.ts';
import { RuleSet } from './rule-set.ts';
import { policyOf } from './testing/signers.ts';
import { widens } from './widening.ts';

const resources = ['n', 'n/docs', 'n/docs/a', 'n/docs/a/b', 'n/docsx', 'n/', 'o/x', 'box/q', 'admin/kms', 'n//docs'];
const tenants = ['', 'acme', 'zeta'];
const subjects = ['alice', 'bob/carol', ''];
const ops = ['gateway.set_name', 'mailbox.send', ''];
const methods = ['read', 'write', 'delete', 'list', 'admin'] as const;

const quoted = (text: string) => JSON.stringify(text);
const pick = (texts: readonly string[]) => fc.constantFrom(...texts);

const principalEntity = fc.oneof(
  fc.tuple(pick(tenants), pick(subjects)).map(([tenant, subject]) => `Subject::${quoted(`${tenant}/${subject}`)}`),
  pick(tenants).map((tenant) => `Tenant::${quoted(tenant)}`),
  fc.constant('Group::"x"'),
);
const resourceEntity = fc.oneof(
  { weight: 9, arbitrary: pick(resources).map((path) => `Resource::${quoted(path)}`) },
  { weight: 1, arbitrary: fc.constant('Other::"n"') },
);
const actionEntity = pick(methods).map((method) => `Action::${quoted(method)}`);

const principalScope = fc.oneof(
  { weight: 4, arbitrary: fc.constant('principal') },
  principalEntity.map((entity) => `principal == ${entity}`),
  principalEntity.map((entity) => `principal in ${entity}`),
  pick(['Subject', 'Group']).map((type) => `principal is ${type}`),
  principalEntity.map((entity) => `principal is Subject in ${entity}`),
);
const actionScope = fc.oneof(
  { weight: 4, arbitrary: fc.constant('action') },
  actionEntity.map((entity) => `action == ${entity}`),
  fc.array(actionEntity, { maxLength: 3 }).map((list) => `action in [${list.join(', ')}]`),
);
const resourceScope = fc.oneof(
  { weight: 2, arbitrary: fc.constant('resource') },
  resourceEntity.map((entity) => `resource == ${entity}`),
  { weight: 3, arbitrary: resourceEntity.map((entity) => `resource in ${entity}`) },
  resourceEntity.map((entity) => `resource is Resource in ${entity}`),
);

/** Expressions of every kind, well typed or not; some only Cedar itself evaluates. */
const { expression } = fc.letrec<{ expression: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    pick(['principal.tenant', 'principal.subject', 'principal.capability_id', 'principal.nope', 'action.x']),
    pick(['resource.path', 'resource.kind', 'resource.nope', 'context.op', 'context.nope']),
    pick(['principal', 'action', 'resource', 'true', 'false', '1', '-2', '"n"', '"acme"', '"alice"']),
    pick(['principal has tenant', 'principal has nope', 'context has op', 'resource has path.x', 'action has x']),
    pick(['ip("127.0.0.1").isLoopback()', '(1 + 1 == 2)', 'context == {"op": ""}', '9007199254740991 + 9223372036854']),
    pick(resources).map(quoted),
    principalEntity,
  ),
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(tie('expression'), pick(['==', '!=', '<', '<=', '>', '>=', '&&', '||', '&&', '==']), tie('expression'))
      .map(([left, operator, right]) => `((${left}) ${operator} (${right}))`),
    tie('expression').map((inner) => `!(${inner})`),
    fc.tuple(tie('leaf'), pick(['n/*', '*', '', 'n/*/b', '*docs*a*', 'a*e', 'n\\*'])).map(([left, pattern]) => {
      return `((${left}) like "${pattern}")`;
    }),
    resourceEntity.map((entity) => `(resource in ${entity})`),
    fc.array(resourceEntity, { maxLength: 3 }).map((list) => `(resource in [${list.join(', ')}])`),
    principalEntity.map((entity) => `(principal is Subject in ${entity})`),
    tie('leaf').map((leaf) => `(["acme", 1, "n"].contains(${leaf}))`),
    fc
      .tuple(tie('expression'), tie('expression'), tie('expression'))
      .map(([test, yes, no]) => `(if (${test}) then (${yes}) else (${no}))`),
  ),
}));

const condition = fc.tuple(pick(['when', 'unless']), expression).map(([kind, body]) => `${kind} { ${body} }`);

/** One Cedar rule as text. */
const randomRule = fc
  .tuple(
    pick(['permit', 'forbid']),
    principalScope,
    actionScope,
    resourceScope,
    fc.array(condition, { maxLength: 2, size: 'max' }),
  )
  .map(([effect, principal, action, resource, conditions]) =>
    `${effect}(${principal}, ${action}, ${resource}) ${conditions.join(' ')}`.trimEnd(),
  );

/** Everybody asks for everything. */
const everyRequest: readonly Facts[] = resources.flatMap((resource) =>
  methods.flatMap((method) =>
    tenants.flatMap((tenant) =>
      subjects.map((subject, index) =>
        factsOf({ op: ops[index] as string, method, resource, tenant, subject, capabilityId: 'cap-1' } satisfies Asked),
      ),
    ),
  ),
);

/** What Cedar itself says of the whole text, read as docs/specs/policy.md reads it. */
async function oracle(text: string) {
  const cedar = await loadCedar();
  const rules = await parseRules(text);
  const staticPolicies = Object.fromEntries(rules.map((rule, place) => [`${place}`, rule.text]));
  expect(cedar.preparsePolicySet('oracle', { staticPolicies }).type).toBe('success');
  const effectOf = (place: string) => rules[Number(place)]?.cedar.effect;
  return (asked: Facts): boolean => {
    const answer = cedar.statefulIsAuthorized({ ...cedarRequest(asked), preparsedPolicySetId: 'oracle' });
    if (answer.type === 'failure') throw new Error(answer.errors[0]?.message);
    const { reason, errors } = answer.response.diagnostics;
    const forbids = [...reason, ...errors.map(({ policyId }) => policyId)].filter((id) => effectOf(id) === 'forbid');
    if (forbids.length > 0) return false;
    return rules.every(({ cedar: { effect } }) => effect === 'forbid') || reason.length > 0;
  };
}

/** One request of seven, others for each text. */
function sample(text: string): readonly Facts[] {
  return everyRequest.filter((_, index) => index % 7 === text.length % 7);
}

test('random rules are decided as Cedar decides them', async () => {
  let leftToCedar = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(randomRule, { minLength: 1, maxLength: 5 }), async (texts) => {
      const text = texts.map((rule) => `${rule};`).join('\n');
      const [set, expected] = [await RuleSet.create(text), await oracle(text)];
      for (const asked of sample(texts.join())) {
        expect(set.decide(asked).allowed, `${text}\n${JSON.stringify(asked)}`).toBe(expected(asked));
      }
      if (/ip\(|\+|==? \{|path\.x/.test(text)) leftToCedar += 1;
      set.dispose();
    }),
    { numRuns: 150 },
  );
  expect(leftToCedar).toBeGreaterThan(5);
});

/** Takes a condition away or widens the place, for every other rule: containment has to see what that means. */
function altered(text: string, index: number): string {
  if (index % 2 === 0) return text;
  if (text.includes(' when {')) return text.slice(0, text.lastIndexOf(' when {'));
  return text.replace('resource == ', 'resource in ').replace('n/docs/a', 'n/docs');
}

test('random rules that do not widen allow nothing that was refused', async () => {
  let tight = 0;
  const edit = fc.record({
    kept: fc.array(fc.boolean(), { maxLength: 4 }),
    added: fc.array(randomRule, { maxLength: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(randomRule, { maxLength: 4 }), edit, async (texts, { kept, added }) => {
      const textOf = (rules: readonly string[]) => rules.map((each) => `${each};`).join('\n');
      const [old, next] = [textOf(texts), textOf([...texts.filter((_, i) => kept[i] ?? true).map(altered), ...added])];
      if ((await widens(policyOf({ rules: old }), policyOf({ rules: next }))).length > 0) return;
      tight += 1;
      const [before, after] = [await RuleSet.create(old), await RuleSet.create(next)];
      for (const [index, asked] of everyRequest.entries()) {
        if (index % 7 !== next.length % 7 || !after.decide(asked).allowed) continue;
        expect(before.decide(asked).allowed, `${old}\n---\n${next}\n${JSON.stringify(asked)}`).toBe(true);
      }
      before.dispose();
      after.dispose();
    }),
    { numRuns: 250 },
  );
  expect(tight).toBeGreaterThan(20);
});
