import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sleep } from '../env/clock.ts';
import { createSimRandom } from './random.ts';
import { SimScheduler } from './scheduler.ts';
import { createSimEnv } from './world.ts';

describe('time', () => {
  test('events run by time, then by insertion, and time stands still between them', async () => {
    const scheduler = new SimScheduler();
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${scheduler.nowMs}`);
    scheduler.after(20, note('c'));
    scheduler.after(10, note('a'));
    scheduler.after(10, note('b'));
    const cancelled = scheduler.after(5, note('never'));
    cancelled.cancel();
    await scheduler.runUntilIdle();
    expect(seen).toEqual(['a@10', 'b@10', 'c@20']);
  });

  test('promise reactions run before the next event, however long the chain', async () => {
    const env = createSimEnv({ seed: 1 });
    const seen: string[] = [];
    const chain = async () => {
      await sleep(env.clock, 10);
      for (let i = 0; i < 1000; i++) await null;
      await new Promise<void>((resolve) => process.nextTick(resolve));
      seen.push('chain');
    };
    void chain();
    env.clock.after(10.001, () => seen.push('event'));
    await env.scheduler.runUntilIdle();
    expect(seen).toEqual(['chain', 'event']);
  });

  test('any set of timers fires in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }), async (delays) => {
        const scheduler = new SimScheduler();
        const seen: number[] = [];
        for (const [index, delay] of delays.entries()) scheduler.after(delay, () => seen.push(index));
        await scheduler.runUntilIdle();
        const expected = delays.map((_, index) => index).sort((a, b) => delays[a]! - delays[b]! || a - b);
        expect(seen).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  test('runFor stops in the middle; settle says when nothing can happen any more', async () => {
    const env = createSimEnv({ seed: 1 });
    let fired = false;
    env.clock.after(100, () => {
      fired = true;
    });
    await env.scheduler.runFor(99);
    expect([fired, env.clock.monotonicMs()]).toEqual([false, 99]);
    await env.scheduler.settle(sleep(env.clock, 1));
    expect([fired, env.clock.monotonicMs()]).toEqual([true, 100]);
    await expect(env.scheduler.settle(new Promise(() => undefined))).rejects.toThrow('nothing settles');
  });

  test('the wall clock jumps, monotonic time does not', async () => {
    const { clock, scheduler } = createSimEnv({ seed: 1 });
    const before = clock.wallMs();
    clock.jumpWall(-86_400_000);
    await scheduler.runFor(5);
    expect([clock.wallMs() - before, clock.monotonicMs()]).toEqual([-86_399_995, 5]);
  });

  test('the timers of a dead process do not fire', async () => {
    const env = createSimEnv({ seed: 1 });
    let fired = false;
    env.clock.after(10, () => {
      fired = true;
    });
    env.kill();
    await env.scheduler.runUntilIdle();
    expect(fired).toBe(false);
  });
});

test('forks of a seed are independent of each other', () => {
  const first = createSimRandom('seed');
  const wanted = first.fork('disk').bytes(16);
  first.bytes(1000);
  expect(createSimRandom('seed').fork('disk').bytes(16)).toEqual(wanted);
  expect(first.fork('net').bytes(16)).not.toEqual(wanted);
  for (let i = 0; i < 1000; i++) expect(first.unit()).toBeLessThan(1);
});
