import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSaturation, type Step } from './saturation.ts';

const ramp = { fromPerSecond: 100, toPerSecond: 100_000, factor: 1.5, refinements: 4 };
const step = (offered: number, goodput: number, unfit?: string): Step => {
  return { offered, goodput, p99Ms: 1, lost: '', unfit };
};

describe('the saturation of a server', () => {
  it('that sheds what is too much is found to within a tenth, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 200, max: 50_000 }), async (capacity) => {
        const found = await findSaturation(async (rate) => step(rate, Math.min(rate, capacity)), ramp);
        expect(found.limitedBy).toBe('server');
        expect(found.peakPerSecond / capacity).toBeGreaterThan(0.9);
        expect(found.perSecond / capacity).toBeGreaterThan(0.9);
        expect(found.perSecond / capacity).toBeLessThan(1.06);
      }),
    );
  });

  it('that collapses beyond it is found too', async () => {
    const collapsing = async (rate: number) => step(rate, rate <= 5_000 ? rate : 5_000 * (5_000 / rate) ** 2);
    const found = await findSaturation(collapsing, ramp);
    expect(found.perSecond).toBeGreaterThan(4_500);
    expect(found.perSecond).toBeLessThan(5_300);
    expect(found.peakPerSecond).toBeLessThanOrEqual(5_000);
  });

  it('is not taken from one pause of the machine', async () => {
    let paused = false;
    const measure = async (rate: number) => {
      if (rate > 1_000 && !paused) {
        paused = true;
        return step(rate, rate / 10);
      }
      return step(rate, Math.min(rate, 20_000));
    };
    expect((await findSaturation(measure, ramp)).perSecond).toBeGreaterThan(18_000);
  });

  it('is not claimed when the generator was the bound', async () => {
    const measure = async (rate: number) => (rate > 3_000 ? step(rate, 3_000, 'full') : step(rate, rate));
    expect((await findSaturation(measure, ramp)).limitedBy).toBe('generator');
  });

  it('is not claimed when the highest rate was kept up with', async () => {
    expect((await findSaturation(async (rate) => step(rate, rate), ramp)).limitedBy).toBe('the highest rate');
  });

  it('of a server that never keeps up is the most that it did', async () => {
    const found = await findSaturation(async (rate) => step(rate, 10), ramp);
    expect([found.perSecond, found.peakPerSecond]).toEqual([10, 10]);
  });
});
