import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBuckets } from './token-buckets.ts';

test('never give more than the burst and the rate, and the wait that they name is enough', async () => {
  const calls = fc.array(fc.record({ waitMs: fc.nat(300), count: fc.integer({ min: 1, max: 20 }) }), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(calls, async (steps) => {
      const env = createSimEnv({ seed: 1 });
      const buckets = new TokenBuckets(
        env.clock,
        () => 100,
        () => 50,
      );
      let given = 0;
      for (const { waitMs, count } of steps) {
        await env.scheduler.runFor(waitMs);
        let wait = buckets.take('a', count);
        if (wait > 0) {
          await env.scheduler.runFor(wait);
          wait = buckets.take('a', count);
        }
        expect(wait).toBe(0);
        given += count;
        expect(given).toBeLessThanOrEqual(50 + env.scheduler.nowMs / 10);
      }
    }),
  );
});

test('of more nodes than are kept forget the one that asked longest ago', () => {
  const buckets = new TokenBuckets(createSimEnv({ seed: 1 }).clock, () => 1);
  for (let index = 0; index < 5_000; index++) buckets.take(`node ${index}`);
  expect(buckets.size).toBe(4_096);
});
