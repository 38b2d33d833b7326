import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createChooser, createRandom, zipfWeights } from './random.ts';
import { type Arrival, type ArrivalKind, lengthMsOf, type Phase, Schedule } from './schedule.ts';

const phase = fc.record({
  name: fc.constantFrom('a', 'b'),
  seconds: fc.integer({ min: 1, max: 20 }),
  perSecond: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 500, noNaN: true })),
});
const phases = fc.array(phase, { minLength: 1, maxLength: 5 });
const kinds = fc.constantFrom<ArrivalKind>('poisson', 'constant');

function all(kind: ArrivalKind, list: readonly Phase[], seed: number): Arrival[] {
  const schedule = new Schedule(kind, list, createRandom(seed));
  const arrivals: Arrival[] = [];
  for (let next = schedule.next(); next !== undefined; next = schedule.next()) arrivals.push(next);
  return arrivals;
}

describe('a schedule', () => {
  it('never goes back, ends with its phases, and says the phase of each arrival', () => {
    fc.assert(
      fc.property(kinds, phases, fc.nat(), (kind, list, seed) => {
        const arrivals = all(kind, list, seed);
        let before = 0;
        for (const { atMs, phase: index } of arrivals) {
          expect(atMs).toBeGreaterThanOrEqual(before);
          before = atMs;
          const fromMs = lengthMsOf(list.slice(0, index));
          expect(atMs).toBeGreaterThanOrEqual(fromMs - 1e-6);
          expect(atMs).toBeLessThan(fromMs + list[index]!.seconds * 1_000 + 1e-6);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is the same for the same seed, and another for another', () => {
    const list = [{ name: 'a', seconds: 2, perSecond: 100 }];
    expect(all('poisson', list, 7)).toEqual(all('poisson', list, 7));
    expect(all('poisson', list, 7)).not.toEqual(all('poisson', list, 8));
  });

  it('offers the rate of each phase: within one for constant arrivals, within 6 standard deviations for Poisson', () => {
    fc.assert(
      fc.property(kinds, phases, fc.nat(), (kind, list, seed) => {
        const arrivals = all(kind, list, seed);
        for (const [index, { seconds, perSecond }] of list.entries()) {
          const expected = seconds * perSecond;
          const found = arrivals.filter((arrival) => arrival.phase === index).length;
          const slack = kind === 'constant' ? 1.001 : 6 * Math.sqrt(expected) + 6;
          expect(Math.abs(found - expected)).toBeLessThanOrEqual(slack);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has exponential gaps when it is Poisson: mean and standard deviation are the same', () => {
    const arrivals = all('poisson', [{ name: 'a', seconds: 200, perSecond: 100 }], 3);
    const gaps = arrivals.slice(1).map(({ atMs }, index) => atMs - arrivals[index]!.atMs);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(mean).toBeCloseTo(10, 0);
    expect(deviation / mean).toBeGreaterThan(0.95);
    expect(deviation / mean).toBeLessThan(1.05);
  });

  it('has gaps of one length when it is constant', () => {
    const arrivals = all('constant', [{ name: 'a', seconds: 1, perSecond: 50 }], 5);
    for (const [index, { atMs }] of arrivals.entries()) {
      if (index > 0) expect(atMs - arrivals[index - 1]!.atMs).toBeCloseTo(20, 6);
    }
  });

  it('refuses phases without length and rates below nothing', () => {
    const make = (list: readonly Phase[]) => () => new Schedule('poisson', list, createRandom(1));
    expect(make([])).toThrow(RangeError);
    expect(make([{ name: 'a', seconds: 0, perSecond: 1 }])).toThrow(RangeError);
    expect(make([{ name: 'a', seconds: 1, perSecond: -1 }])).toThrow(RangeError);
    expect(make([{ name: 'a', seconds: 1, perSecond: Number.NaN }])).toThrow(RangeError);
  });
});

describe('a chooser', () => {
  it('chooses as often as the weights say', () => {
    const weights = [70, 20, 5, 5];
    const choose = createChooser(weights, createRandom(11));
    const counts = [0, 0, 0, 0];
    for (let draw = 0; draw < 20_000; draw += 1) counts[choose()]! += 1;
    for (const [index, weight] of weights.entries()) {
      expect(Math.abs(counts[index]! / 200 - weight)).toBeLessThan(1.5);
    }
  });

  it('has popular keys', () => {
    expect(zipfWeights(4, 1)).toEqual([1, 1 / 2, 1 / 3, 1 / 4]);
  });
});
