import type { Duplex, DuplexEvents } from '@ron/kernel';
import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { transportLimits } from '../limits.ts';
import { ConnectionWatch } from './connection-watch.ts';
import type { CutReason } from './watched-duplex.ts';

/** A connection whose system takes what the test says. */
class SlowDuplex implements Duplex {
  readonly remote = 'slow';
  unsentBytes = 0;
  events: DuplexEvents | undefined;
  destroyed = 0;

  write(pieces: readonly Uint8Array[]): boolean {
    for (const piece of pieces) this.unsentBytes += piece.byteLength;
    return this.unsentBytes < 65_536;
  }
  start(events: DuplexEvents): void {
    this.events = events;
  }
  setReading(): void {
    this.events?.drain();
  }
  close(): void {
    this.events?.close(undefined);
  }
  destroy(): void {
    this.destroyed += 1;
  }
}

function watching() {
  const env = createSimEnv({ seed: 1 });
  const cuts: CutReason[] = [];
  const watch = new ConnectionWatch(env.clock, transportLimits, (reason) => cuts.push(reason));
  const inner = new SlowDuplex();
  let overs = 0;
  const watched = watch.watch(inner, () => {
    overs += 1;
  });
  watched.start({ data: () => undefined, drain: () => undefined, close: () => undefined });
  return { env, cuts, watch, inner, watched, overs: () => overs };
}

const { idleMs, unsentBytesMax, writeStallMs } = transportLimits;

test.each([
  [-1, []],
  [0, ['idle']],
  [1, ['idle']],
])('silence of the idle time %i ms', (more, expected) => {
  const { watched, env } = watching();
  const nowMs = env.clock.monotonicMs() + idleMs + more;
  expect([watched.judge(nowMs)].filter((reason) => reason !== undefined)).toEqual(expected);
});

test.each([
  [-1, undefined],
  [0, undefined],
  [1, 'stalled'],
])('%i bytes more than may lie unsent', (more, expected) => {
  const { watched } = watching();
  watched.write([new Uint8Array(unsentBytesMax + more)]);
  expect(watched.judge(writeStallMs)).toBe(expected);
  expect(watched.judge(writeStallMs - 1)).toBeUndefined();
});

test('who takes a little each second is never cut, though more lies unsent all the time', () => {
  const { watched, inner } = watching();
  watched.write([new Uint8Array(2 * unsentBytesMax)]);
  for (let nowMs = 1_000; nowMs < 10 * idleMs; nowMs += 1_000) {
    inner.unsentBytes -= 10;
    watched.write([new Uint8Array(10)]);
    expect(watched.judge(nowMs)).toBeUndefined();
  }
});

test('writing to somebody who takes nothing does not keep a connection alive', () => {
  const { watched } = watching();
  for (let nowMs = 1_000; nowMs < idleMs; nowMs += 1_000) {
    watched.write([new Uint8Array(10)]);
    expect(watched.judge(nowMs)).toBeUndefined();
  }
  expect(watched.judge(idleMs)).toBe('idle');
});

test('what begins to wait after a quiet time has its own time; bytes from the peer keep a connection', async () => {
  const { env, watched, inner, cuts } = watching();
  await env.scheduler.runFor(idleMs - 1_500);
  watched.write([new Uint8Array(2 * unsentBytesMax)]);
  inner.events?.data(new Uint8Array(1));
  await env.scheduler.runFor(writeStallMs - 1_000);
  expect(cuts).toEqual([]);
  await env.scheduler.runFor(2_000);
  expect(cuts).toEqual(['stalled']);
});

test('what is cut is dropped and counted once, and no timer is left', async () => {
  const { env, cuts, watch, inner, overs } = watching();
  await env.scheduler.runUntilIdle();
  expect([cuts, inner.destroyed, overs(), watch.size]).toEqual([['idle'], 1, 1, 0]);
  expect(env.clock.monotonicMs()).toBeLessThanOrEqual(idleMs + 1_000);
});

test('one that ends by itself is forgotten', async () => {
  const { env, cuts, watch, watched, overs } = watching();
  watched.close();
  watched.destroy();
  await env.scheduler.runUntilIdle();
  expect([cuts, overs(), watch.size]).toEqual([[], 1, 0]);
});
