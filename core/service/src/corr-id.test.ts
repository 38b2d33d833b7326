import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { corrIdOf, uuidV7 } from './corr-id.ts';

const env = createSimEnv({ seed: 1, epochMs: 0x0123456789ab });

test('an offered id is kept exactly when it is 8–64 of the alphabet', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 70 }), (offered) => {
      expect(corrIdOf(offered, env) === offered).toBe(/^[A-Za-z0-9_-]{8,64}$/.test(offered));
    }),
  );
  for (const bad of ['', 'a'.repeat(7), 'a'.repeat(65), 'abcdefgh\n', 'abcd efgh', 'abcdefg\u{212a}']) {
    expect(corrIdOf(bad, env)).not.toBe(bad);
  }
  expect(corrIdOf(undefined, env)).toHaveLength(36);
});

test('a new id is a UUIDv7 with the time in front, also when bytes are all ones or zeros', () => {
  expect(uuidV7(env)).toMatch(/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const filled = (byte: number) => ({
    clock: env.clock,
    random: { ...env.random, bytes: (length: number) => new Uint8Array(length).fill(byte) },
  });
  expect(uuidV7(filled(0xff) as never)).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
  expect(uuidV7(filled(0) as never)).toBe('01234567-89ab-7000-8000-000000000000');
});

test('ids differ', () => {
  expect(new Set(Array.from({ length: 1_000 }, () => uuidV7(env))).size).toBe(1_000);
});
