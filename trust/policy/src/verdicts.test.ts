import type { ScopeMethod } from '@ron/proto/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { factsOf } from './facts.ts';
import { RuleSet } from './rule-set.ts';
import { Verdicts, verdictsMax } from './verdicts.ts';

interface Question {
  readonly op: string;
  readonly method: ScopeMethod;
  readonly resource: string;
  readonly tenant: string;
  readonly subject: string;
  readonly capabilityId: string;
}

const request = ({ op, method, resource, tenant, subject, capabilityId }: Question) => ({
  op,
  method,
  resource,
  tenant,
  principal: { subject, capabilityId, tenant, limits: {}, allows: () => true },
});

function allows(stage: Verdicts, question: Question): boolean {
  try {
    stage.decide(request(question));
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'forbidden', details: { policy: 'b3:1' } });
    return false;
  }
}

async function stageOf(text: string): Promise<{ readonly stage: Verdicts; readonly rules: RuleSet }> {
  const [stage, rules] = [new Verdicts(), await RuleSet.create(text)];
  stage.use('b3:1', rules);
  return { stage, rules };
}

const base: Question = { op: 'a.b', method: 'read', resource: 'n/a', tenant: 't', subject: 's', capabilityId: 'c' };

describe('remembered verdicts', () => {
  test('are those of the same question, whatever its texts are made of', async () => {
    const { stage, rules } = await stageOf(`
      forbid(principal, action, resource) when { principal.tenant == "1" || principal.subject == "1 1" };
      forbid(principal, action, resource) when { resource.path like "*1" || principal.capability_id == "1" };
      forbid(principal == Subject::"1/1 ", action == Action::"list", resource) unless { context.op == "1 1" };`);
    const text = fc.string({ unit: fc.constantFrom('1', ' ', '/', '\n'), maxLength: 3 });
    const question = fc.record({
      op: text,
      method: fc.constantFrom<ScopeMethod>('read', 'list'),
      resource: text,
      tenant: text,
      subject: text,
      capabilityId: text,
    });
    fc.assert(
      fc.property(fc.array(question, { minLength: 1, maxLength: 20 }), (questions) => {
        for (const each of questions) expect(allows(stage, each)).toBe(rules.decide(factsOf(each)).allowed);
      }),
      { numRuns: 500 },
    );
    expect(stage.size).toBeGreaterThan(100);
  });

  test('are at most 100,000, and none of a question longer than 512 characters', async () => {
    const { stage } = await stageOf('forbid(principal, action, resource in Resource::"o");');
    for (let index = 0; index <= verdictsMax; index += 1) stage.decide(request({ ...base, resource: `n/${index}` }));
    expect(stage.size).toBe(verdictsMax);
    stage.use('b3:1', await RuleSet.create('forbid(principal, action, resource in Resource::"n/x");'));
    expect(stage.size).toBe(0);
    expect(allows(stage, { ...base, resource: `n/x/${'y'.repeat(600)}` })).toBe(false);
    expect(stage.size).toBe(0);
  });

  test('keep only the first of the rules that decided', () => {
    const stage = new Verdicts();
    const found = [
      { rule: 'first', effect: 'forbid' as const },
      ...Array(999).fill({ rule: 'more', effect: 'forbid' }),
    ];
    stage.use('b3:1', { isEmpty: false, decide: () => ({ allowed: false, rules: found }) } as never);
    expect(allows(stage, base)).toBe(false);
    found[0] = { rule: 'changed', effect: 'forbid' };
    expect(() => stage.decide(request(base))).toThrow(
      expect.objectContaining({ details: { policy: 'b3:1', rule: 'first' } }),
    );
  });

  test('count for nothing once other rules are in force', async () => {
    const { stage } = await stageOf('forbid(principal, action, resource);');
    expect(allows(stage, base)).toBe(false);
    stage.use('b3:1', await RuleSet.create(''));
    expect(allows(stage, base)).toBe(true);
    stage.use('b3:1', await RuleSet.create('permit(principal, action, resource in Resource::"n/b");'));
    expect(allows(stage, base)).toBe(false);
  });
});

test('rules that only Cedar evaluates stay apart when sets are replaced', async () => {
  const hard = (resource: string) =>
    `forbid(principal, action, resource) when { resource == ${resource} && 1 + 1 == 2 };`;
  const first = await RuleSet.create(hard('Resource::"n/a"'));
  const second = await RuleSet.create(hard('Resource::"n/b"'));
  const asks = (set: RuleSet, resource: string) => set.decide(factsOf({ ...base, resource })).allowed;
  expect([asks(first, 'n/a'), asks(first, 'n/b'), asks(second, 'n/a'), asks(second, 'n/b')]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  first.dispose();
  const third = await RuleSet.create(hard('Resource::"n/c"'));
  expect([asks(second, 'n/b'), asks(third, 'n/b'), asks(third, 'n/c')]).toEqual([false, true, false]);
  second.dispose();
  third.dispose();
});
