import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

const durations = fc.array(fc.double({ min: 0, max: 4_000_000, noNaN: true }), { minLength: 1, maxLength: 200 });
const histogramOf = (values: readonly number[]) => {
  const histogram = new Histogram();
  for (const value of values) histogram.recordMs(value);
  return histogram;
};

describe('a histogram', () => {
  it('tells each percentile to within 1/128 and a microsecond, and never too low', () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0.01, max: 100, noNaN: true }), (values, percent) => {
        const sorted = values.map((value) => Math.round(value * 1_000) / 1_000).sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1]!;
        const told = histogramOf(values).percentileMs(percent);
        expect(told).toBeGreaterThanOrEqual(exact - 1e-9);
        expect(told).toBeLessThanOrEqual(exact * (1 + 1 / 128) + 0.001);
      }),
    );
  });

  it('knows the largest exactly', () => {
    fc.assert(
      fc.property(durations, (values) => {
        const exact = Math.max(...values.map((value) => Math.round(value * 1_000) / 1_000));
        expect(histogramOf(values).maxMs).toBeCloseTo(exact, 6);
        expect(histogramOf(values).percentileMs(100)).toBeCloseTo(exact, 6);
      }),
    );
  });

  it('is the same whether two are added or one has seen all', () => {
    fc.assert(
      fc.property(durations, durations, (some, others) => {
        const added = histogramOf(some).add(histogramOf(others));
        expect(added.pack()).toEqual(histogramOf([...some, ...others]).pack());
      }),
    );
  });

  it('arrives as it was packed', () => {
    fc.assert(
      fc.property(durations, (values) => {
        const sent = histogramOf(values);
        const arrived = Histogram.unpack(structuredClone(sent.pack()));
        expect(arrived.pack()).toEqual(sent.pack());
        expect([arrived.total, arrived.maxMs]).toEqual([sent.total, sent.maxMs]);
      }),
    );
  });

  it('has no percentile while it is empty, and counts what is too long as the longest', () => {
    expect(new Histogram().percentileMs(50)).toBeNaN();
    expect(histogramOf([1e12]).maxMs).toBe((2 ** 32 - 1) / 1_000);
    expect(histogramOf([-5]).maxMs).toBe(0);
  });
});
