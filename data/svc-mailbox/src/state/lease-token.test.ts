import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeLease, parseLease } from './lease-token.ts';

const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

it('a lease comes back from its token, and no two leases have the same', () => {
  const lease = fc.record({
    fence: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    nonce: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
  fc.assert(
    fc.property(lease, lease, (one, other) => {
      const token = encodeLease({ id, ...one });
      expect(parseLease(token)).toEqual({ id, ...one });
      expect(token.length).toBeLessThanOrEqual(128);
      expect(token === encodeLease({ id, ...other })).toBe(one.fence === other.fence && one.nonce === other.nonce);
    }),
  );
});

it('what is no token is none, and a token has one form only', () => {
  const token = encodeLease({ id, fence: 3, nonce: 35 });
  for (const wrong of [
    '',
    'x',
    id,
    `${token} `,
    `${token}\n`,
    token.toLowerCase(),
    `8${token.slice(1)}`,
    `${id}.0.z`,
    `${id}.03.z`,
    `${id}.3.Z`,
    `${id}.3`,
    `${id}.3.`,
    `${id}.3.zzzzzzzz`,
    `${id}.zzzzzzzz.1`,
  ]) {
    expect(parseLease(wrong), wrong).toBeUndefined();
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      const lease = parseLease(text);
      if (lease !== undefined) expect(encodeLease(lease)).toBe(text);
    }),
  );
});
