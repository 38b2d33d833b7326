import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairQueue, quantum } from './fair-queue.ts';

interface Item {
  readonly tenant: string;
  readonly cost: number;
  readonly number: number;
}

const pushing = fc.record({
  tenant: fc.constantFrom('a', 'b', 'c'),
  cost: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 4 * quantum })),
});
const taking = fc.record({
  costMax: fc.integer({ min: 1, max: 6 * quantum }),
  countMax: fc.integer({ min: 1, max: 9 }),
});

it('loses nothing, doubles nothing, keeps the order of each tenant and its bounds, and always gives something', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 3, arbitrary: pushing }, taking), { maxLength: 80 }), (steps) => {
      const queue = new FairQueue<Item>(6, 12);
      const model = new Map<string, Item[]>();
      let number = 0;
      let size = 0;
      const take = (costMax: number, countMax: number) => {
        const taken = queue.take(costMax, countMax);
        expect(taken.length).toBeLessThanOrEqual(countMax);
        expect(taken.length > 0).toBe(size > 0);
        if (taken.length > 1) expect(taken.reduce((sum, { cost }) => sum + cost, 0)).toBeLessThanOrEqual(costMax);
        for (const item of taken) expect(model.get(item.tenant)!.shift()).toBe(item);
        size -= taken.length;
        expect(queue.size).toBe(size);
      };
      for (const step of steps) {
        if ('costMax' in step) {
          take(step.costMax, step.countMax);
          continue;
        }
        number += 1;
        const item = { ...step, number };
        const waiting = model.get(step.tenant) ?? [];
        model.set(step.tenant, waiting);
        const fits = size < 12 && waiting.length < 6;
        expect(queue.push(item)).toBe(fits);
        if (!fits) continue;
        waiting.push(item);
        size += 1;
      }
      while (size > 0) take(1, 3);
    }),
  );
});

it('a tenant that adds one item to 10,000 of another is served within one quantum of them', () => {
  const queue = new FairQueue<Item>(20_000, 40_000);
  for (let number = 0; number < 10_000; number += 1) queue.push({ tenant: 'noisy', cost: 512, number });
  queue.take(200_000, 1_024);
  queue.push({ tenant: 'quiet', cost: 512, number: 0 });
  let before = 0;
  for (let rounds = 0; rounds < 9; rounds += 1) {
    for (const { tenant, cost } of queue.take(40_000, 1_024)) {
      if (tenant === 'quiet') {
        expect(before).toBeLessThanOrEqual(quantum);
        return;
      }
      before += cost;
    }
  }
  throw new Error('the quiet tenant was never served');
});

it('tenants that always have something waiting get equal shares of cost, large items or small', () => {
  const queue = new FairQueue<Item>(5_000, 20_000);
  const costs = { small: 700, middle: 30_000, large: 262_656 };
  const served = { small: 0, middle: 0, large: 0 };
  for (const [tenant, cost] of Object.entries(costs)) {
    for (let number = 0; number < 5_000; number += 1) queue.push({ tenant, cost, number });
  }
  for (let rounds = 0; rounds < 40; rounds += 1) {
    for (const { tenant, cost } of queue.take(100_000, 64)) served[tenant as keyof typeof served] += cost;
  }
  const shares = Object.values(served);
  expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(262_656 + 2 * quantum);
  expect(Math.min(...shares)).toBeGreaterThan(quantum);
});

it('a turn that a full batch interrupted goes on where it was, without another quantum', () => {
  const queue = new FairQueue<Item>(1_000, 2_000);
  for (let number = 0; number < 200; number += 1) queue.push({ tenant: 'a', cost: 1_024, number });
  queue.push({ tenant: 'b', cost: 1_024, number: 0 });
  const order: string[] = [];
  while (queue.size > 0) for (const { tenant } of queue.take(10_240, 7)) order.push(tenant);
  expect(order.indexOf('b')).toBe(quantum / 1_024);
});
