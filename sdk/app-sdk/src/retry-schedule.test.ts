import { errorCodes, errorTable, RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RetryBudget, type RetryOptions, withRetry } from './retry.ts';
import { FakePlatform } from './testing/fake-platform.ts';

/** Chance that follows a list, for jitter. */
class ListedChance extends FakePlatform {
  readonly #bytes: number[];

  constructor(bytes: readonly number[]) {
    super();
    this.#bytes = [...bytes];
  }

  override randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#bytes.shift() ?? 128);
  }
}

const refusal = fc.record({
  code: fc.constantFrom(...errorCodes),
  retryAfterMs: fc.option(fc.nat(29_999), { nil: undefined, freq: 2 }),
});
const schedule = fc.record({
  refusals: fc.array(refusal, { maxLength: 8 }),
  chance: fc.array(fc.nat(255), { maxLength: 24 }),
  deadlineMs: fc.integer({ min: 1, max: 120_000 }),
  repeatable: fc.boolean(),
});

test('whatever a node answers: attempts, pauses, deadline and last error are as promised', async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async ({ refusals, chance, deadlineMs, repeatable }) => {
      const platform = new ListedChance(chance);
      const options: RetryOptions = {
        platform,
        budget: new RetryBudget(),
        corrId: 'c',
        deadlineMs,
        repeatable: () => repeatable,
      };
      let attempts = 0;
      const call = withRetry(async () => {
        const refused = refusals[attempts];
        attempts += 1;
        if (refused === undefined) return 'answer';
        const { code, retryAfterMs } = refused;
        throw new RonError(code, 'no', retryAfterMs === undefined ? {} : { retryAfterMs });
      }, options);
      const outcome = await call.catch((thrown) => thrown);
      expect(attempts).toBeLessThanOrEqual(5);
      expect(platform.nowMs).toBeLessThan(deadlineMs);
      expect(platform.waitsMs).toHaveLength(attempts - 1);
      for (const [index, waitMs] of platform.waitsMs.entries()) {
        const { code, retryAfterMs = 0 } = refusals[index]!;
        expect(errorTable[code].retryable).toBe(true);
        expect(waitMs).toBeGreaterThanOrEqual(retryAfterMs);
        expect(waitMs).toBeLessThanOrEqual(Math.max(retryAfterMs, Math.min(10_000, 100 * 2 ** index)));
      }
      if (!repeatable) expect(attempts).toBe(1);
      if (outcome === 'answer') return;
      const last = refusals[attempts - 1]!;
      expect(outcome).toMatchObject({ code: last.code, attempts, corrId: 'c', retryAfterMs: last.retryAfterMs });
      const over = attempts === 5 || !repeatable || !errorTable[last.code].retryable;
      // Nothing else than the deadline ends it sooner: the next pause can at most be this long.
      const longestMs = Math.max(last.retryAfterMs ?? 0, 100 * 2 ** (attempts - 1));
      expect(over || platform.nowMs + longestMs >= deadlineMs).toBe(true);
      if (errorTable[last.code].retryable && last.retryAfterMs)
        expect(outcome.advice).toContain(`in ${Math.ceil(last.retryAfterMs / 1_000)} s`);
    }),
  );
});

test('the pause is uniform between nothing and its ceiling', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(255), { minLength: 3, maxLength: 3 }), async (bytes) => {
      const platform = new ListedChance(bytes);
      let first = true;
      await withRetry(
        async () => {
          if (!first) return;
          first = false;
          throw new RonError('unavailable', 'no');
        },
        {
          platform,
          budget: new RetryBudget(),
          corrId: 'c',
          deadlineMs: Number.POSITIVE_INFINITY,
          repeatable: () => true,
        },
      );
      const [a = 0, b = 0, c = 0] = bytes;
      expect(platform.waitsMs).toEqual([(100 * (a * 65_536 + b * 256 + c)) / 16_777_216]);
    }),
  );
});

test('however many calls fail or pass, retries stay within ten and a tenth of the calls', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 300 }), async (fails) => {
      const budget = new RetryBudget();
      const platform = new FakePlatform(0);
      let attempts = 0;
      for (const failing of fails) {
        const attempt = async () => {
          attempts += 1;
          if (failing) throw new RonError('unavailable', 'no');
        };
        const options = { platform, budget, corrId: 'c', deadlineMs: Number.POSITIVE_INFINITY, repeatable: () => true };
        await Promise.allSettled([withRetry(attempt, options)]);
      }
      expect(attempts - fails.length).toBeLessThanOrEqual(10 + fails.length / 10);
    }),
    { numRuns: 30 },
  );
});

test('a call inside a call is not tried again for each attempt of the outer one', async () => {
  const options = (platform: FakePlatform): RetryOptions => ({
    platform,
    budget: new RetryBudget(),
    corrId: 'c',
    deadlineMs: Number.POSITIVE_INFINITY,
    repeatable: () => true,
  });
  let attempts = 0;
  const inner = () =>
    withRetry(async () => {
      attempts += 1;
      throw new RonError('unavailable', 'no');
    }, options(new FakePlatform()));
  await expect(withRetry(inner, options(new FakePlatform()))).rejects.toMatchObject({ attempts: 5 });
  expect(attempts).toBe(5);
});
