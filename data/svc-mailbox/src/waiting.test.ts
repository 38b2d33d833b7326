import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { WaitingRoom, waitFor } from './waiting.ts';

test('a room has its places for each tenant, and takes each back once', () => {
  let max = 2;
  const room = new WaitingRoom(() => max);
  const [first, second] = [room.enter('t'), room.enter('t')];
  expect([first, second, room.enter('u')]).not.toContain(undefined);
  expect(room.enter('t')).toBeUndefined();
  first?.[Symbol.dispose]();
  first?.[Symbol.dispose]();
  expect(room.enter('t')).toBeDefined();
  expect(room.enter('t')).toBeUndefined();
  max = 3;
  expect(room.enter('t')).toBeDefined();
  max = 0;
  expect(room.enter('v')).toBeUndefined();
});

test.each(['woken', 'late', 'left', 'left before'] as const)(
  'a wait that ends %s leaves nothing behind',
  async (how) => {
    const { clock, scheduler } = createSimEnv({ seed: 1 });
    const leaving = new AbortController();
    if (how === 'left before') leaving.abort();
    let wake: () => void = () => undefined;
    let registered = 0;
    const waiting = waitFor(clock, 100, leaving.signal, (woken) => {
      registered += 1;
      wake = woken;
      return {
        [Symbol.dispose]() {
          registered -= 1;
        },
      };
    });
    await scheduler.runFor(99);
    if (how === 'woken') wake();
    if (how === 'left') leaving.abort();
    expect(registered).toBe(how === 'late' ? 1 : 0);
    await scheduler.runFor(1);
    expect(await waiting).toBe(how === 'left before' ? 'left' : how);
    expect(registered).toBe(0);
  },
);
