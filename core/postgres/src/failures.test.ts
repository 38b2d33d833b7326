import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { isSpent, isUndone, PostgresError, refusalOf } from './failures.ts';

const coded = (code: string) => Object.assign(new Error('said by the server'), { code });

test.each([
  ['08006', 'unavailable'],
  ['57P01', 'unavailable'],
  ['57P03', 'unavailable'],
  ['57014', 'unavailable'],
  ['55P03', 'unavailable'],
  ['53300', 'unavailable'],
  ['25006', 'unavailable'],
  ['40P01', 'unavailable'],
  ['ECONNREFUSED', 'unavailable'],
  ['ENOENT', 'unavailable'],
  ['53100', 'insufficient_storage'],
])('%s is %s', (code, expected) => {
  expect(refusalOf(coded(code))).toMatchObject({ code: expected });
  expect((refusalOf(coded(code)) as RonError).message).not.toContain('said by the server');
});

test.each(['Connection terminated unexpectedly', 'Query read timeout', 'timeout exceeded when trying to connect'])(
  'what the driver says without a code is `unavailable`, and the connection is not used again: %s',
  (message) => {
    expect(refusalOf(new Error(message))).toMatchObject({ code: 'unavailable' });
    expect(isSpent(new Error(message))).toBe(true);
  },
);

test('a server that cannot be used is `unavailable` to callers', () => {
  expect(refusalOf(new PostgresError('a standby'))).toMatchObject({ code: 'unavailable' });
});

test.each(['42703', '23505', '22003'])('%s is a fault of this program: passed on, and the connection stays', (code) => {
  expect(refusalOf(coded(code))).toMatchObject({ code });
  expect(isSpent(coded(code))).toBe(false);
});

test('a refusal of the caller’s own passes and leaves the connection', () => {
  const refusal = new RonError('conflict', 'no');
  expect(refusalOf(refusal)).toBe(refusal);
  expect(isSpent(refusal)).toBe(false);
});

test('deadlocks and serialization failures are what is run anew', () => {
  expect(['40P01', '40001', '23505'].map((code) => isUndone(coded(code)))).toEqual([true, true, false]);
});
