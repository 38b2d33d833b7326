import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeficitRoundRobin } from './deficit-round-robin.ts';
import { Lane, type Waiting } from './lane.ts';

const quantum = 100;
const always = () => true;

interface Item extends Waiting {
  readonly id: number;
  readonly lane: number;
}

const costs = fc.integer({ min: 1, max: 450 });
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ lane: fc.nat(5), cost: costs }) },
    { weight: 2, arbitrary: fc.constant('serve' as const) },
  ),
  { maxLength: 300 },
);

function start() {
  const robin = new DeficitRoundRobin<Item>({ quantum, debtMax: 1_000 });
  const lanes = Array.from({ length: 6 }, () => new Lane<Item>());
  return { robin, lanes };
}

describe('deficit round robin', () => {
  test('serves everything once, in the order of its lane', () => {
    fc.assert(
      fc.property(steps, (run) => {
        const { robin, lanes } = start();
        const pushed: Item[] = [];
        const served: Item[] = [];
        const serve = () => {
          const next = robin.next(always);
          if (next !== undefined) served.push(next.item);
          return next !== undefined;
        };
        for (const step of run) {
          if (step === 'serve') serve();
          else {
            const item = { id: pushed.length, lane: step.lane, cost: step.cost, gone: false };
            pushed.push(item);
            robin.push(lanes[step.lane]!, '', item);
          }
        }
        while (serve());
        expect(served).toHaveLength(pushed.length);
        for (const lane of lanes.keys()) {
          const inLane = (items: readonly Item[]) => items.filter((item) => item.lane === lane).map(({ id }) => id);
          expect(inLane(served)).toEqual(inLane(pushed));
        }
        expect(robin.lanes.size).toBe(0);
      }),
    );
  });

  test('nobody waits for more than the stated bound, whatever comes later', () => {
    fc.assert(
      fc.property(steps, (run) => {
        const { robin, lanes } = start();
        let served = 0;
        let id = 0;
        const boundOf = new Map<number, { readonly at: number; readonly bound: number }>();
        const serve = () => {
          const next = robin.next(always);
          if (next === undefined) return false;
          const { at, bound } = boundOf.get(next.item.id)!;
          expect(served - at).toBeLessThanOrEqual(bound);
          served += next.item.cost;
          return true;
        };
        for (const step of run) {
          if (step === 'serve') {
            serve();
            continue;
          }
          const lane = lanes[step.lane]!;
          // The form of the bound that counts on the worst of all others: B + Σ max(0, Dᵢ + r·Q).
          const visits = Math.max(1, Math.ceil((lane.backlog + step.cost - Math.min(0, lane.deficit)) / quantum));
          const bound = lanes
            .filter((other) => other !== lane)
            .reduce((sum, other) => sum + Math.max(0, other.deficit + visits * quantum), lane.backlog);
          expect(robin.costAhead(lane, step.cost)).toBeLessThanOrEqual(bound);
          boundOf.set(id, { at: served, bound });
          robin.push(lane, '', { id, lane: step.lane, cost: step.cost, gone: false });
          id += 1;
        }
        while (serve());
      }),
    );
  });

  test('lanes that always have something get the same, within a quantum and a call', () => {
    fc.assert(
      fc.property(fc.array(costs, { minLength: 3, maxLength: 6 }), (costOfLane) => {
        const { robin, lanes } = start();
        const got = costOfLane.map(() => 0);
        const fill = (lane: number) =>
          robin.push(lanes[lane]!, '', { id: 0, lane, cost: costOfLane[lane]!, gone: false });
        for (const lane of [...costOfLane.keys(), ...costOfLane.keys()]) fill(lane);
        for (let turn = 0; turn < 500; turn += 1) {
          const { item } = robin.next(always)!;
          got[item.lane]! += item.cost;
          fill(item.lane);
        }
        const most = Math.max(...costOfLane);
        expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(quantum + 2 * most);
      }),
    );
  });

  test('what a call cost beyond its charge is paid by its lane, up to the debt limit', () => {
    const { robin, lanes } = start();
    const [a, b] = [lanes[0]!, lanes[1]!];
    const push = (lane: Lane<Item>, index: number, count: number) => {
      for (let i = 0; i < count; i += 1) robin.push(lane, '', { id: i, lane: index, cost: 100, gone: false });
    };
    push(a, 0, 40);
    push(b, 1, 40);
    robin.correct(a, 1_000_000);
    expect(a.deficit).toBe(-1_000);
    const order = Array.from({ length: 30 }, () => robin.next(always)!.item.lane);
    expect(order.indexOf(0)).toBeGreaterThanOrEqual(10);
    expect(order.indexOf(0)).toBeLessThanOrEqual(12);
    expect(order.filter((lane) => lane === 0).length).toBeGreaterThan(5);
  });

  test('a debt ends with the time in which somebody waits', () => {
    const { robin, lanes } = start();
    const a = lanes[0]!;
    robin.push(a, '', { id: 0, lane: 0, cost: 10, gone: false });
    robin.correct(a, 500);
    expect(robin.next(always)).toBeDefined();
    robin.push(a, '', { id: 1, lane: 0, cost: 10, gone: false });
    expect(a.deficit).toBe(0);
  });

  test('who may not be served is passed over and gets no quantum for it', () => {
    const { robin, lanes } = start();
    for (const lane of [0, 1]) robin.push(lanes[lane]!, '', { id: lane, lane, cost: 400, gone: false });
    const notA = (lane: Lane<Item>) => lane !== lanes[0];
    expect(robin.next(notA)!.item.lane).toBe(1);
    expect(robin.next(notA)).toBeUndefined();
    expect(lanes[0]!.deficit).toBe(0);
    expect(robin.next(always)!.item.lane).toBe(0);
  });

  test('what was dropped is not served and leaves no backlog', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(costs, fc.boolean()), { maxLength: 50 }), (items) => {
        const { robin, lanes } = start();
        const lane = lanes[0]!;
        const made = items.map(([cost, drops], id) => ({ item: { id, lane: 0, cost, gone: false }, drops }));
        for (const { item } of made) robin.push(lane, String(item.id % 3), item);
        for (const { item, drops } of made) if (drops) robin.drop(lane, item);
        const left = made.filter(({ drops }) => !drops).map(({ item }) => item.id);
        expect(lane.waiting).toBe(left.length);
        const served: number[] = [];
        for (let next = robin.next(always); next !== undefined; next = robin.next(always)) served.push(next.item.id);
        expect(served.toSorted((x, y) => x - y)).toEqual(left);
        expect(lane.backlog).toBe(0);
      }),
    );
  });
});

test('under overload a few lanes tell that it is too much, not all', () => {
  const { robin, lanes } = start();
  let looked = 0;
  for (const [id, lane] of lanes.entries()) {
    robin.push(lane, '', { id, lane: id, cost: 50, gone: false });
    const get = (): number => {
      looked += 1;
      return 0;
    };
    Object.defineProperty(lane, 'deficit', { get });
  }
  expect(robin.costAhead(lanes[5]!, 50)).toBe(50 + 5 * 50);
  expect(looked).toBe(6);
  looked = 0;
  expect(robin.costAhead(lanes[5]!, 50, 120)).toBe(150);
  expect(looked).toBe(3);
});

test('lines inside a lane are served in turn', () => {
  const { robin, lanes } = start();
  for (let id = 0; id < 6; id += 1) {
    robin.push(lanes[0]!, id < 4 ? 'loud' : `quiet ${id}`, { id, lane: 0, cost: 1, gone: false });
  }
  const order = Array.from({ length: 6 }, () => robin.next(always)!.item.id);
  expect(order).toEqual([0, 4, 5, 1, 2, 3]);
});
