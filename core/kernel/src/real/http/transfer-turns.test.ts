import { expect, it } from 'vitest';
import { TransferTurns } from './transfer-turns.ts';

const turnOfLoop = () => new Promise<void>((resolve) => setImmediate(resolve));

it('of many transfers one goes on in each turn of the loop, first come, first served', async () => {
  const turns = new TransferTurns();
  const order: number[] = [];
  const all = Array.from({ length: 100 }, (_, at) => turns.next().then(() => order.push(at)));
  expect(order).toEqual([]);
  let most = 0;
  while (order.length < 100) {
    const before = order.length;
    await turnOfLoop();
    most = Math.max(most, order.length - before);
  }
  await Promise.all(all);
  // Two turns at most lie between two looks from here.
  expect(most).toBeLessThanOrEqual(2);
  expect(order).toEqual(Array.from({ length: 100 }, (_, at) => at));
});

it('one that comes again and again waits behind those that came before', async () => {
  const turns = new TransferTurns();
  const order: string[] = [];
  const greedy = (async () => {
    for (let at = 0; at < 3; at += 1) {
      await turns.next();
      order.push('greedy');
    }
  })();
  const others = Array.from({ length: 20 }, () => turns.next().then(() => order.push('other')));
  await Promise.all([greedy, ...others]);
  expect(order.lastIndexOf('other')).toBeLessThan(order.lastIndexOf('greedy'));
  expect(order.filter((name) => name === 'other')).toHaveLength(20);
});

it('turns in which a connection came are left to newcomers, but not for ever', async () => {
  const turns = new TransferTurns();
  let went = false;
  const one = turns.next().then(() => {
    went = true;
  });
  for (let at = 0; at < 15; at += 1) {
    turns.connected();
    await turnOfLoop();
    expect(went).toBe(false);
  }
  for (let at = 0; at < 4; at += 1) {
    turns.connected();
    await turnOfLoop();
  }
  expect(went).toBe(true);
  await one;
});
