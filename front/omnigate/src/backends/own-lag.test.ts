import type { Clock } from '@ron/kernel';
import { expect, test } from 'vitest';
import { OwnLag } from './own-lag.ts';

/** A clock whose timers are late by what the test says. */
function start() {
  const timers: { readonly dueMs: number; readonly run: () => void }[] = [];
  let nowMs = 0;
  const clock = {
    monotonicMs: () => nowMs,
    after: (ms: number, run: () => void) => {
      timers.push({ dueMs: nowMs + ms, run });
      return { cancel: () => undefined };
    },
  } as unknown as Clock;
  const fire = (lateMs: number): boolean => {
    const timer = timers.shift();
    if (timer === undefined) return false;
    nowMs = timer.dueMs + lateMs;
    timer.run();
    return true;
  };
  return { lag: new OwnLag(clock), fire };
}

test('is a whole turn of the loop, twice what a timer waits for on average', () => {
  const { lag, fire } = start();
  expect(lag.ms).toBe(0);
  for (let turn = 0; turn < 30; turn += 1) {
    lag.watch();
    fire(15);
  }
  expect(lag.ms).toBeGreaterThan(29);
  expect(lag.ms).toBeLessThanOrEqual(30);
  for (let turn = 0; turn < 30; turn += 1) {
    lag.watch();
    fire(0);
  }
  expect(lag.ms).toBeLessThan(0.1);
});

test('has one timer at a time, and none once no calls are made', () => {
  const { lag, fire } = start();
  for (let calls = 0; calls < 100; calls += 1) lag.watch();
  expect(fire(0)).toBe(true);
  // Calls were made in the time of the first look; in that of the second there are none.
  expect([fire(0), fire(0)]).toEqual([true, false]);
  lag.watch();
  expect([fire(0), fire(0)]).toEqual([true, false]);
});
