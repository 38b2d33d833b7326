import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBench, everything } from './fixtures/bench.ts';
import { type StrangerLimits, Strangers } from './strangers.ts';

const limits: StrangerLimits = {
  workMsPerSecond: 200,
  workMsBurst: 20,
  failedMsPerSecond: 50,
  failedMsBurst: 10,
  networksMax: 3,
};

function handClock() {
  let nowMs = 0;
  return {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    after: () => ({ cancel: () => undefined }),
    add(ms: number) {
      nowMs += ms;
    },
  };
}

function refusalOf(strangers: Strangers, remote: string): RonError | undefined {
  try {
    strangers.check(remote);
    return undefined;
  } catch (error) {
    if (error instanceof RonError) return error;
    throw error;
  }
}

describe('one address', () => {
  test('is refused when its failures have used up its budget, and not before', () => {
    const strangers = new Strangers(handClock(), { ...limits, workMsBurst: 1_000 });
    for (let at = 0; at < 2; at += 1) strangers.spent('a', 4.9, true);
    expect(refusalOf(strangers, 'a')).toBeUndefined();
    strangers.spent('a', 0.2, true);
    expect(refusalOf(strangers, 'a')).toMatchObject({
      code: 'quota_exhausted',
      retryAfterMs: 1,
      details: { quota: 'failed_authentications' },
    });
    expect(refusalOf(strangers, 'b')).toBeUndefined();
  });

  test('pays nothing of its own for tokens that are good', () => {
    const clock = handClock();
    const strangers = new Strangers(clock, limits);
    for (let at = 0; at < 100; at += 1) {
      expect(refusalOf(strangers, 'a')).toBeUndefined();
      strangers.spent('a', 1, false);
      clock.add(5);
    }
    expect(strangers.remembered).toBe(0);
  });
});

test('one network: the /64 of an IPv6 address, and an IPv4 address in each of its spellings', () => {
  const strangers = new Strangers(handClock(), { ...limits, workMsBurst: 1_000 });
  for (let host = 1; host <= 3; host += 1) strangers.spent(`2001:db8:0:7::${host}`, 5, true);
  for (const remote of ['2001:db8:0:7::99', '2001:DB8:0:7:ffff::1']) {
    expect(refusalOf(strangers, remote)?.code).toBe('quota_exhausted');
  }
  expect(refusalOf(strangers, '2001:db8:0:8::1')).toBeUndefined();
  for (const remote of ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201']) strangers.spent(remote, 5, true);
  expect(refusalOf(strangers, '192.0.2.1')?.code).toBe('quota_exhausted');
  expect(refusalOf(strangers, '192.0.2.2')).toBeUndefined();
  expect(strangers.remembered).toBe(2);
});

const spentBy = (remote: string, ms: number, failed: boolean) => ({ remote, ms, failed, pause: 0 });
const fill = (count: number, ms: number) => new Array<number>(count).fill(ms);

test('the wait that is told is the least whole number of milliseconds after which the budget lets it through', () => {
  const step = fc.record({
    remote: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    ms: fc.double({ min: 0, max: 6, noNaN: true }),
    failed: fc.boolean(),
    pause: fc.nat(30),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = handClock();
      const strangers = new Strangers(clock, limits);
      for (const { remote, ms, failed, pause } of steps) {
        strangers.spent(remote, ms, failed);
        clock.add(pause);
        expect(strangers.remembered).toBeLessThanOrEqual(limits.networksMax);
      }
      const refusal = refusalOf(strangers, 'a');
      if (refusal === undefined) return;
      const wait = refusal.retryAfterMs!;
      expect(wait).toBeGreaterThan(0);
      clock.add(wait - 1);
      expect(refusalOf(strangers, 'a')?.code).toBe(refusal.code);
      clock.add(1);
      expect(refusalOf(strangers, 'a')?.code).not.toBe(refusal.code);
    }),
    // Sums of hundredths are not exact as fractions: these leave 9.8 ms, of which 10 are kept.
    { examples: [[[spentBy('a', 0.01, true), ...[5, 5, ...fill(19, 0.01)].map((ms) => spentBy('b', ms, false))]]] },
  );
});

test('whatever strangers send, the work for them stays within its share of the time', () => {
  const call = fc.record({ remote: fc.nat(50), ms: fc.double({ min: 0.1, max: 5, noNaN: true }), pause: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(call, { minLength: 50, maxLength: 400 }), (calls) => {
      const clock = handClock();
      const strangers = new Strangers(clock, limits);
      let worked = 0;
      for (const { remote, ms, pause } of calls) {
        clock.add(pause);
        if (refusalOf(strangers, `${remote}`) !== undefined) continue;
        strangers.spent(`${remote}`, ms, true);
        worked += ms;
      }
      const allowed = limits.workMsBurst + (clock.monotonicMs() * limits.workMsPerSecond) / 1_000;
      expect(worked).toBeLessThanOrEqual(allowed + 5);
    }),
  );
});

test('half of the common budget is kept for addresses that have not failed', () => {
  const strangers = new Strangers(handClock(), limits);
  strangers.spent('a', 1, true);
  for (let at = 0; at < 9; at += 1) strangers.spent('b', 1, false);
  expect(refusalOf(strangers, 'a')).toMatchObject({ code: 'unavailable', details: { gate: 'new_capabilities' } });
  expect(refusalOf(strangers, 'c')).toBeUndefined();
  for (let at = 0; at < 10; at += 1) strangers.spent('b', 1, false);
  expect(refusalOf(strangers, 'c')).toMatchObject({ code: 'unavailable' });
});

test('past the remembered addresses, further ones share one budget', () => {
  const strangers = new Strangers(handClock(), { ...limits, workMsBurst: 1_000 });
  for (const remote of ['a', 'b', 'c', 'd']) strangers.spent(remote, 5, true);
  strangers.spent('e', 5, true);
  expect(refusalOf(strangers, 'a')).toBeUndefined();
  expect(refusalOf(strangers, 'f')?.code).toBe('quota_exhausted');
});

describe('of an authority', () => {
  test.each(['hmac', 'ed25519'] as const)(
    'a known %s token is served while strangers have used up everything',
    async (scheme) => {
      const bench = await createBench();
      const strangers = new Strangers(bench.env.clock);
      const authority = await bench.make({ strangers });
      const { token } = await authority.issue({ subject: 'a', rights: everything, scheme });
      await authority.verify(token, { remote: '10.0.0.1' });
      // What that cost is there again.
      await bench.env.scheduler.runFor(1);
      const { token: fresh } = await authority.issue({ subject: 'b', rights: everything, scheme });
      const codes = new Set<string>();
      for (let at = 0; at < 5_000; at += 1) {
        try {
          await authority.verify(`ron1_${at}`, { remote: '10.0.0.1' });
        } catch (error) {
          codes.add((error as RonError).code);
        }
      }
      expect([...codes]).toEqual(['unauthenticated', 'quota_exhausted']);
      expect(await authority.verify(token, { remote: '10.0.0.1' })).toMatchObject({ subject: 'a' });
      expect(() => authority.verify(fresh, { remote: '10.0.0.1' })).toThrow(RonError);
      expect(await authority.verify(fresh, { remote: '10.0.0.2' })).toMatchObject({ subject: 'b' });
    },
  );
});
