import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BackendHealth, callFailuresMax, type HealthEvent } from './health.ts';

const start = () => new BackendHealth({ slowStartMs: 10_000 }, 0);
const failed: HealthEvent = { kind: 'probe_failed', reason: 'silent' };
const ok: HealthEvent = { kind: 'probe_ok' };

function joined(): BackendHealth {
  const health = start();
  health.on(ok, 0);
  return health;
}

describe('the health of a backend', () => {
  test('begins outside and joins with its first answer; its share grows in a line to the whole', () => {
    const health = start();
    expect(health.takesCalls).toBe(false);
    health.on(ok, 1_000);
    expect(health.phase).toBe('joining');
    expect([health.weight(1_000), health.weight(6_000), health.weight(11_000)]).toEqual([0.1, 0.5, 1]);
    expect(health.tick(10_999)).toBe(false);
    expect(health.tick(11_000)).toBe(true);
    expect(health.phase).toBe('healthy');
  });

  test.each([
    [1, 'joining'],
    [2, 'ejected'],
  ])('after %i failed probes in a row it is %s', (count, phase) => {
    const health = joined();
    for (let probes = 0; probes < count; probes += 1) health.on(failed, 100);
    expect(health.phase).toBe(phase);
  });

  test('after the first failure the next probe comes at once, and an answered call forgets it', () => {
    const health = joined();
    health.on(failed, 100);
    expect(health.nextProbeMs(500, 100)).toBe(0);
    health.on({ kind: 'call_ok' }, 100);
    expect(health.nextProbeMs(500, 100)).toBe(500);
  });

  test('comes back by an answered probe, after a time that grows while it stays away', () => {
    const health = joined();
    for (let probes = 0; probes < 2; probes += 1) health.on(failed, 0);
    expect(health.nextProbeMs(500, 0)).toBe(500);
    for (let probes = 0; probes < 8; probes += 1) health.on(failed, 0);
    expect(health.nextProbeMs(500, 0)).toBe(10_000);
    health.on(ok, 9_999);
    expect(health.phase).toBe('ejected');
    health.on(ok, 10_000);
    expect(health.phase).toBe('joining');
  });

  test('an outlier stays out for longer each time', () => {
    const health = joined();
    const away: number[] = [];
    let nowMs = 0;
    for (let times = 0; times < 5; times += 1) {
      health.on({ kind: 'outlier', reason: 'slow' }, nowMs);
      const from = nowMs;
      while (health.phase === 'ejected') {
        nowMs += 500;
        health.on(ok, nowMs);
      }
      away.push(nowMs - from);
    }
    expect(away).toEqual([2_000, 4_000, 8_000, 16_000, 16_000]);
  });

  test.each([-1, 0, 1])('calls that fail in a row stand out at the limit %i', (more) => {
    const health = joined();
    for (let calls = 0; calls < callFailuresMax + more; calls += 1) health.on({ kind: 'call_failed' }, 0);
    expect(health.failsCalls).toBe(more >= 0);
    health.on({ kind: 'call_ok' }, 0);
    expect(health.failsCalls).toBe(false);
  });

  test('that says it drains gets nothing more, and joins again when it does not say so any more', () => {
    const health = joined();
    health.on({ kind: 'said_draining' }, 0);
    expect(health.phase).toBe('draining');
    health.on(ok, 500);
    expect(health.phase).toBe('joining');
  });

  const events: fc.Arbitrary<HealthEvent | 'tick'> = fc.oneof(
    fc.constantFrom<HealthEvent | 'tick'>(
      ok,
      failed,
      { kind: 'call_ok' },
      { kind: 'call_failed' },
      { kind: 'said_draining' },
      { kind: 'outlier', reason: 'slow' },
      'tick',
    ),
    fc.boolean().map((drain): HealthEvent => ({ kind: 'operator', drain })),
  );

  test('keeps its promises in any order of events', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(events, fc.integer({ min: 0, max: 4_000 })), { maxLength: 200 }), (run) => {
        const health = start();
        let nowMs = 0;
        let operatorDrain = false;
        let failures = 0;
        let answered = false;
        for (const [event, waitMs] of run) {
          nowMs += waitMs;
          const before = health.phase;
          if (event === 'tick') health.tick(nowMs);
          else {
            health.on(event, nowMs);
            if (event.kind === 'operator') operatorDrain = event.drain;
            if (event.kind === 'probe_failed') failures += 1;
            else if (event.kind !== 'call_failed' && event.kind !== 'outlier' && event.kind !== 'operator')
              failures = 0;
            answered ||= event.kind === 'probe_ok' || event.kind === 'said_draining';
          }
          expect(health.operatorDrain).toBe(operatorDrain);
          if (operatorDrain) expect(health.takesCalls).toBe(false);
          if (failures >= 2) expect(health.takesCalls).toBe(false);
          if (!answered) expect(health.phase).toBe('ejected');
          expect(health.weight(nowMs) > 0).toBe(health.takesCalls);
          expect(health.weight(nowMs)).toBeLessThanOrEqual(1);
          const nextMs = health.nextProbeMs(500, nowMs);
          expect(nextMs).toBeGreaterThanOrEqual(0);
          expect(nextMs).toBeLessThanOrEqual(16_000);
          if (before === 'ejected' && health.takesCalls) expect(event).toEqual(ok);
        }
      }),
    );
  });
});
