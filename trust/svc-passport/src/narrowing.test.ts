import { createHmac } from 'node:crypto';
import { createAuthority } from '@ron/auth';
import { attenuate, rightsAllow } from '@ron/cap';
import { createSimEnv } from '@ron/kernel/sim';
import { createRamKms } from '@ron/kms';
import type { CapabilityLimits, Right } from '@ron/proto/capability';
import type { Principal } from '@ron/proto/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { narrowedLimits, refuseWiderRights } from './narrowing.ts';
import { codeOf } from './testing/node.ts';

const methods = ['read', 'list', 'write'] as const;
/** Every text of up to five characters: whatever a prefix of up to three could cover one step further is here. */
const resources = [''];
for (let length = 0; length < 5; length += 1) {
  for (const text of resources.filter((each) => each.length === length))
    resources.push(`${text}a`, `${text}b`, `${text}/`);
}

const prefix = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 3 });
const right: fc.Arbitrary<Right> = fc.record({
  methods: fc.uniqueArray(fc.constantFrom(...methods), { minLength: 1, maxLength: 3 }),
  prefix,
});
const rights = fc.array(right, { minLength: 1, maxLength: 3 });

const env = createSimEnv({ seed: 'narrowing' });
const authority = await createAuthority({ kms: createRamKms(env), env, audience: 'test' });
const hmac = (key: Uint8Array, message: Uint8Array) => createHmac('sha512-256', key).update(message).digest();

/** A real capability of several lists, of which every one must allow. */
async function issuerOf([first, ...more]: readonly Right[][]): Promise<Principal> {
  const whole = authority.mint({ subject: 'issuer', rights: first! });
  const token = attenuate(
    whole,
    more.map((list) => ({ rights: list })),
    hmac,
  );
  return authority.verify(token, { remote: '127.0.0.1' });
}

describe('the rights of a new capability', () => {
  test('never allow what the issuer’s do not, and are refused only when they would', async () => {
    const seen = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(rights, { minLength: 1, maxLength: 3 }), rights, async (lists, asked) => {
        const issuer = await issuerOf(lists);
        const accepted = (await codeOf(() => refuseWiderRights(issuer, asked))) === 'ok';
        const wider = methods.flatMap((method) =>
          resources.filter((each) => rightsAllow(asked, method, each) && !issuer.allows(method, each)),
        );
        seen[accepted ? 'accepted' : 'refused'] += 1;
        expect(accepted).toBe(wider.length === 0);
      }),
      { numRuns: 400, seed: 4 },
    );
    expect(seen.accepted).toBeGreaterThan(20);
    expect(seen.refused).toBeGreaterThan(20);
  });

  test.each([
    ['n/docs', 'list', 'n/docs', 'ok'],
    ['n/docs', 'list', 'n/docs/', 'ok'],
    ['n/docs/', 'list', 'n/docs', 'ok'],
    ['n/docs/', 'read', 'n/docs', 'forbidden'],
    ['n/docs', 'read', 'n/docs/', 'ok'],
    ['n/docs', 'read', 'n/docs-secret', 'forbidden'],
    ['n/docs', 'list', 'n/docs-secret', 'forbidden'],
    ['n/docs', 'list', 'n/doc', 'forbidden'],
    ['n/docs', 'read', '', 'forbidden'],
    ['n/docs', 'list', '', 'forbidden'],
    ['', 'list', '', 'ok'],
    ['', 'read', '', 'ok'],
    ['', 'list', 'n', 'ok'],
  ] as const)('of an issuer on %j who asks to %s %j: %s', async (own, method, asked, code) => {
    const issuer = await issuerOf([[{ methods: [method], prefix: own }]]);
    expect(await codeOf(() => refuseWiderRights(issuer, [{ methods: [method], prefix: asked }]))).toBe(code);
  });
});

test('limits are never looser than the issuer’s', () => {
  const limit = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined });
  const names = ['bytes_max', 'requests_per_second', 'body_bytes_max'] as const;
  const limits = fc.record({ bytes_max: limit, requests_per_second: limit, body_bytes_max: limit });
  fc.assert(
    fc.property(limits, limits, (own, asked) => {
      const issuer = {
        limits: {
          bytesMax: own.bytes_max,
          requestsPerSecond: own.requests_per_second,
          bodyBytesMax: own.body_bytes_max,
        },
      } as Principal;
      const looser = names.some((name) => (asked[name] ?? 0) > (own[name] ?? Infinity));
      let got: CapabilityLimits | undefined;
      try {
        got = narrowedLimits(issuer, asked as CapabilityLimits);
      } catch (error) {
        expect(error).toMatchObject({ code: 'forbidden' });
        expect(looser).toBe(true);
        return;
      }
      expect(looser).toBe(false);
      for (const name of names) expect(got?.[name]).toBe(asked[name] ?? own[name]);
    }),
  );
});
