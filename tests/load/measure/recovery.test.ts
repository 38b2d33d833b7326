import { describe, expect, it } from 'vitest';
import type { TimelinePoint } from '../generator/plan.ts';
import { recoveryMs } from './recovery.ts';

const point = (atMs: number, good: number, p99Ms = 5): TimelinePoint => {
  return { atMs, offered: 100, good, late: 0, refused: {}, failed: 0, p50Ms: 1, p99Ms };
};
/** Good from `fromMs` on, in points of 200 ms. */
const timeline = (fromMs: number, p99Ms?: (atMs: number) => number) =>
  Array.from({ length: 50 }, (_, index) => {
    return point(index * 200, index * 200 >= fromMs ? 100 : 20, p99Ms?.(index * 200));
  });

describe('recovery', () => {
  it('is the time until a second of goodput begins', () => {
    expect(recoveryMs(timeline(4_000), 3_000, 100)).toBe(1_000);
  });

  it('is at once when nothing suffered', () => {
    expect(recoveryMs(timeline(0), 3_000, 100)).toBe(0);
  });

  it('waits for the latency as well', () => {
    expect(
      recoveryMs(
        timeline(4_000, (atMs) => (atMs < 6_000 ? 500 : 5)),
        3_000,
        100,
      ),
    ).toBe(3_000);
  });

  it('is unknown when it does not come, or comes in the last moment only', () => {
    expect(recoveryMs(timeline(20_000), 3_000, 100)).toBeUndefined();
    expect(recoveryMs(timeline(9_600), 3_000, 100)).toBeUndefined();
  });

  it('is nothing that a second without requests could show', () => {
    const silent = timeline(20_000).map((each) => (each.atMs < 5_000 ? each : { ...each, offered: 0, good: 0 }));
    expect(recoveryMs(silent, 3_000, 100)).toBeUndefined();
  });
});
