import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { documentLimits } from './document.ts';
import { type Facts, factsOf } from './facts.ts';
import { RuleSet } from './rule-set.ts';

const facts = (more: Partial<Facts> = {}) =>
  factsOf({
    op: 'gateway.get',
    method: 'read',
    resource: 'n/docs/readme',
    subject: 'alice',
    tenant: 'acme',
    capabilityId: 'cap-1',
    ...more,
  });

async function decide(rules: string, more: Partial<Facts> = {}) {
  const set = await RuleSet.create(rules);
  const verdict = set.decide(facts(more));
  set.dispose();
  return verdict;
}

describe('rules', () => {
  test('take away from what the capability allows, below a resource, for one tenant, method or operation', async () => {
    const rules = `
      @id("no-docs") forbid(principal in Tenant::"acme", action == Action::"write", resource in Resource::"n/docs")
      unless { context.op == "gateway.repair" };`;
    expect(await decide(rules, { method: 'write' })).toEqual({
      allowed: false,
      rules: [{ rule: 'no-docs', effect: 'forbid' }],
    });
    for (const other of [
      { method: 'read' },
      { method: 'write', resource: 'n/docsy' },
      { method: 'write', tenant: 'zeta' },
      { method: 'write', op: 'gateway.repair' },
    ] as const) {
      expect(await decide(rules, other), JSON.stringify(other)).toEqual({ allowed: true, rules: [] });
    }
  });

  test('mean by "in" what is below, in heads and in conditions, and never what only begins alike', async () => {
    for (const rules of [
      'forbid(principal, action, resource in Resource::"n/docs");',
      'forbid(principal, action, resource is Resource in Resource::"n/docs");',
      'forbid(principal, action, resource) when { resource in Resource::"n/docs" };',
      'forbid(principal, action, resource) when { resource in [Resource::"o/x", Resource::"n/docs"] };',
      'forbid(principal, action, resource) when { resource in Resource::"n/docs" && 1 + 1 == 2 };',
    ]) {
      for (const [resource, allowed] of [
        ['n/docs', false],
        ['n/docs/', false],
        ['n/docs/a/b', false],
        ['n/docsx', true],
        ['n/doc', true],
        ['n', true],
        ['o/n/docs', true],
      ] as const) {
        expect((await decide(rules, { resource })).allowed, `${rules} ${resource}`).toBe(allowed);
      }
    }
  });

  test('without a permit nothing has to permit; with one, something must', async () => {
    expect((await decide('')).allowed).toBe(true);
    const rules = 'permit(principal, action, resource in Resource::"n/docs");';
    expect(await decide(rules)).toEqual({ allowed: true, rules: [{ rule: 'policy0', effect: 'permit' }] });
    expect(await decide(rules, { resource: 'n/other' })).toEqual({ allowed: false, rules: [] });
  });

  test('a forbid that cannot be evaluated forbids, a permit that cannot be evaluated permits nothing', async () => {
    for (const broken of ['principal.nope == 1', 'context.op', 'decimal("x").lessThan(decimal("1.0"))']) {
      const forbid = await decide(`forbid(principal, action, resource) when { ${broken} };`);
      expect(forbid, broken).toEqual({ allowed: false, rules: [{ rule: 'policy0', effect: 'forbid', error: true }] });
      expect(await decide(`permit(principal, action, resource) when { ${broken} };`)).toEqual({
        allowed: false,
        rules: [],
      });
    }
  });

  test('mean by "like" what Cedar means, also when the pieces of a pattern overlap', async () => {
    const word = (units: readonly string[]) => fc.string({ unit: fc.constantFrom(...units), maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(word(['a', 'b', '*']), fc.array(word(['a', 'b']), { maxLength: 8 }), async (pattern, texts) => {
        const like = (more: string) =>
          RuleSet.create(`forbid(principal, action, resource) when { context.op like "${pattern}"${more} };`);
        // Arithmetic is left to Cedar.
        const [ours, theirs] = [await like(''), await like(' && 1 + 1 == 2')];
        for (const op of texts) expect(ours.decide(facts({ op })), op).toEqual(theirs.decide(facts({ op })));
        for (const set of [ours, theirs]) set.dispose();
      }),
      { numRuns: 200, examples: [['*ab*b', ['ab', 'abb']]] },
    );
  });

  test('have the name of their place in the text when they have none of their own', async () => {
    const texts = Array.from(
      { length: 12 },
      (_, place) => `forbid(principal, action == Action::"read", resource in
      Resource::"n/${place}");`,
    );
    expect(await decide(texts.join('\n'), { resource: 'n/10/x' })).toMatchObject({ rules: [{ rule: 'policy10' }] });
  });
});

describe('refused rules', () => {
  const condition = (body: string) => `forbid(principal, action, resource) when { ${body} };`;
  const nested = (depth: number) => condition(`${'('.repeat(depth - 1)}true${')'.repeat(depth - 1)}`);
  /** `when` is one of them. */
  const long = (operators: number) => condition(Array.from({ length: operators }, () => 'true').join(' && '));
  const often = (conditions: number) => `forbid(principal, action, resource)${' unless { false }'.repeat(conditions)};`;

  test.each([
    ['nests more than 16 deep', documentLimits.ruleNestingMax, nested],
    ['has more than 100 operators', documentLimits.ruleOperatorsMax, long],
    ['has more than 100 conditions', documentLimits.ruleOperatorsMax, often],
  ])('a rule that %s, and Cedar goes on working', async (_what, max, make) => {
    for (const size of [max - 1, max]) expect((await decide(make(size).repeat(3))).allowed).toBe(false);
    for (const size of [max + 1, 14_000]) {
      await expect(RuleSet.create(make(size))).rejects.toMatchObject({ code: 'bad_request' });
    }
    expect((await decide(condition('1 + 1 == 2'))).allowed).toBe(false);
  });

  test('count no brackets and operators of texts and comments', async () => {
    const text = `"${'(&&\\"'.repeat(200)}"`;
    expect((await decide(`// ${'(&&'.repeat(200)}\n${condition(`${text} == ${text}`)}`)).allowed).toBe(false);
  });

  test('a text without an end is looked through once, not once for each of its marks', async () => {
    const text = condition(`context.op == "${'\\"'.repeat(documentLimits.rulesBytesMax / 2 - 60)}`);
    await expect(RuleSet.create(text)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('a name that is too long or stands twice, also as a place', async () => {
    const named = (...ids: readonly string[]) =>
      ids.map((id) => `@id("${id}") forbid(principal, action, resource);`).join('');
    const most = 'x'.repeat(documentLimits.ruleNameMax);
    for (const id of [most.slice(1), most]) expect((await decide(named(id))).rules[0]?.rule).toBe(id);
    for (const text of [
      named(`${most}x`),
      named('a', 'b', 'a'),
      `${named('policy1')}forbid(principal,action,resource);`,
    ]) {
      await expect(RuleSet.create(text)).rejects.toMatchObject({ code: 'bad_request' });
    }
  });

  test.each([
    ['no Cedar', 'permit(principal, action, resource'],
    ['a template', 'permit(principal == ?principal, action, resource);'],
    ['an integer that JSON cannot hold', 'permit(principal, action, resource) when { 9007199254740992 > 1 };'],
    ['a comment that never ends', 'forbid(principal, action, resource) /* x */;'],
  ])('%s', async (_what, text) => {
    await expect(RuleSet.create(text)).rejects.toMatchObject({
      code: 'bad_request',
      details: { reason: 'malformed' },
    });
  });
});

test('rules that only Cedar evaluates count as not evaluable once their set is gone, also when another took its place', async () => {
  const hard = (body: string) => `forbid(principal, action, resource) when { ${body} };`;
  const rules = await RuleSet.create(hard('1 + 1 == 3'));
  const facts = factsOf({ op: 'a.b', method: 'read', resource: 'n/a', subject: 's', tenant: '', capabilityId: '' });
  expect(rules.decide(facts).allowed).toBe(true);
  rules.dispose();
  rules.dispose();
  expect(rules.decide(facts)).toMatchObject({ allowed: false, rules: [{ error: true }] });
  const [other, another] = [await RuleSet.create(hard('1 + 1 == 4')), await RuleSet.create(hard('1 + 1 == 2'))];
  expect([rules, other, another].map((each) => each.decide(facts).allowed)).toEqual([false, true, false]);
});
