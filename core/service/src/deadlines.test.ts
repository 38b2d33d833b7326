import { SimClock, SimScheduler } from '@ron/kernel/sim';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from './deadlines.ts';

function start() {
  const scheduler = new SimScheduler();
  const clock = new SimClock(scheduler, 'test', 0);
  return { scheduler, clock, deadlines: new Deadlines(clock) };
}

test('work that ends before its deadline keeps its outcome, later work is ended within 50 ms of it', async () => {
  const times = fc.array(fc.record({ takesMs: fc.nat(2_000), deadlineMs: fc.nat(2_000), fails: fc.boolean() }), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(times, async (all) => {
      const { scheduler, clock, deadlines } = start();
      const ends = all.map(async ({ takesMs, deadlineMs, fails }, index) => {
        const work = new Promise<number>((resolve, reject) => {
          clock.after(takesMs, () => (fails ? reject(new Error('own')) : resolve(index)));
        });
        let late = 0;
        const outcome = await deadlines
          .race(work, { deadlineMs }, () => {
            late += 1;
          })
          .then(
            (value) => value,
            (error) => error.code ?? error.message,
          );
        const own = fails ? 'own' : index;
        if (outcome !== own) {
          expect(outcome).toBe('deadline_exceeded');
          expect(clock.monotonicMs()).toBeGreaterThanOrEqual(deadlineMs);
          expect(clock.monotonicMs()).toBeLessThanOrEqual(deadlineMs + 50);
          expect(takesMs).toBeGreaterThanOrEqual(deadlineMs);
        }
        expect(late).toBe(outcome === own ? 0 : 1);
      });
      await scheduler.settle(Promise.all(ends));
      await scheduler.runUntilIdle();
      expect(scheduler.pending).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('a deadline may move while the work goes on', async () => {
  const { scheduler, clock, deadlines } = start();
  const deadline = { deadlineMs: 100 };
  clock.after(90, () => {
    deadline.deadlineMs = 1_000;
  });
  const work = new Promise((resolve) => clock.after(900, () => resolve('done')));
  expect(await scheduler.settle(deadlines.race(work, deadline, () => undefined))).toBe('done');
});
