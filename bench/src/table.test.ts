import { expect, test } from 'vitest';
import { type Measured, percentile } from './row.ts';
import { verdictOf } from './table.ts';

const measured = (ours: readonly number[], more: Partial<Measured> = {}): Measured => ({
  unit: 'ms',
  ours,
  anchor: [],
  higherIsBetter: false,
  evidence: '',
  ...more,
});

test('a median at its absolute bar passes, one past it falls short, on the side that is worse', () => {
  const at = (reached: number, higherIsBetter: boolean) =>
    verdictOf({ bar: undefined, limit: 40, measured: measured([1, reached, 99], { higherIsBetter }) });
  expect([39.9, 40, 40.1].map((reached) => at(reached, false))).toEqual(['pass', 'pass', 'falls short']);
  expect([39.9, 40, 40.1].map((reached) => at(reached, true))).toEqual(['falls short', 'pass', 'pass']);
});

test('a ratio to the anchor is judged by its bar, and what has no bar or no anchor is not judged', () => {
  const of = (bar: number | undefined, anchor: readonly number[]) =>
    verdictOf({ bar, limit: undefined, measured: measured([50], { anchor, higherIsBetter: true }) });
  expect([of(0.5, [100]), of(0.51, [100]), of(undefined, [100]), of(0.5, [])]).toEqual(['pass', 'falls short', '', '']);
  expect(verdictOf({ bar: 1, limit: 1, measured: undefined })).toBe('');
});

test('a percentile is a sample, not a sum in between', () => {
  const samples = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([0.5, 0.95, 0.99, 1].map((share) => percentile(samples, share))).toEqual([51, 96, 100, 100]);
});
