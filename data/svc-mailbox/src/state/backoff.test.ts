import { expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

const ids = Array.from({ length: 4_000 }, (_, count) => `01TEST${count.toString().padStart(20, '0')}`);

it.each([1, 2, 5, 8, 9, 30, 1_000])('spreads evenly from 0 to below its ceiling after %i deliveries', (attempt) => {
  const ceiling = Math.min(60_000, 200 * 2 ** attempt);
  const tenths = new Array<number>(10).fill(0);
  for (const id of ids) {
    const waitMs = backoffMs(id, attempt);
    expect(Number.isInteger(waitMs) && waitMs >= 0 && waitMs < ceiling).toBe(true);
    tenths[Math.floor((waitMs / ceiling) * 10)]! += 1;
  }
  for (const count of tenths) expect(Math.abs(count - 400)).toBeLessThan(100);
});

it('is the same whenever it is asked for, and another one after each delivery', () => {
  const id = ids[0]!;
  expect(backoffMs(id, 9)).toBe(backoffMs(id, 9));
  expect(new Set([9, 10, 11, 12, 13].map((attempt) => backoffMs(id, attempt))).size).toBe(5);
});
