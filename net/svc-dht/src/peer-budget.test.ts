import { expect, test } from 'vitest';
import { PeerBudget } from './peer-budget.ts';

test('a peer may save up its burst and then ask at its rate, whoever else asks', () => {
  let nowMs = 0;
  const budget = new PeerBudget(10, 20, { monotonicMs: () => nowMs });
  budget.spend('a', 20);
  expect(() => budget.spend('a', 1)).toThrow(expect.objectContaining({ code: 'quota_exhausted', retryAfterMs: 100 }));
  for (let peer = 0; peer < 3_000; peer++) budget.spend(`other ${peer}`, 1);
  expect(() => budget.spend('a', 1)).toThrow();
  nowMs = 100;
  budget.spend('a', 1);
  expect(() => budget.spend('a', 1)).toThrow();
  nowMs = 10_000;
  budget.spend('a', 20);
  expect(() => budget.spend('a', 1)).toThrow();
});
