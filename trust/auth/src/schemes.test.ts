import { generateKeyPairSync } from 'node:crypto';
import { type Caveat, encodeBase64Url, spellingOf } from '@ron/cap';
import type { ScopeMethod } from '@ron/proto/contract';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { MintRequest } from './authority.ts';
import { rawPublicKey } from './ed25519.ts';
import { type Bench, createBench, everything } from './fixtures/bench.ts';
import { biscuitHands, hmacHands, type SchemeHands } from './fixtures/schemes.ts';

const otherScheme = { hmac: 'ed25519', ed25519: 'hmac' } as const;
const remote = '127.0.0.1';
const tokenId = '019ab4f2-c400-7abc-8def-0123456789ab';
const skewMs = 60_000;

describe.each(['hmac', 'ed25519'] as const)('the meaning of a capability, scheme %s', (scheme) => {
  let bench: Bench;
  let hands: SchemeHands;
  beforeEach(async () => {
    bench = await createBench();
    hands = scheme === 'hmac' ? hmacHands : biscuitHands(bench.env.random);
  });
  const issue = async (request: Partial<MintRequest> = {}, by = bench.authority) =>
    (await by.issue({ subject: 'alice', rights: everything, scheme, ...request })).token;
  const wall = () => bench.env.clock.wallMs();

  test('says who, which rights, which limits; the view is the same in both schemes', async () => {
    const limits = { bytes_max: 5, requests_per_second: 2, body_bytes_max: 7 };
    const request = { tenant: 't1', rights: everything, expiresMs: wall() + 5, notBeforeMs: 1, limits };
    const issued = await bench.authority.issue({ subject: 'alice', scheme, ...request });
    const principal = await bench.authority.verify(issued.token, { remote });
    expect(principal).toMatchObject({ subject: 'alice', tenant: 't1', anonymous: false, capabilityId: issued.id });
    expect(principal.limits).toEqual({ bytesMax: 5, requestsPerSecond: 2, bodyBytesMax: 7 });
    expect(issued).toMatchObject({ scheme, kid: bench.kms.currentKey({ alg: scheme })!.kid });
    expect(principal.view()).toEqual({
      id: issued.id,
      subject: 'alice',
      tenant: 't1',
      audience: 'home',
      rights: [everything],
      not_before: 1,
      expires_at: request.expiresMs,
      limits,
      caveats: 4,
    });
  });

  test('the three spellings on the wire are one capability', async () => {
    const token = await issue();
    const forms = [token, new Uint8Array(Buffer.from(token)), spellingOf(token).bytes];
    const seen = await Promise.all(forms.map((form) => bench.authority.verify(form, { remote })));
    expect(new Set(seen.map(({ capabilityId }) => capabilityId)).size).toBe(1);
  });

  test('a kept verdict does not change with the buffer it came in', async () => {
    const { bytes } = spellingOf(await issue());
    const frame = Uint8Array.from([0, ...bytes]);
    const principal = await bench.authority.verify(frame.subarray(1), { remote });
    frame.fill(0);
    expect(principal.view().subject).toBe('alice');
    expect(bench.authority.verify(bytes, { remote })).toBe(principal);
  });

  test('scope: every list of rights must allow', async () => {
    const token = await issue({ rights: [{ methods: ['read', 'write'], prefix: 'n/docs/' }] });
    const weaker = hands.attenuate(token, [{ rights: [{ methods: ['read'], prefix: 'n/docs/' }] }]);
    for (const each of [weaker, hands.attenuate(weaker, [{ rights: everything }])]) {
      const principal = await bench.authority.verify(each, { remote });
      expect(principal.allows('read', 'n/docs/a')).toBe(true);
      expect(principal.allows('write', 'n/docs/a')).toBe(false);
      expect(principal.allows('read', 'n/other')).toBe(false);
    }
  });

  test('a token that does not begin with rights allows nothing, whatever its holder adds', async () => {
    const { kid } = bench.kms.currentKey({ alg: scheme })!;
    const identifier = { kid, id: tokenId, tenant: '', subject: 's', audience: 'home' };
    const bare = await hands.forge(identifier, ['{"nbf":0}'], bench.kms, kid);
    for (const each of [bare, hands.attenuate(bare, [{ rights: everything }])]) {
      expect((await bench.authority.verify(each, { remote })).allows('read', 'n/a')).toBe(false);
    }
  });

  test('the smallest limits count', async () => {
    const token = hands.attenuate(await issue({ limits: { bytes_max: 5, body_bytes_max: 3 } }), [
      { limits: { bytes_max: 9, body_bytes_max: 2 } },
      { limits: { requests_per_second: 1 } },
    ]);
    const { limits } = await bench.authority.verify(token, { remote });
    expect(limits).toEqual({ bytesMax: 5, bodyBytesMax: 2, requestsPerSecond: 1 });
  });

  test.each(['first', 'again'])('nbf and exp allow 60 s of skew, to the millisecond, on the %s use', async (use) => {
    const nowMs = wall();
    const uses = use === 'first' ? 1 : 2;
    for (const [caveat, expected] of [
      [{ nbf: nowMs + skewMs + 1 }, 'not_yet_valid'],
      [{ nbf: nowMs + skewMs }, 'accepted'],
      [{ exp: nowMs - skewMs + 1 }, 'accepted'],
      [{ exp: nowMs - skewMs }, 'expired'],
    ] as const) {
      const token = hands.attenuate(await issue(), [caveat]);
      for (let count = 1; count < uses; count += 1) await bench.verdict(token);
      expect(await bench.verdict(token), JSON.stringify(caveat)).toBe(expected);
    }
  });

  test('time passes for a token that is already known', async () => {
    const token = await issue({ expiresMs: wall() + 1000 });
    bench.env.clock.jumpWall(1000 + skewMs - 1);
    expect(await bench.verdict(token)).toBe('accepted');
    bench.env.clock.jumpWall(1);
    expect(await bench.verdict(token)).toBe('expired');
  });

  test('audience: of the token and of every caveat', async () => {
    const token = await issue();
    expect(await bench.verdict(hands.attenuate(token, [{ audience: 'home' }]))).toBe('accepted');
    expect(await bench.verdict(hands.attenuate(token, [{ audience: 'away' }]))).toBe('wrong_audience');
    expect(await bench.verdict(token, {}, await bench.make({ audience: 'away' }))).toBe('wrong_audience');
  });

  test('cidr: every caveat, on every use', async () => {
    const token = hands.attenuate(await issue(), [{ cidr: ['10.0.0.0/8', '::1'] }, { cidr: ['10.1.0.0/16'] }]);
    expect(await bench.verdict(token, { remote: '10.1.2.3' })).toBe('accepted');
    expect(await bench.verdict(token, { remote: '10.2.2.3' })).toBe('wrong_address');
    expect(await bench.verdict(token, { remote: 'unix' })).toBe('wrong_address');
  });

  test.each([
    '{"colour":"red"}',
    '{"exp":1764000000000,"nbf":1}',
    '{"exp": 99999999999999}',
    '{"exp":"tomorrow"}',
    '{"key":"abc"}',
    '{"cidr":[]}',
    '[]',
    'time < 2030',
    'ron_caveat("',
  ])('a caveat that is not understood denies: %s', async (text) => {
    const token = hands.append(await issue(), [text]);
    expect(await bench.verdict(token)).toBe('unknown_caveat');
    expect(await bench.verdict(hands.attenuate(token, [{ rights: everything }]))).toBe('unknown_caveat');
  });

  test('rotation: new tokens by the new version without a restart, old ones keep verifying until it is retired', async () => {
    const old = await bench.authority.issue({ subject: 'a', rights: everything, scheme });
    expect(await bench.verdict(old.token)).toBe('accepted');
    const { kid } = await bench.kms.rotateKey(old.kid);
    const fresh = await bench.authority.issue({ subject: 'a', rights: everything, scheme });
    expect(fresh.kid).toBe(kid);
    const unseen = hands.attenuate(old.token, [{ nbf: 0 }]);
    for (const token of [old.token, unseen, fresh.token]) expect(await bench.verdict(token)).toBe('accepted');
    await bench.kms.retireKey(old.kid);
    for (const token of [old.token, unseen]) expect(await bench.verdict(token)).toBe('unknown_key');
    expect(await bench.verdict(fresh.token)).toBe('accepted');
  });

  test('a restart with the same keystore makes no second root key', async () => {
    const token = await issue();
    const keys = bench.kms.listKeys().length;
    const restarted = await bench.make();
    expect(bench.kms.listKeys()).toHaveLength(keys);
    expect(await bench.verdict(token, {}, restarted)).toBe('accepted');
  });

  test('revoked by id: with its children, without its siblings, and known tokens too', async () => {
    const [first, second] = [await issue(), await issue()];
    const child = hands.attenuate(first, [{ nbf: 0 }]);
    const { capabilityId } = await bench.authority.verify(first, { remote });
    for (const token of [first, second, child]) expect(await bench.verdict(token)).toBe('accepted');
    bench.authority.revocations.revokeCapability(capabilityId);
    const verdicts = [await bench.verdict(first), await bench.verdict(child), await bench.verdict(second)];
    expect(verdicts).toEqual(['revoked', 'revoked', 'accepted']);
    expect(bench.refusals.map(({ id }) => id)).toEqual([capabilityId, capabilityId]);
  });

  test('revoked by subject: what was minted until then, in its tenant only', async () => {
    const old = await issue({ tenant: 't' });
    const others = [await issue({ tenant: 'u' }), await issue({ tenant: 't', subject: 'bob' })];
    bench.authority.revocations.revokeSubject('t', 'alice', wall());
    expect(await bench.verdict(old)).toBe('revoked');
    for (const token of others) expect(await bench.verdict(token)).toBe('accepted');
    bench.env.clock.jumpWall(1);
    expect(await bench.verdict(await issue({ tenant: 't' }))).toBe('accepted');
    bench.authority.revocations.revokeSubject('t', 'alice', 0);
    expect(await bench.verdict(old)).toBe('revoked');
  });

  test('revoked by key: the end of an epoch, not of the other scheme', async () => {
    const issued = await bench.authority.issue({ subject: 'a', rights: everything, scheme });
    const other = await bench.authority.issue({ subject: 'a', rights: everything, scheme: otherScheme[scheme] });
    bench.authority.revocations.revokeKey(issued.kid);
    expect(await bench.verdict(issued.token)).toBe('revoked');
    expect(await bench.verdict(other.token)).toBe('accepted');
  });

  test('64 caveats and 4,096 characters are accepted, one more is refused', async () => {
    let token = await issue();
    const nbf = Array.from({ length: 62 }, () => ({ nbf: 0 }));
    token = hands.attenuate(token, nbf);
    const full = hands.attenuate(token, [{ nbf: 1 }]);
    for (const each of [token, full]) expect(await bench.verdict(each)).toBe('accepted');
    expect(() => hands.attenuate(full, [{ nbf: 1 }])).toThrow(/at most 64 caveats/);

    const grow = (from: string, length: number) => {
      try {
        return hands.attenuate(from, [
          { rights: [{ methods: ['read'], prefix: `${from.length}`.padEnd(length, 'x') }] },
        ]);
      } catch (error) {
        expect(String(error)).toMatch(/at most 306[78] bytes/);
        return undefined;
      }
    };
    let long = await issue();
    for (let next = grow(long, 300); next !== undefined; next = grow(long, 300)) long = next;
    const sized = Array.from({ length: 300 }, (_, length) => grow(long, length)).filter((each) => each !== undefined);
    expect(sized.length).toBeGreaterThan(0);
    expect(sized.length).toBeLessThan(300);
    expect([4095, 4096]).toContain(sized.at(-1)!.length);
    expect(await bench.verdict(sized.at(-1)!)).toBe('accepted');
    expect(await bench.verdict(sized.at(-1)!.padEnd(4097, 'A'))).toBe('malformed');
  });

  test('issue refuses what could not be used', async () => {
    await expect(issue({ subject: '' })).rejects.toThrow(/not empty/);
    await expect(issue({ rights: [{ methods: [], prefix: '' }] })).rejects.toThrow(/malformed caveat/);
    await expect(issue({ expiresMs: 0.5 })).rejects.toThrow(/malformed caveat/);
    await expect(issue({ key: 'abc' })).rejects.toThrow(/malformed caveat/);
    const many = Array.from({ length: 40 }, (_, index) => ({
      ...everything[0]!,
      prefix: `n/${index}`.padEnd(100, 'x'),
    }));
    await expect(issue({ rights: many })).rejects.toThrow(/at most 306[78] bytes/);
  });

  test('two different keys deny, one twice does not', async () => {
    const keys = [1, 2].map(() => encodeBase64Url(rawPublicKey(generateKeyPairSync('ed25519').privateKey)));
    const bound = await issue({ key: keys[0]! });
    expect(await bench.verdict(hands.attenuate(bound, [{ key: keys[0]! }]))).toBe('proof_missing');
    expect(await bench.verdict(hands.attenuate(bound, [{ key: keys[1]! }]))).toBe('unknown_caveat');
  });

  describe('attenuation never widens', () => {
    const methods = ['read', 'write', 'delete', 'list', 'admin'] as const;
    const resources = ['n/a', 'n/a/b', 'n/ab', 'o/x', 'n/', 'admin/kms', 'box/c'];
    const right = fc.record({
      methods: fc.uniqueArray(fc.constantFrom<ScopeMethod>(...methods), { minLength: 1 }),
      prefix: fc.constantFrom('', 'n/', 'n/a', 'n/a/', 'o/', 'admin/', 'n/ab'),
    });
    const caveat: fc.Arbitrary<Caveat> = fc.oneof(
      fc.record({ rights: fc.array(right, { maxLength: 3 }) }),
      fc.record({ nbf: fc.integer({ min: 0, max: 2_000_000_000_000 }) }),
      fc.record({ exp: fc.integer({ min: 1_700_000_000_000, max: 2_000_000_000_000 }) }),
      fc.record({ audience: fc.constantFrom('home', 'away') }),
      fc.record({ cidr: fc.constantFrom(['127.0.0.0/8'], ['10.0.0.0/8', '::1']) }),
      fc.record({ limits: fc.record({ bytes_max: fc.nat(9), requests_per_second: fc.integer({ min: 1, max: 9 }) }) }),
    );
    const powers = async (token: string) => {
      if ((await bench.verdict(token)) !== 'accepted') return undefined;
      const principal = await bench.authority.verify(token, { remote });
      const allowed = resources.flatMap((each) =>
        methods.filter((method) => principal.allows(method, each)).map((method) => `${method} ${each}`),
      );
      return { allowed, limits: principal.limits };
    };

    test('over random chains', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(right, { maxLength: 3 }),
          fc.array(caveat, { maxLength: 5 }),
          async (rights, chain) => {
            let token = await issue({ rights });
            let before = await powers(token);
            for (const each of chain) {
              token = hands.attenuate(token, [each]);
              const after = await powers(token);
              if (after !== undefined) {
                expect(before).toBeDefined();
                expect(before!.allowed).toEqual(expect.arrayContaining(after.allowed));
                expect(after.limits.bytesMax ?? Infinity).toBeLessThanOrEqual(before!.limits.bytesMax ?? Infinity);
              }
              before = after;
            }
          },
        ),
        { numRuns: 60 },
      );
    });
  });
});

test('both schemes mean the same: one list of caveats, one view, one verdict', async () => {
  const bench = await createBench();
  const hands = [hmacHands, biscuitHands(bench.env.random)];
  const caveats: Caveat[] = [
    { rights: [{ methods: ['read'], prefix: 'n/a' }] },
    { nbf: 5 },
    { limits: { bytes_max: 3 } },
  ];
  const views = await Promise.all(
    hands.map(async (each) => {
      const { token } = await bench.authority.issue({ subject: 'a', rights: everything, scheme: each.scheme });
      const view = (await bench.authority.verify(each.attenuate(token, caveats), { remote })).view();
      return { ...view, id: '' };
    }),
  );
  expect(views[1]).toEqual(views[0]);
});
