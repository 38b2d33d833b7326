import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Candidate, leastLoaded } from './choice.ts';
import { GradientLimit } from './gradient-limit.ts';
import { type Measured, outliersOf } from './outliers.ts';

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const candidate: fc.Arbitrary<Candidate> = fc.record({
  inflight: fc.nat(300),
  weight: fc.double({ min: 0.1, max: 1, noNaN: true }),
});
const loadOf = ({ inflight, weight }: Candidate) => (inflight + 1) / weight;

describe('the choice of a backend', () => {
  test('is the least loaded of a few', () => {
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 8 }), fc.infiniteStream(unit), (all, random) => {
        const chosen = leastLoaded(all, () => random.next().value as number)!;
        expect(loadOf(chosen)).toBe(Math.min(...all.map(loadOf)));
      }),
    );
  });

  test('of many is never the most loaded, when one is', () => {
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 9, maxLength: 40 }), fc.infiniteStream(unit), (all, random) => {
        const loads = all.map(loadOf);
        const most = Math.max(...loads);
        fc.pre(loads.filter((load) => load === most).length === 1);
        expect(loadOf(leastLoaded(all, () => random.next().value as number)!)).toBeLessThan(most);
      }),
    );
  });

  test('among equals goes round, and of nothing is nothing', () => {
    const equal = Array.from({ length: 4 }, (_, name) => ({ name, inflight: 0, weight: 1 }));
    let seed = 1;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const counts = [0, 0, 0, 0];
    for (let calls = 0; calls < 4_000; calls += 1) counts[leastLoaded(equal, random)!.name]! += 1;
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(200);
    expect(leastLoaded([], random)).toBeUndefined();
  });
});

const measured = (fields: Partial<Measured> = {}): Measured => ({
  latencyMs: 10,
  failsCalls: false,
  takesCalls: true,
  ejectedByStatistics: false,
  ...fields,
});

describe('outliers', () => {
  test('are those that fail calls, or take four times as long as the others and 100 ms more', () => {
    const slow = measured({ latencyMs: 200 });
    const failing = measured({ failsCalls: true });
    expect(outliersOf([measured(), measured(), slow]).map(({ backend }) => backend)).toEqual([slow]);
    expect(outliersOf([measured(), failing]).map(({ backend }) => backend)).toEqual([failing]);
    expect(outliersOf([measured(), measured({ latencyMs: 109 })])).toEqual([]);
    expect(outliersOf([measured({ latencyMs: 100 }), measured({ latencyMs: 390 })])).toEqual([]);
  });

  test('are never more than half, and never the last that takes calls', () => {
    const anyone = fc.record({
      latencyMs: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined }),
      failsCalls: fc.boolean(),
      takesCalls: fc.boolean(),
      ejectedByStatistics: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anyone, { minLength: 1, maxLength: 12 }), (drawn) => {
        const all = drawn.map((one) => ({ ...one, ejectedByStatistics: one.ejectedByStatistics && !one.takesCalls }));
        const out = outliersOf(all);
        const before = all.filter((one) => one.ejectedByStatistics).length;
        if (out.length > 0) expect(out.length + before).toBeLessThanOrEqual(all.length / 2);
        const taking = all.filter((one) => one.takesCalls).length;
        if (taking > 0) expect(taking - out.length).toBeGreaterThan(0);
        for (const { backend } of out) expect(backend.takesCalls).toBe(true);
      }),
    );
  });
});

describe('the concurrency limit', () => {
  const options = { initial: 32, min: 8, max: 256 };

  test('stays in its bounds, whatever is measured', () => {
    const step = fc.record({
      latencyMs: fc.integer({ min: 0, max: 60_000 }),
      waitMs: fc.nat(300),
      refused: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (run) => {
        const limit = new GradientLimit(options);
        let nowMs = 0;
        for (const { latencyMs, waitMs, refused } of run) {
          nowMs += waitMs;
          if (refused) limit.refused(nowMs);
          else limit.sample('gateway.get', latencyMs, limit.limit, nowMs);
          expect(limit.limit).toBeGreaterThanOrEqual(options.min);
          expect(limit.limit).toBeLessThanOrEqual(options.max);
        }
      }),
    );
  });

  /** A backend that works on `places` calls at once for 20 ms each: more than that wait there. */
  function settle(places: number, seconds: number): GradientLimit {
    const limit = new GradientLimit(options);
    let nowMs = 0;
    while (nowMs < seconds * 1_000) {
      const inflight = limit.limit;
      const latencyMs = 20 * Math.max(1, inflight / places);
      nowMs += latencyMs / inflight;
      limit.sample('gateway.get', latencyMs, inflight, nowMs);
    }
    return limit;
  }

  test('grows to what the backend works on at once, and not far past it', () => {
    expect(settle(128, 30).limit).toBeGreaterThan(115);
    const small = settle(16, 30).limit;
    expect(small).toBeGreaterThanOrEqual(16);
    expect(small).toBeLessThan(64);
  });

  test('does not grow while little of it is used', () => {
    const limit = new GradientLimit(options);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 5) limit.sample('gateway.get', 10, 2, nowMs);
    expect(limit.limit).toBe(32);
  });

  test('falls when the same operations take longer, and not when other operations come', () => {
    const limit = new GradientLimit(options);
    let nowMs = 0;
    const run = (operation: string, latencyMs: number) => {
      for (let calls = 0; calls < 200; calls += 1) {
        nowMs += 5;
        limit.sample(operation, latencyMs, limit.limit, nowMs);
      }
    };
    run('gateway.get', 10);
    const before = limit.limit;
    run('gateway.set_name', 200);
    expect(limit.limit).toBeGreaterThanOrEqual(before);
    run('gateway.get', 100);
    expect(limit.limit).toBeLessThan(before);
  });

  test('falls once a window for refusals', () => {
    const limit = new GradientLimit(options);
    for (let calls = 0; calls < 50; calls += 1) limit.refused(1_000);
    expect(limit.limit).toBe(25);
    limit.refused(1_100);
    expect(limit.limit).toBe(20);
  });
});
