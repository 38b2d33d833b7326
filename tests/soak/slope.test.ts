import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../load/generator/random.ts';
import { medians, robustSlope } from './slope.ts';

/** A line with noise that is the sum of three uniform draws, and every `wildEach`-th point far off. */
function noisy(slope: number, seed: number, wildEach = Number.POSITIVE_INFINITY): [number, number][] {
  const random = createRandom(seed);
  return Array.from({ length: 60 }, (_, index) => {
    const noise = random() + random() + random() - 1.5;
    return [index, 100 + slope * index + 10 * noise + (index % wildEach === 4 ? 5_000 : 0)];
  });
}

describe('a robust slope', () => {
  it('is exact on a line', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000, max: 1_000 }), fc.integer({ min: 4, max: 50 }), (slope, count) => {
        const found = robustSlope(Array.from({ length: count }, (_, index) => [index, slope * index + 3]));
        expect([found!.estimate, found!.low, found!.high]).toEqual([slope, slope, slope]);
      }),
    );
  });

  it('holds the true slope in nine of ten intervals at least, whatever the noise draws', () => {
    const held = Array.from({ length: 200 }, (_, seed) => robustSlope(noisy(0.5, seed))!).filter(
      ({ low, high }) => low <= 0.5 && high >= 0.5,
    );
    expect(held.length).toBeGreaterThanOrEqual(180);
    expect(held.length).toBeLessThan(200);
  });

  it('is not moved by a tenth of wild points', () => {
    const { estimate } = robustSlope(noisy(0.5, 1, 10))!;
    expect(Math.abs(estimate - 0.5)).toBeLessThan(0.3);
  });

  it('has an interval around its estimate, and no growth is told from noise only', () => {
    const { estimate, low, high } = robustSlope(noisy(0, 3))!;
    expect(low).toBeLessThanOrEqual(estimate);
    expect(high).toBeGreaterThanOrEqual(estimate);
    expect(low).toBeLessThan(0);
    expect(high).toBeGreaterThan(0);
  });

  it('is unknown for less than four points, or for points of one time', () => {
    expect(
      robustSlope([
        [0, 1],
        [1, 2],
        [2, 3],
      ]),
    ).toBeUndefined();
    expect(
      robustSlope([
        [1, 1],
        [1, 2],
        [1, 3],
        [1, 4],
      ]),
    ).toBeUndefined();
  });
});

describe('medians', () => {
  it('are one for each stretch', () => {
    expect(
      medians(
        [
          [0, 1],
          [1, 9],
          [2, 2],
          [10, 4],
          [11, 6],
          [19, 5],
        ],
        10,
      ),
    ).toEqual([
      [5, 2],
      [15, 5],
    ]);
  });
});
