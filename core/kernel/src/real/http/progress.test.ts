import { beforeEach, describe, expect, test } from 'vitest';
import { SimClock, SimScheduler } from '../../sim/scheduler.ts';
import { ProgressWatch, type Transfer } from './progress.ts';

/** 1,000 bytes a second over five ticks of 100 ms: 500 bytes a window. */
const [rate, tickMs, windowMs] = [1_000, 100, 500];

class Moving implements Transfer {
  bytes = 0;
  isWaiting = true;
  gaveWay = false;
  /** When it was found too slow. */
  cutMs: number | undefined;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  moved(): number {
    return this.bytes;
  }

  waiting(): boolean {
    return this.isWaiting;
  }

  tooSlow(): void {
    this.cutMs = this.#nowMs();
  }

  giveWay(): boolean {
    this.gaveWay = true;
    return true;
  }
}

let scheduler: SimScheduler;
let watch: ProgressWatch;
let make: () => Moving;
beforeEach(() => {
  scheduler = new SimScheduler();
  const clock = new SimClock(scheduler, 'test', 0);
  watch = new ProgressWatch(clock, rate, tickMs);
  make = () => new Moving(() => clock.monotonicMs());
});

describe('who moves', () => {
  test.each([
    [-1, windowMs],
    [0, undefined],
    [1, undefined],
  ])('the least bytes of a window, %i: cut off after %j ms', async (delta, cutMs) => {
    const one = make();
    watch.add(one);
    for (let window = 1; window <= 4; window++) {
      // All of it at once and late: it is the window that counts.
      scheduler.after(window * windowMs - 1, () => {
        one.bytes += (rate * windowMs) / 1_000 + delta;
      });
    }
    await scheduler.runFor(4 * windowMs);
    expect(one.cutMs).toBe(cutMs);
    expect(watch.size).toBe(cutMs === undefined ? 1 : 0);
  });

  test('nothing while it is not waited for is not judged, and afterwards has a whole window', async () => {
    const one = make();
    one.isWaiting = false;
    watch.add(one);
    await scheduler.runFor(10 * windowMs);
    expect(one.cutMs).toBeUndefined();
    one.isWaiting = true;
    await scheduler.runFor(10 * windowMs);
    expect(one.cutMs).toBe(11 * windowMs);
  });

  test('in steps gets the time for one step more', async () => {
    const one = make();
    watch.add(one, 250);
    await scheduler.runFor(10 * windowMs);
    expect(one.cutMs).toBe(windowMs + 3 * tickMs);
  });
});

test('only while something is watched a timer runs', async () => {
  const one = make();
  watch.add(one);
  watch.remove(one);
  await scheduler.runUntilIdle();
  expect(scheduler.nowMs).toBe(tickMs);
});

test('the slowest gives way to a newcomer, once it has been slow for a while, and never one that is fast enough', async () => {
  const [fast, slow, slower] = [make(), make(), make()];
  for (const each of [fast, slow, slower]) watch.add(each);
  const move = () => {
    fast.bytes += (rate * tickMs) / 1_000;
    slow.bytes += 10;
    slower.bytes += 1;
    scheduler.after(tickMs, move);
  };
  move();
  await scheduler.runFor(2 * tickMs);
  expect(watch.endSlowest()).toBe(false);
  await scheduler.runFor(tickMs);
  for (const next of [slower, slow]) {
    expect(watch.endSlowest()).toBe(true);
    expect(next.gaveWay).toBe(true);
  }
  expect(watch.endSlowest()).toBe(false);
  expect(fast.gaveWay).toBe(false);
});
