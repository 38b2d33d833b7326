import type { Clock, Random } from '@ron/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createUuid, formatKeyId, parseKeyId } from './key-id.ts';

const clock: Clock = { wallMs: () => 0x0192f3a00000, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };
const random: Random = { bytes: (length) => Uint8Array.from({ length }, (_, index) => index * 17), unit: () => 0.5 };
const kid = 'node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1';

describe('key ids', () => {
  test('parse back', () => {
    const part = (characters: string, maxLength: number) =>
      fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength });
    const id = fc.record({
      tenant: part('azAZ09_-', 64),
      purpose: part('az09-', 32),
      alg: fc.constantFrom('ed25519' as const, 'ml-dsa-65' as const, 'hmac' as const, 'aes-256-gcm' as const),
      uuid: fc.uuid(),
      version: fc.integer({ min: 1, max: 999_999_999 }),
    });
    fc.assert(
      fc.property(id, (each) => {
        expect(parseKeyId(formatKeyId(each))).toEqual(each);
      }),
    );
  });

  test.each([
    '',
    `${kid} `,
    kid.replace('#1', ''),
    kid.replace('#1', '#0'),
    kid.replace('#1', '#01'),
    `../${kid}`,
    kid.toUpperCase(),
    kid.replace('ed25519', 'none'),
    `${kid}\n`,
  ])('%j is none', (text) => expect(parseKeyId(text)).toBeUndefined());

  test('a UUID holds its time, version and variant', () => {
    const uuid = createUuid(clock, random);
    expect(uuid).toMatch(/^0192f3a0-0000-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
