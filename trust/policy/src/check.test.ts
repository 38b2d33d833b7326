import { describe, expect, test } from 'vitest';
import { readPolicy } from './check.ts';
import { checkPolicy } from './check-policy.ts';
import { documentLimits, type PolicyDocument } from './document.ts';
import { parsePolicyToml } from './policy-toml.ts';
import { ann, ben, createSigner, cy, policyOf } from './testing/signers.ts';

const problemsOf = (fields: Record<string, unknown>) => readPolicy({ ...policyOf(), ...fields }).problems;

const toml = `
type = "ron-policy"
version = 7
previous = "b3:${'a'.repeat(64)}"
issued_at = 2026-01-01T00:00:00Z
expires_at = 2026-07-01T02:00:00+02:00
threshold = 1
public_prefixes = ["n/site", "n/docs/"]
regions = ["eu-west"]
rules = '''
@id("quiet") forbid(principal, action == Action::"write", resource in Resource::"n/site");
'''

[[signers]]
name = "ann"
ed25519 = "${ann.listed.ed25519}"

[[signers]]
name = "cy"
ed25519 = "${cy.listed.ed25519}"
ml_dsa_65 = "${cy.listed.ml_dsa_65}"

[body_limits]
object_bytes_max = 1048576

[quotas]
requests_per_second = 12.5
burst = 20

[quotas.mailbox]
tenant_messages_max = 1000

[quotas.tenants.01J8Z3]
burst = 5
`;

describe('a policy in TOML', () => {
  test('becomes the document that is signed, with times in milliseconds', () => {
    const expected: PolicyDocument = {
      type: 'ron-policy',
      version: 7,
      previous: `b3:${'a'.repeat(64)}`,
      issued_at: Date.UTC(2026, 0, 1),
      expires_at: Date.UTC(2026, 6, 1),
      threshold: 1,
      public_prefixes: ['n/site', 'n/docs/'],
      regions: ['eu-west'],
      rules: '@id("quiet") forbid(principal, action == Action::"write", resource in Resource::"n/site");\n',
      signers: [ann.listed, cy.listed],
      body_limits: { object_bytes_max: 1_048_576 },
      quotas: {
        requests_per_second: 12.5,
        burst: 20,
        mailbox: { tenant_messages_max: 1_000 },
        tenants: { '01J8Z3': { burst: 5 } },
      },
    };
    expect(parsePolicyToml(toml)).toEqual(expected);
  });

  test.each([
    ['no TOML', 'type = ', /Invalid TOML/],
    ['a local time', toml.replace('+02:00', ''), /expires_at: must be a date and time with an offset/],
    ['a number as a time', toml.replace(/issued_at = .*/, 'issued_at = 5'), /issued_at/],
    ['a misspelt field', toml.replace('threshold', 'treshold'), /treshold: unknown field; did you mean "threshold"/],
  ])('refuses %s', (_what, text, message) => {
    expect(() => parsePolicyToml(text)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(() => parsePolicyToml(text)).toThrow(message);
  });
});

describe('a document', () => {
  test('needs only type, version, expires_at, signers and threshold', () => {
    const { issued_at: _, ...least } = policyOf();
    expect(readPolicy(least)).toEqual({ document: least, problems: [] });
    for (const name of Object.keys(least)) {
      const { [name as 'version']: __, ...rest } = least;
      expect(readPolicy(rest).problems.join(), name).toContain(name);
    }
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a field that nobody knows', { quota: {} }, 'quota: unknown field; did you mean "quotas"?'],
    ['one inside a table', { quotas: { bursts: 1 } }, 'quotas.bursts: unknown field; did you mean "burst"?'],
    ['another type', { type: 'ron-registry' }, 'type: must be "ron-policy"'],
    ['version 0', { version: 0 }, 'version'],
    ['a previous that is no id', { previous: 'b3:1' }, 'previous'],
    ['a breaking change without a reason', { break_change: true }, 'reason'],
    ['a reason that is empty', { reason: '' }, 'reason'],
    ['a threshold above the signers', { threshold: 4 }, 'threshold'],
    ['threshold 0', { threshold: 0 }, 'threshold'],
    ['no signers', { signers: [] }, 'signers'],
    ['a name twice', { signers: [ann.listed, { ...ben.listed, name: 'ann' }] }, 'signers: has one name twice'],
    ['a key twice', { signers: [ann.listed, { ...ann.listed, name: 'bob' }] }, 'signers: has one key twice'],
    ['a key in a second spelling', { signers: [{ name: 'a', ed25519: `${'A'.repeat(42)}B` }] }, 'signers[0].ed25519'],
    ['a prefix of another kind', { public_prefixes: ['box/x'] }, 'public_prefixes[0]'],
    ['a region with spaces', { regions: ['eu west'] }, 'regions[0]'],
    ['a limit of 0', { body_limits: { object_bytes_max: 0 } }, 'body_limits.object_bytes_max'],
    ['no room for the next policy', { body_limits: { control_bytes_max: 131_071 } }, 'body_limits.control_bytes_max'],
    ['a rate of 0', { quotas: { requests_per_second: 0 } }, 'quotas.requests_per_second'],
    ['a request in a year', { quotas: { requests_per_second: 0.09 } }, 'quotas.requests_per_second'],
    [
      'a byte in a year',
      { quotas: { tenants: { t: { bytes_per_second: 1_023 } } } },
      'quotas.tenants.t.bytes_per_second',
    ],
    ['a fraction of a burst', { quotas: { burst: 1.5 } }, 'quotas.burst'],
    ['a tenant that is no id', { quotas: { tenants: { 'a/b': {} } } }, 'quotas.tenants.a/b'],
    ['a tenant that is a trap', { quotas: { tenants: JSON.parse('{"__proto__":{}}') } }, 'quotas.tenants.__proto__'],
    ['an expiry before its issue', { issued_at: 10, expires_at: 10 }, 'expires_at'],
    ['a list for a table', { quotas: [] }, 'quotas: must be a table'],
    ['rules that are no text', { rules: 5 }, 'rules'],
  ])('refuses %s', (_what, fields, problem) => {
    expect(problemsOf(fields).join('\n')).toContain(problem);
  });

  test('leaves enough of each rate for the next policy to come in', () => {
    expect(problemsOf({ quotas: { requests_per_second: 0.1, bytes_per_second: 1_024 } })).toEqual([]);
  });

  test('has limits, each at -1, 0 and +1', () => {
    const limit = documentLimits;
    const many = (count: number, make: (index: number) => unknown) => Array.from({ length: count }, (_, i) => make(i));
    const named = createSigner('n').listed;
    const signer = (index: number) => ({ name: `n${index}`, ed25519: `${String(index).padStart(42, 'A')}A` });
    expect(named.ed25519).toHaveLength(43);
    const cases: readonly (readonly [string, number, (count: number) => Record<string, unknown>])[] = [
      ['signers', limit.signersMax, (count) => ({ signers: many(count, signer) })],
      ['public_prefixes', limit.publicPrefixesMax, (count) => ({ public_prefixes: many(count, (i) => `n/${i}`) })],
      ['public_prefixes[0]', limit.prefixMax, (count) => ({ public_prefixes: [`n/${'x'.repeat(count - 2)}`] })],
      ['regions', limit.regionsMax, (count) => ({ regions: many(count, (i) => `r${i}`) })],
      ['reason', limit.reasonMax, (count) => ({ reason: 'x'.repeat(count) })],
      ['rules', limit.rulesBytesMax, (count) => ({ rules: ' '.repeat(count) })],
      [
        'quotas.tenants',
        limit.tenantsMax,
        (count) => ({
          quotas: { tenants: Object.fromEntries(many(count, (i) => [`t${i}`, {}]) as [string, object][]) },
        }),
      ],
    ];
    for (const [path, max, make] of cases) {
      for (const delta of [-1, 0]) expect(problemsOf(make(max + delta)), `${path} ${delta}`).toEqual([]);
      expect(problemsOf(make(max + 1)).join(), `${path} +1`).toContain(path);
    }
  });
});

describe('checkPolicy', () => {
  test('tells of rules that are wrong and of rules that never apply', async () => {
    expect(await checkPolicy(policyOf({ rules: 'permit(' }))).toMatchObject({
      problems: [expect.stringContaining('rules: ')],
    });
    const rules = `
      @id("kind") forbid(principal == User::"x", action, resource);
      @id("verb") forbid(principal, action == Action::"erase", resource);
      @id("fine") forbid(principal, action, resource);`;
    expect(await checkPolicy(policyOf({ rules }))).toMatchObject({
      problems: [],
      rules: 3,
      warnings: [
        'rules.kind: never applies: principal is Subject or Tenant, not User',
        'rules.verb: never applies: the actions are read, write, delete, list, admin, not erase',
      ],
    });
    expect((await checkPolicy(policyOf({ rules }))).document).toEqual(policyOf({ rules }));
  });

  test('holds at most 1,000 rules that only Cedar evaluates', async () => {
    const most = documentLimits.cedarRulesMax;
    for (const [count, problems] of [
      [most - 1, 0],
      [most, 0],
      [most + 1, 1],
    ] as const) {
      const rules = 'forbid(principal,action,resource)when{1+1==3};'.repeat(count);
      expect((await checkPolicy(policyOf({ rules }))).problems).toHaveLength(problems);
    }
  });

  test('holds at most 10,000 rules', async () => {
    const rule = 'forbid(principal,action,resource);';
    expect(documentLimits.rulesMax * rule.length).toBeGreaterThan(documentLimits.rulesBytesMax);
    const most = Math.floor(documentLimits.rulesBytesMax / rule.length);
    expect(problemsOf({ rules: rule.repeat(most) })).toEqual([]);
  });
});
