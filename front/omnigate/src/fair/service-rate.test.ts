import { describe, expect, test } from 'vitest';
import { ServiceRate } from './service-rate.ts';

/** Somebody waits for `ms` from `fromMs`, and `cost` is served in each ms. */
function wait(rate: ServiceRate, fromMs: number, ms: number, cost: number): void {
  rate.busy(fromMs);
  for (let at = 1; at <= ms; at += 1) rate.served(cost, fromMs + at);
  rate.idle(fromMs + ms);
}

describe('the rate of service', () => {
  test('is what was served while somebody waited, also when each wait is shorter than a measurement', () => {
    const rate = new ServiceRate();
    for (let at = 0; at < 500; at += 50) wait(rate, at, 20, 7);
    expect(rate.perSecond(500)).toBeGreaterThan(6_000);
    expect(rate.perSecond(500)).toBeLessThan(8_000);
  });

  test('falls slowly and rises at once: nobody is refused for a slow time longer than a measurement or two after it', () => {
    const rate = new ServiceRate();
    wait(rate, 0, 200, 10);
    wait(rate, 200, 100, 1);
    expect(rate.perSecond(300)).toBeGreaterThan(7_000);
    wait(rate, 300, 800, 1);
    expect(rate.perSecond(1_100)).toBeLessThan(2_000);
    wait(rate, 1_100, 200, 10);
    expect(rate.perSecond(1_300)).toBeGreaterThan(9_000);
  });

  test('does not fall in a standstill, and is forgotten after a second without a measurement', () => {
    const rate = new ServiceRate();
    wait(rate, 0, 200, 10);
    rate.busy(200);
    for (let at = 210; at < 1_200; at += 10) {
      rate.measure(at);
      expect(rate.perSecond(at)).toBe(10_000);
    }
    expect(rate.perSecond(1_200)).toBeUndefined();
  });
});
