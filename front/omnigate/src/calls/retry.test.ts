import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import { type FailedAttempt, mayRetry, RetryBudget } from './retry.ts';

const unavailable = (gate?: string) =>
  new RonError('unavailable', 'x', gate === undefined ? {} : { details: { gate } });
const attempt: FailedAttempt = {
  first: true,
  mutation: false,
  leases: false,
  idempotencyKey: false,
  bodyBegun: false,
  error: unavailable(),
  how: 'lost',
};

describe('one safe retry', () => {
  test.each<[string, Partial<FailedAttempt>, boolean]>([
    ['a read whose backend is lost', {}, true],
    ['a read that was refused for want of room', { error: unavailable('inflight'), how: 'answered' }, true],
    ['a second time', { first: false }, false],
    ['a read that failed for good', { error: new RonError('not_found', 'x'), how: 'answered' }, false],
    ['a read that was late', { error: new RonError('deadline_exceeded', 'x') }, false],
    ['a change that is lost', { mutation: true }, false],
    ['a change with a key that is lost: it may have been made', { mutation: true, idempotencyKey: true }, false],
    ['a change with a key that did not leave', { mutation: true, idempotencyKey: true, how: 'unsent' }, true],
    ['a change without a key that did not leave', { mutation: true, how: 'unsent' }, false],
    [
      'a change with a key that a draining backend refused',
      { mutation: true, idempotencyKey: true, error: unavailable('draining'), how: 'answered' },
      true,
    ],
    [
      'a change with a key that was refused without a gate',
      { mutation: true, idempotencyKey: true, how: 'answered' },
      false,
    ],
    ['a lease that is lost: its messages may be away', { leases: true }, false],
    ['a lease that was refused without a gate', { leases: true, how: 'answered' }, false],
    ['a lease that did not leave', { leases: true, how: 'unsent' }, true],
    ['a lease that a busy backend refused', { leases: true, error: unavailable('queue_delay'), how: 'answered' }, true],
    ['anything whose body was begun', { bodyBegun: true, how: 'unsent' }, false],
  ])('%s', (_name, fields, expected) => {
    expect(mayRetry({ ...attempt, ...fields })).toBe(expected);
  });

  test('no more than one for ten calls, after what was saved', () => {
    const budget = new RetryBudget();
    let saved = 0;
    while (budget.spend()) saved += 1;
    expect(saved).toBe(100);
    let retried = 0;
    for (let calls = 0; calls < 1_000; calls += 1) {
      budget.earn();
      if (budget.spend()) retried += 1;
    }
    expect(retried).toBeLessThanOrEqual(100);
    expect(retried).toBeGreaterThan(90);
  });
});
