import { createSimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outstanding } from './outstanding.ts';
import { restingMax, resumeMs, Subscriptions } from './subscriptions.ts';

const key = { tenant: 't', box: 'a' };
const messageId = (number: number) => String(number).padStart(26, '0');
const leaseOf = (message: number, fence = 1) => `${messageId(message)}.${fence.toString(36)}.1`;

function start() {
  const { clock, scheduler } = createSimEnv({ seed: 1 });
  return { subscriptions: new Subscriptions(clock), clock, pass: (ms: number) => scheduler.runFor(ms) };
}

describe('nothing is remembered for longer than it is of use', () => {
  test.each<[string, (subscriptions: Subscriptions, outstanding: Outstanding) => void]>([
    ['settled', (subscriptions) => subscriptions.settled([leaseOf(1), leaseOf(2)])],
    [
      'removed',
      (subscriptions) => {
        for (const message of [1, 2]) subscriptions.removed(messageId(message));
      },
    ],
    ['pushed', (subscriptions, outstanding) => subscriptions.settled(outstanding.pushedAfter(0))],
  ])('leases that are %s', (_how, end) => {
    const { subscriptions } = start();
    const outstanding = subscriptions.open('s', key);
    for (const message of [1, 2]) subscriptions.pushed(outstanding, leaseOf(message), 1_000);
    expect([subscriptions.size.held, outstanding.count]).toEqual([2, 2]);
    end(subscriptions, outstanding);
    expect([subscriptions.size.held, outstanding.count]).toEqual([0, 0]);
  });

  test('leases that run out, at their time', async () => {
    const { subscriptions, pass } = start();
    const outstanding = subscriptions.open('s', key);
    subscriptions.pushed(outstanding, leaseOf(1), 1_000);
    subscriptions.pushed(outstanding, leaseOf(2), 1_000);
    subscriptions.extended([leaseOf(2), leaseOf(3)], 1_001);
    const left: number[] = [];
    for (const ms of [999, 1, 1]) {
      await pass(ms);
      subscriptions.prune(outstanding);
      left.push(subscriptions.size.held);
      expect(outstanding.count).toBe(subscriptions.size.held);
    }
    expect(left).toEqual([2, 1, 0]);
  });

  test('a message that went to another subscription is of the other one', () => {
    const { subscriptions } = start();
    const [one, other] = [subscriptions.open('1', key), subscriptions.open('2', key)];
    subscriptions.pushed(one, leaseOf(1, 1), 1_000);
    subscriptions.pushed(other, leaseOf(1, 2), 1_000);
    expect([one.count, other.count, subscriptions.size.held]).toEqual([0, 1, 1]);
    subscriptions.settled([leaseOf(1, 1), 'garbage']);
    expect([other.count, subscriptions.size.held]).toEqual([1, 1]);
  });

  test('subscriptions that rest: a minute long', async () => {
    const { subscriptions, pass } = start();
    for (const id of ['1', '2']) {
      const outstanding = subscriptions.open(id, key);
      subscriptions.pushed(outstanding, leaseOf(Number(id)), 43_200_000);
      subscriptions.rest(outstanding);
      await pass(1);
    }
    await pass(resumeMs - 2);
    expect(subscriptions.size).toEqual({ held: 2, running: 0, resting: 2 });
    expect(subscriptions.resume('2', key)).toBeDefined();
    await pass(2);
    expect(subscriptions.resume('1', key)).toBeUndefined();
    expect(subscriptions.size).toEqual({ held: 1, running: 1, resting: 0 });
  });

  test('subscriptions that rest: 4,096 of them, the oldest go first', () => {
    const { subscriptions } = start();
    for (let count = 1; count <= restingMax + 1; count += 1) {
      const outstanding = subscriptions.open(String(count), key);
      subscriptions.pushed(outstanding, leaseOf(count), 1_000);
      subscriptions.rest(outstanding);
    }
    expect(subscriptions.size).toEqual({ held: 4_096, running: 0, resting: 4_096 });
    expect(subscriptions.resume('1', key)).toBeUndefined();
    expect(subscriptions.resume('2', key)).toBeDefined();
  });
});

/** Whatever happens, the two sides agree on what is held, and nothing else is. */
test('what subscriptions hold and what is known of leases never part', async () => {
  const step = fc.record({
    what: fc.constantFrom('open', 'push', 'settle', 'remove', 'rest', 'resume', 'prune', 'pass'),
    subscription: fc.nat(3),
    message: fc.nat(9),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { subscriptions, pass } = start();
      const known = new Map<number, Outstanding>();
      const running = new Set<number>();
      let fence = 0;
      for (const { what, subscription, message } of steps) {
        const outstanding = known.get(subscription);
        if (what === 'pass') await pass(message * 4_000);
        if (what === 'remove') subscriptions.removed(messageId(message));
        if (what === 'open' && outstanding === undefined) {
          known.set(subscription, subscriptions.open(String(subscription), key));
          running.add(subscription);
        }
        if (what === 'resume' && outstanding !== undefined) {
          const found = subscriptions.resume(String(subscription), key);
          if (found === undefined) known.delete(subscription);
          else running.add(subscription);
        }
        if (outstanding === undefined || !running.has(subscription)) continue;
        if (what === 'push') {
          fence += 1;
          subscriptions.pushed(outstanding, leaseOf(message, fence), 10_000);
        }
        if (what === 'settle') subscriptions.settled([...outstanding.leases()].slice(0, 1));
        if (what === 'prune') subscriptions.prune(outstanding);
        if (what === 'rest') {
          subscriptions.rest(outstanding);
          running.delete(subscription);
        }
      }
      for (const [subscription, outstanding] of known) {
        const found = subscriptions.resume(String(subscription), key);
        if (found === undefined) expect(outstanding.count).toBe(0);
      }
      let counted = 0;
      for (const outstanding of known.values()) counted += outstanding.count;
      expect(subscriptions.size.held).toBe(counted);
    }),
    { numRuns: 100 },
  );
});
