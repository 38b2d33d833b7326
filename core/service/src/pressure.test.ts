import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PressureLimits, type PressureReading, PressureState, shedOrder } from './pressure.ts';

const limits: PressureLimits = {
  loopDelayMs: 25,
  queueDelayMs: 250,
  queuedMin: 32,
  inflightMax: 512,
  heapShare: 0.85,
  dwellMs: 250,
};
const calm: PressureReading = { loopDelayMs: 1, queued: 1, inflight: 1, heapShare: 0.1 };
const late: PressureReading = { ...calm, loopDelayMs: 60, queued: 500 };

/** Feeds one reading every 20 ms from `fromMs` on; the time after the last one. */
function feed(state: PressureState, reading: PressureReading, fromMs: number, forMs: number): number {
  let nowMs = fromMs;
  for (; nowMs < fromMs + forMs; nowMs += 20) state.update(reading, limits, nowMs);
  return nowMs;
}

const anyReading = fc.record({
  loopDelayMs: fc.double({ min: 0, max: 500, noNaN: true }),
  queued: fc.nat(2_000),
  inflight: fc.nat(600),
  heapShare: fc.double({ min: 0, max: 1, noNaN: true }),
});
const anySteps = fc.array(fc.tuple(anyReading, fc.nat(2_000)), { maxLength: 60 });

describe('whatever is measured', () => {
  it('refuses a kind only when all kinds before it are refused altogether', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const state = new PressureState();
        let nowMs = 0;
        for (const [reading, pauseMs] of steps) {
          nowMs += pauseMs;
          state.update(reading, limits, nowMs);
          expect(state.depth).toBeGreaterThanOrEqual(0);
          expect(state.depth).toBeLessThanOrEqual(4);
          const shares = shedOrder.map((kind) => state.share(kind));
          for (let at = 1; at < shares.length; at += 1) {
            expect(shares[at]).toBeLessThanOrEqual(shares[at - 1]!);
            if (shares[at]! > 0) expect(shares[at - 1]).toBe(1);
          }
          expect(state.level === 'calm').toBe(state.depth === 0);
        }
      }),
    );
  });

  it('is calm again within five seconds of calm', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const state = new PressureState();
        let nowMs = 0;
        for (const [reading, pauseMs] of steps) {
          nowMs += pauseMs;
          state.update(reading, limits, nowMs);
        }
        feed(state, calm, nowMs, 5_000);
        expect(state.level).toBe('calm');
        expect(Object.values(state.signals).every(({ over }) => !over)).toBe(true);
      }),
    );
  });

  it('never begins while every signal is below its bound', () => {
    const below = fc.record({
      loopDelayMs: fc.double({ min: 0, max: 24.9, noNaN: true }),
      queued: fc.nat(2_000),
      inflight: fc.nat(447),
      heapShare: fc.double({ min: 0, max: 0.849, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(below, fc.nat(2_000)), { maxLength: 60 }), (steps) => {
        const state = new PressureState();
        let nowMs = 0;
        for (const [reading, pauseMs] of steps) {
          nowMs += pauseMs;
          state.update(reading, limits, nowMs);
          expect(state.level).toBe('calm');
        }
      }),
    );
  });
});

describe('a late loop', () => {
  it('has every write refused before the first read, and everything in the end', () => {
    const state = new PressureState();
    const seen: string[] = [];
    for (let nowMs = 0; nowMs <= 2_000; nowMs += 20) {
      state.update(late, limits, nowMs);
      if (seen.at(-1) !== state.level) seen.push(state.level);
    }
    expect(seen).toEqual(['calm', 'write', 'costly', 'read', 'free']);
    expect(state.share('free')).toBe(1);
    expect(state.reason).toBe('loop_delay');
  });

  it('is nobody’s fault while hardly anybody waits for it', () => {
    const state = new PressureState();
    feed(state, { ...late, queued: limits.queuedMin - 1 }, 0, 2_000);
    expect(state.level).toBe('calm');
    feed(state, { ...late, queued: limits.queuedMin }, 2_000, 100);
    expect(state.level).not.toBe('calm');
  });

  it('holds what it has between half of its bound and the bound, and for the dwell', () => {
    const state = new PressureState();
    let nowMs = feed(state, late, 0, 200);
    const { depth } = state;
    nowMs = feed(state, { ...late, loopDelayMs: 13 }, nowMs, 3_000);
    expect(state.depth).toBe(depth);
    const fresh = new PressureState();
    nowMs = feed(fresh, late, 0, 200);
    const risen = fresh.depth;
    fresh.update(calm, limits, 180 + limits.dwellMs);
    expect(fresh.depth).toBe(risen);
    fresh.update(calm, limits, 181 + limits.dwellMs);
    expect(fresh.depth).toBeLessThan(risen);
  });

  it('counts a long time without a call as one measurement', () => {
    const state = new PressureState();
    state.update(late, limits, 0);
    state.update(late, limits, 3_600_000);
    expect(state.share('read')).toBe(0);
  });
});

describe('calls in flight and the heap', () => {
  it.each([
    ['inflight', { inflight: 447 }, { inflight: 448 }, { inflight: 512 }],
    ['heap', { heapShare: 0.849 }, { heapShare: 0.85 }, { heapShare: 0.97 }],
  ] as const)(
    'of %s nothing is refused below the bound, writes at it, everything at its end',
    (signal, below, at, full) => {
      const state = new PressureState();
      state.update({ ...calm, ...below }, limits, 0);
      expect(state.level).toBe('calm');
      state.update({ ...calm, ...at }, limits, 20);
      expect([state.share('write'), state.share('costly')]).toEqual([1, 0]);
      expect(state.reason).toBe(signal);
      expect(state.signals[signal].over).toBe(true);
      state.update({ ...calm, ...below }, limits, 40);
      expect(state.share('write')).toBe(1);
      state.update({ ...calm, ...full }, limits, 60);
      expect(state.share('free')).toBe(1);
      state.update(calm, limits, 80);
      expect(state.level).toBe('calm');
    },
  );
});
