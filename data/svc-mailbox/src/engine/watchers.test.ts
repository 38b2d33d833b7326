import { expect, test } from 'vitest';
import { Box } from '../state/box.ts';
import { Tenant } from '../state/tenant.ts';
import { Watchers } from './watchers.ts';

const box = new Box(new Tenant('t'), 'a');
const key = { tenant: 't', box: 'a' };

test('as many receivers are woken as messages were offered, those that came first, each once', () => {
  const watchers = new Watchers();
  const woken: number[] = [];
  for (let number = 1; number <= 4; number += 1) watchers.add(key, () => woken.push(number), false);
  watchers.onOffered(box);
  watchers.onOffered(box);
  expect(woken).toEqual([]);
  watchers.wake();
  watchers.wake();
  expect(woken).toEqual([1, 2]);
  for (let count = 0; count < 9; count += 1) watchers.onOffered(box);
  watchers.wake();
  expect(woken).toEqual([1, 2, 3, 4]);
});

test('one that waits again while others are told waits for the next message', () => {
  const watchers = new Watchers();
  let count = 0;
  const again = () => {
    count += 1;
    watchers.add(key, again, true);
  };
  watchers.add(key, again, true);
  watchers.onSent(box);
  watchers.wake();
  expect(count).toBe(1);
  watchers.wakeAll();
  expect(count).toBe(2);
});

test('one that has left is not woken, and the next one is', () => {
  const watchers = new Watchers();
  const woken: string[] = [];
  const left = watchers.add(key, () => woken.push('left'), false);
  watchers.add(key, () => woken.push('next'), false);
  left[Symbol.dispose]();
  left[Symbol.dispose]();
  watchers.onOffered(box);
  watchers.wake();
  expect(woken).toEqual(['next']);
});
