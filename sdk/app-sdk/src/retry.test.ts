import { RonError } from '@ron/proto/errors';
import { expect, test } from 'vitest';
import { RetryBudget, type RetryOptions, withRetry } from './retry.ts';
import { FakePlatform } from './testing/fake-platform.ts';

function options(platform: FakePlatform, changes: Partial<RetryOptions> = {}): RetryOptions {
  const deadlineMs = Number.POSITIVE_INFINITY;
  return { platform, budget: new RetryBudget(), corrId: 'c', deadlineMs, repeatable: () => true, ...changes };
}

/** Fails so many times, then answers. */
function failing(times: number, error = new RonError('unavailable', 'not now')) {
  let calls = 0;
  const attempt = async () => {
    calls += 1;
    if (calls <= times) throw error;
    return 'answer';
  };
  return { attempt, calls: () => calls };
}

test('five attempts, the ceiling of the pause doubles from 100 ms', async () => {
  const platform = new FakePlatform();
  const { attempt, calls } = failing(9);
  await expect(withRetry(attempt, options(platform))).rejects.toMatchObject({ code: 'unavailable', corrId: 'c' });
  expect(calls()).toBe(5);
  expect(platform.waitsMs.map(Math.ceil)).toEqual([100, 200, 400, 800]);
});

test('full jitter reaches down to nothing', async () => {
  const platform = new FakePlatform(0);
  const { attempt } = failing(2);
  expect(await withRetry(attempt, options(platform))).toBe('answer');
  expect(platform.waitsMs).toEqual([0, 0]);
});

test.each(['bad_request', 'forbidden', 'not_found', 'conflict', 'bad_digest', 'insufficient_storage'] as const)(
  '%s is not retried',
  async (code) => {
    const { attempt, calls } = failing(1, new RonError(code, 'no'));
    await expect(withRetry(attempt, options(new FakePlatform()))).rejects.toMatchObject({ code });
    expect(calls()).toBe(1);
  },
);

test('Retry-After is never undercut', async () => {
  const platform = new FakePlatform(0);
  const { attempt } = failing(1, new RonError('quota_exhausted', 'wait', { retryAfterMs: 7_000 }));
  await withRetry(attempt, options(platform));
  expect(platform.waitsMs).toEqual([7_000]);
});

test('a wait past the deadline fails at once', async () => {
  const platform = new FakePlatform();
  const { attempt, calls } = failing(1, new RonError('quota_exhausted', 'wait', { retryAfterMs: 7_000 }));
  const late = withRetry(attempt, options(platform, { deadlineMs: 7_000 }));
  await expect(late).rejects.toMatchObject({ code: 'quota_exhausted', retryAfterMs: 7_000 });
  expect([calls(), platform.waitsMs]).toEqual([1, []]);
});

test('a body that was sent and cannot be read again', async () => {
  const { attempt, calls } = failing(1);
  await expect(withRetry(attempt, options(new FakePlatform(), { repeatable: () => false }))).rejects.toThrow('not now');
  expect(calls()).toBe(1);
});

test('retries are a tenth of requests, over ten to begin with', async () => {
  const budget = new RetryBudget();
  let calls = 0;
  const attempt = async () => {
    calls += 1;
    throw new RonError('unavailable', 'down');
  };
  const requests = 100;
  for (let count = 0; count < requests; count += 1) {
    await withRetry(attempt, options(new FakePlatform(0), { budget })).catch(() => undefined);
  }
  expect(calls - requests).toBeGreaterThanOrEqual(10);
  expect(calls - requests).toBeLessThanOrEqual(20);
});

test('an abort ends the pause', async () => {
  const controller = new AbortController();
  const platform = new FakePlatform();
  platform.after = () => {
    queueMicrotask(() => controller.abort());
    return { cancel: () => undefined };
  };
  const { attempt, calls } = failing(9);
  const aborted = withRetry(attempt, options(platform, { signal: controller.signal }));
  await expect(aborted).rejects.toMatchObject({ name: 'UnavailableError' });
  expect(calls()).toBe(1);
});
