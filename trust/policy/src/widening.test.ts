import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ParsedRule } from './cedar.ts';
import { wideningRules } from './containment.ts';
import { diffPolicies } from './difference.ts';
import type { PolicyDocument } from './document.ts';
import { bodyFields, mailboxFields, rateFields } from './document.ts';
import { isUnder, limitOf, lowered } from './limits.ts';
import { ann, ben, createSigner, cy, policyOf } from './testing/signers.ts';
import { widens } from './widening.ts';

const dan = createSigner('dan');
const what = async (old: Partial<PolicyDocument> | undefined, next: Partial<PolicyDocument>) =>
  (await widens(old && policyOf(old), policyOf(next))).map((widening) => widening.what);
const rule = (head: string, effect = 'forbid', conditions = '') => `${effect}(${head})${conditions};`;
const list = (...each: readonly { readonly listed: typeof ann.listed }[]) => each.map(({ listed }) => listed);

describe('a document widens', () => {
  test.each<[string, Partial<PolicyDocument>, Partial<PolicyDocument>, readonly string[]]>([
    ['a quota that grows', { quotas: { burst: 5 } }, { quotas: { burst: 6 } }, ['quotas.burst']],
    ['a quota that falls', { quotas: { burst: 5 } }, { quotas: { burst: 4 } }, []],
    ['a quota that goes', { quotas: { burst: 5 } }, {}, ['quotas.burst']],
    ['a quota that comes', {}, { quotas: { burst: 5 } }, []],
    [
      'a tenant above the others',
      { quotas: { burst: 5 } },
      { quotas: { burst: 5, tenants: { t: { burst: 6 } } } },
      ['quotas.tenants.t.burst'],
    ],
    [
      'a tenant who was below the others',
      { quotas: { burst: 5, tenants: { t: { burst: 4 } } } },
      { quotas: { burst: 5 } },
      ['quotas.tenants.t.burst'],
    ],
    [
      'the limit of a class that grows',
      { quotas: { classes: { writes: { burst: 1 } } } },
      { quotas: { classes: { writes: { burst: 2 } } } },
      ['quotas.classes.writes.burst'],
    ],
    ['the limit of a class that comes', {}, { quotas: { classes: { admin: { bytes_per_second: 9_999 } } } }, []],
    [
      'a class without a limit any more',
      { quotas: { classes: { writes: { burst: 1 }, reads: {} } } },
      { quotas: { classes: { reads: {} } } },
      ['quotas.classes.writes.burst'],
    ],
    [
      'a mailbox limit that grows',
      { quotas: { mailbox: { tenant_boxes_max: 1 } } },
      { quotas: { mailbox: { tenant_boxes_max: 2 } } },
      ['quotas.mailbox.tenant_boxes_max'],
    ],
    [
      'a body limit that goes',
      { body_limits: { object_bytes_max: 5 } },
      { body_limits: {} },
      ['body_limits.object_bytes_max'],
    ],
    ['a prefix that comes', { public_prefixes: ['n/a'] }, { public_prefixes: ['n/a', 'n/ab'] }, ['public_prefixes']],
    ['a prefix below another', { public_prefixes: ['n/a'] }, { public_prefixes: ['n/a/b', 'n/a/'] }, []],
    ['a list of prefixes that goes', { public_prefixes: [] }, {}, ['public_prefixes']],
    ['an empty list of prefixes that comes', {}, { public_prefixes: [] }, []],
    ['a region that comes', { regions: ['eu'] }, { regions: ['eu', 'us'] }, ['regions']],
    ['a list of regions that comes', {}, { regions: ['eu'] }, []],
    ['a list of regions that goes', { regions: ['eu'] }, {}, ['regions']],
    ['a threshold that falls', { threshold: 2 }, { threshold: 1 }, ['threshold']],
    ['a signer who goes', { threshold: 2 }, { threshold: 2, signers: list(ann, ben) }, []],
    ['a signer who comes', { threshold: 2 }, { threshold: 2, signers: list(ann, ben, cy, dan) }, ['signers']],
    ['a signer who comes with the threshold', { threshold: 2 }, { threshold: 3, signers: list(ann, ben, cy, dan) }, []],
    [
      'a signer who loses the second key',
      { threshold: 2 },
      { threshold: 2, signers: [ann.listed, ben.listed, { name: 'cy', ed25519: cy.listed.ed25519 }] },
      ['signers'],
    ],
    ['dates', { expires_at: 2e12 }, { expires_at: 3e12, issued_at: 1, version: 9 }, []],
  ])('or not: %s', async (_what, old, next, expected) => {
    expect(await what(old, next)).toEqual(expected);
  });

  test('when it follows nothing and opens something', async () => {
    expect(await what(undefined, { quotas: { burst: 1 }, rules: rule('principal, action, resource') })).toEqual([]);
    expect(await what(undefined, { public_prefixes: ['n/a'] })).toEqual(['public_prefixes']);
  });

  const all = 'principal, action, resource';
  const docs = 'principal, action, resource in Resource::"n/docs"';
  const deep = 'principal, action == Action::"read", resource == Resource::"n/docs/a"';
  test.each<[string, string, string, number]>([
    ['a forbid goes', rule(all), '', 1],
    ['a forbid comes', '', rule(all), 0],
    ['a forbid covers more', rule(deep), rule(docs), 0],
    ['a forbid covers less', rule(docs), rule(deep), 1],
    [
      'a forbid loses its last condition',
      rule(all, 'forbid', ' when { true } when { 1 < 2 }'),
      rule(all, 'forbid', ' when { true }'),
      0,
    ],
    [
      'a forbid loses its first condition',
      rule(all, 'forbid', ' when { true } when { 1 < 2 }'),
      rule(all, 'forbid', ' when { 1 < 2 }'),
      1,
    ],
    ['a permit goes', `${rule(docs, 'permit')}${rule(deep, 'permit')}`, rule(docs, 'permit'), 0],
    ['the last permit goes', rule(docs, 'permit'), '', 1],
    ['a permit comes', rule(deep, 'permit'), `${rule(deep, 'permit')}${rule(docs, 'permit')}`, 1],
    ['the first permit comes', '', rule(deep, 'permit'), 0],
    ['a permit gets a condition', rule(docs, 'permit'), rule(deep, 'permit', ' unless { context.op == "x" }'), 0],
    ['only an annotation changes', `@id("a") ${rule(all)}`, `@id("b") ${rule(all)}`, 0],
  ])('or not: %s', async (_what, old, next, expected) => {
    expect(await what({ rules: old }, { rules: next })).toHaveLength(expected);
  });
});

const amount = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
const table = <T extends string>(names: readonly T[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, amount])) as Record<T, typeof amount>).map(dropAbsent);
const dropAbsent = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
const prefixes = fc.subarray(['n/', 'n/a', 'n/a/', 'n/a/b', 'n/ab', 'o/x']);
const document: fc.Arbitrary<PolicyDocument> = fc
  .record({
    public_prefixes: fc.option(prefixes, { nil: undefined }),
    regions: fc.option(fc.subarray(['eu', 'us', 'asia']), { nil: undefined }),
    body_limits: fc.option(table(bodyFields), { nil: undefined }),
    quotas: fc
      .tuple(table(rateFields), table(mailboxFields), fc.dictionary(fc.constantFrom('t', 'u'), table(rateFields)))
      .map(([rates, mailbox, tenants]) => ({ ...rates, mailbox, tenants })),
    signers: fc.subarray([ann, ben, cy, dan], { minLength: 1 }).map((some) => list(...some)),
    threshold: fc.integer({ min: 1, max: 4 }),
  })
  .map((fields) => policyOf(dropAbsent({ ...fields, threshold: Math.min(fields.threshold, fields.signers.length) })));

const parts = ['public_prefixes', 'regions', 'body_limits', 'quotas', 'signers', 'threshold'] as const;

describe('what does not widen allows nothing that was refused', () => {
  test('of limits, prefixes, regions and signers', async () => {
    let tight = 0;
    await fc.assert(
      fc.asyncProperty(document, document, fc.subarray([...parts], { maxLength: 2 }), async (old, other, changed) => {
        // Documents that differ in at most two parts: two random ones nearly always widen.
        const next = policyOf({ ...old, ...Object.fromEntries(changed.map((part) => [part, other[part]])) });
        if (next.threshold > next.signers.length) return;
        if ((await widens(old, next)).length > 0) return;
        tight += 1;
        for (const field of [...rateFields, ...bodyFields, ...mailboxFields]) {
          for (const tenant of ['', 't', 'u', 'x']) {
            expect(limitOf(next, field, tenant)).toBeLessThanOrEqual(limitOf(old, field, tenant));
          }
        }
        const isPublic = ({ public_prefixes = ['n/a', 'o/'] }: PolicyDocument, path: string) =>
          public_prefixes.some((prefix) => isUnder(path, prefix));
        for (const path of ['n/', 'n/a', 'n/a/', 'n/a/b', 'n/a/b/c', 'n/ab', 'n/x', 'o/x', 'o/y']) {
          expect(isPublic(next, path) && !isPublic(old, path), path).toBe(false);
        }
        const inRegion = ({ regions }: PolicyDocument, name: string) => regions?.includes(name) ?? true;
        for (const name of ['eu', 'us', 'asia']) expect(inRegion(next, name) && !inRegion(old, name)).toBe(false);
        for (const group of groups) expect(maySign(next, group) && !maySign(old, group), group.join()).toBe(false);
      }),
      { numRuns: 2_000 },
    );
    expect(tight).toBeGreaterThan(300);
  });
});

const groups = [[ann], [ben], [cy], [dan], [ann, ben], [ann, dan], [ben, cy], [ann, ben, cy], [ben, cy, dan]].map(
  (group) => group.map(({ name }) => name),
);

function maySign({ signers, threshold }: PolicyDocument, group: readonly string[]): boolean {
  return signers.filter(({ name }) => group.includes(name)).length >= threshold;
}

test('limits only lower a table of the configuration', () => {
  const document = policyOf({ quotas: { burst: 5, bytes_burst: 900, tenants: { t: { burst: 7 } } } });
  const configured = { burst: 6, bytes_burst: 800, requests_per_second: 3, other: 'kept' };
  expect(lowered(configured, undefined)).toBe(configured);
  expect(lowered(configured, document)).toEqual({ ...configured, burst: 5 });
  expect(lowered(configured, document, 't')).toEqual(configured);
});

test('a difference names changes by what they do, and requests that are decided differently', async () => {
  const old = policyOf({ quotas: { burst: 5 }, rules: rule('principal, action, resource in Resource::"n/docs"') });
  const quiet = '@id("quiet") forbid(principal in Tenant::"acme", action == Action::"write", resource);';
  const { changes, decisions, samples } = await diffPolicies(
    old,
    policyOf({ version: 2, quotas: { burst: 6 }, regions: ['eu'], rules: quiet }),
  );
  expect(changes.map((change) => [change.what, change.effect])).toEqual([
    ['quotas.burst', 'widens'],
    ['rules.policy0', 'widens'],
    ['version', 'neutral'],
    ['regions', 'tightens'],
    ['rules.quiet', 'tightens'],
  ]);
  expect(samples).toBeGreaterThan(decisions.length);
  const asked = { method: 'write', resource: 'n/example', tenant: 'acme' };
  expect(decisions).toContainEqual({ asked: expect.objectContaining(asked), before: 'allow', after: 'deny' });
  const opened = { method: 'read', resource: 'n/docs/example', tenant: '' };
  expect(decisions).toContainEqual({ asked: expect.objectContaining(opened), before: 'deny', after: 'allow' });
});

test('a difference names every widening, however many there are, and both halves of a changed rule', async () => {
  const forbid = (name: string) => `@id("x") forbid(principal, action, resource in Resource::"n/${name}");`;
  const prefixes = Array.from({ length: 64 }, (_, index) => `n/${index}`);
  const old = policyOf({ rules: forbid('a'), regions: ['eu'] });
  const { changes } = await diffPolicies(
    old,
    policyOf({ rules: forbid('b'), public_prefixes: prefixes, regions: ['eu', 'us'] }),
  );
  const of = (path: string) => changes.filter(({ what: changed }) => changed === path).map(({ effect }) => effect);
  expect([of('public_prefixes').length, of('regions'), of('rules.x')]).toEqual([
    64,
    ['widens'],
    ['widens', 'tightens'],
  ]);
});

test('comparing rules reads each of them a few times, not once for each of the others', () => {
  let read = 0;
  const body = (id: string) => ({ toJSON: () => [++read, id].slice(1) });
  const rulesOf = (tag: string): ParsedRule[] =>
    Array.from({ length: 300 }, (_, index) => ({
      name: `${tag}${index}`,
      text: '',
      cedar: {
        effect: 'forbid',
        principal: { op: 'All' },
        action: { op: 'All' },
        resource: { op: 'All' },
        conditions: [{ kind: 'when', body: body(`${tag}${index}`) }],
      },
    }));
  expect(wideningRules(rulesOf('a'), rulesOf('b')).forbids).toHaveLength(300);
  expect(read).toBeLessThanOrEqual(4 * 600);
});
