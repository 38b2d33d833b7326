import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBus } from './bus.ts';
import type { KernelEvent } from './kernel-event.ts';
import type { Lost } from './subscription.ts';

async function drain<E>(events: AsyncIterable<E>): Promise<E[]> {
  const seen: E[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

test('every subscriber sees every event in order', async () => {
  const bus = createBus<number>();
  const first = bus.subscribe();
  const second = bus.subscribe();
  for (let i = 0; i < 100; i++) bus.publish(i);
  bus.close();
  const expected = Array.from({ length: 100 }, (_, i) => i);
  expect(await drain(first)).toEqual(expected);
  expect(await drain(second)).toEqual(expected);
  expect(bus.dropped).toBe(0);
});

test('a slow subscriber learns how many it lost, before what is left; others lose nothing', async () => {
  const counted: number[] = [];
  const bus = createBus<number>({ capacity: 4, onDropped: (count) => counted.push(count) });
  const slow = bus.subscribe();
  const roomy = bus.subscribe({ capacity: 100 });
  for (let i = 0; i < 10; i++) bus.publish(i);
  bus.close();
  expect(await drain(slow)).toEqual([{ type: 'Lost', lost: 6 }, 6, 7, 8, 9]);
  expect(await drain(roomy)).toHaveLength(10);
  expect(counted).toHaveLength(6);
  expect(bus.dropped).toBe(6);
});

test('at the capacity nothing is lost, one past it one is', async () => {
  for (const [published, lost] of [
    [3, 0],
    [4, 0],
    [5, 1],
  ] as const) {
    const bus = createBus<number>({ capacity: 4 });
    const subscription = bus.subscribe();
    for (let i = 0; i < published; i++) bus.publish(i);
    expect(subscription.dropped).toBe(lost);
    expect(subscription.pending).toBe(Math.min(4, published));
  }
});

test('delivered plus lost equals published, however reads and writes interleave', async () => {
  const step = fc.oneof(fc.constant('read' as const), fc.integer({ min: 1, max: 9 }));
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 60 }), async (capacity, steps) => {
      const bus = createBus<number>({ capacity });
      const subscription = bus.subscribe();
      const reader = subscription[Symbol.asyncIterator]();
      const seen: (number | Lost)[] = [];
      let published = 0;
      for (const next of steps) {
        if (next !== 'read') for (let i = 0; i < next; i++) bus.publish(published++);
        else if (subscription.pending > 0) seen.push((await reader.next()).value as number | Lost);
      }
      bus.close();
      seen.push(...(await drain(subscription)));
      let expected = 0;
      for (const event of seen) {
        if (typeof event === 'number') expect(event).toBe(expected++);
        else expected += event.lost;
      }
      expect(expected).toBe(published);
    }),
  );
});

test('a waiting reader is woken by the next event and by the end', async () => {
  const bus = createBus<string>();
  const reader = bus.subscribe()[Symbol.asyncIterator]();
  const first = reader.next();
  bus.publish('a');
  expect(await first).toEqual({ done: false, value: 'a' });
  const second = reader.next();
  await expect(reader.next()).rejects.toThrow('one reader');
  bus.close();
  expect(await second).toEqual({ done: true, value: undefined });
});

test('leaving the loop or disposing ends the subscription', async () => {
  const bus = createBus<number>();
  const left = bus.subscribe();
  bus.publish(1);
  for await (const _ of left) break;
  {
    using disposed = bus.subscribe();
    expect(disposed.pending).toBe(0);
    expect(bus.subscribers).toBe(1);
  }
  expect(bus.subscribers).toBe(0);
  expect(() => bus.publish(2)).not.toThrow();
  expect(left.pending).toBe(0);
});

test('a listener runs inside publish; one that throws stops neither the others nor the publisher', () => {
  const errors: unknown[] = [];
  const bus = createBus<KernelEvent>({ onListenerError: (error) => errors.push(error) });
  const seen: string[] = [];
  bus.onEvent(() => {
    throw new Error('broken listener');
  });
  const good = bus.onEvent((event) => seen.push(event.type));
  bus.publish({ type: 'Shutdown' });
  good[Symbol.dispose]();
  bus.publish({ type: 'ServiceCrashed', service: 'index', reason: 'test' });
  expect(seen).toEqual(['Shutdown']);
  expect(bus.listenerErrors).toBe(2);
  expect(errors).toHaveLength(2);
});

test('subscribers and capacity are bounded', () => {
  const bus = createBus<number>({ subscribersMax: 2 });
  bus.subscribe();
  bus.onEvent(() => undefined);
  expect(() => bus.subscribe()).toThrow(RangeError);
  expect(() => createBus({ capacity: 0 })).toThrow(RangeError);
  expect(() => createBus().subscribe({ capacity: 1.5 })).toThrow(RangeError);
});
