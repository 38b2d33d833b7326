import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type TimerNode, TimerWheel } from './timer-wheel.ts';

class Timer implements TimerNode {
  readonly name: number;
  wheelDueMs = 0;
  wheelOrder = 0;
  wheelPrev: TimerNode | undefined = undefined;
  wheelNext: TimerNode | undefined = undefined;
  wheelSlot = -1;

  constructor(name: number) {
    this.name = name;
  }
}

const spanMs = 2 ** 40;
const lastMs = Number.MAX_SAFE_INTEGER;

/** What the wheel promises, said with an array. */
class Model {
  nowMs: number;
  order = 0;
  entries: { name: number; dueMs: number; order: number }[] = [];

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  schedule(name: number, dueMs: number): void {
    this.cancel(name);
    this.entries.push({ name, dueMs, order: this.order++ });
    this.entries.sort((left, right) => left.dueMs - right.dueMs || left.order - right.order);
  }

  cancel(name: number): void {
    this.entries = this.entries.filter((entry) => entry.name !== name);
  }

  advance(nowMs: number, fire: (name: number, dueMs: number) => void): void {
    if (nowMs < this.nowMs) return;
    for (let first = this.entries[0]; first !== undefined && first.dueMs <= nowMs; first = this.entries[0]) {
      this.entries.shift();
      fire(first.name, first.dueMs);
    }
    this.nowMs = nowMs;
  }
}

const timersMax = 24;
const name = fc.nat({ max: timersMax - 1 });
/** Relative to now: near, on the edges of slots and levels, and as far as numbers go. */
const offset = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.integer({ min: -300, max: 600 }),
  fc
    .tuple(fc.integer({ min: 0, max: 52 }), fc.integer({ min: -2, max: 2 }))
    .map(([power, extra]) => 2 ** power + extra),
  fc.integer({ min: 0, max: 100_000_000 }),
  fc.constantFrom(0, 1, 255, 256, 65_536, 86_400_000, spanMs - 1, spanMs, 3 * spanMs, lastMs),
);
type Edit = { readonly kind: 'schedule' | 'cancel'; readonly name: number; readonly offset: number };
const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('schedule', 'schedule', 'cancel'),
  name,
  offset,
});
const step = fc.oneof(
  { weight: 3, arbitrary: edit },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('advance'), offset, inFire: fc.array(fc.array(edit, { maxLength: 3 })) }),
  },
);
const start = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 34 }), fc.constant(spanMs - 3), fc.maxSafeNat());

const clamp = (timeMs: number) => Math.min(lastMs, Math.max(0, timeMs));

test('the wheel fires as a sorted array does, whatever is scheduled, cancelled or scheduled while firing', () => {
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 60 }), (startMs, steps) => {
      const wheel = new TimerWheel<Timer>(startMs);
      const model = new Model(startMs);
      const timers = Array.from({ length: timersMax }, (_, index) => new Timer(index));
      const editWheel = ({ kind, name, offset }: Edit, nowMs: number) => {
        if (kind === 'schedule') wheel.schedule(timers[name]!, clamp(nowMs + offset));
        else wheel.cancel(timers[name]!);
      };
      const editModel = ({ kind, name, offset }: Edit, nowMs: number) => {
        if (kind === 'schedule') model.schedule(name, clamp(nowMs + offset));
        else model.cancel(name);
      };
      for (const each of steps) {
        if ('name' in each) {
          editWheel(each, model.nowMs);
          editModel(each, model.nowMs);
        } else {
          const toMs = clamp(model.nowMs + each.offset);
          const fired: unknown[] = [];
          const expected: unknown[] = [];
          wheel.advance(toMs, (timer, dueMs) => {
            expect(timer.wheelSlot).toBe(-1);
            const edits = each.inFire[fired.length] ?? [];
            fired.push([timer.name, dueMs]);
            for (const inner of edits) editWheel(inner, dueMs);
          });
          model.advance(toMs, (firedName, dueMs) => {
            const edits = each.inFire[expected.length] ?? [];
            expected.push([firedName, dueMs]);
            for (const inner of edits) editModel(inner, dueMs);
          });
          expect(fired).toEqual(expected);
        }
        expect(wheel.nowMs).toBe(model.nowMs);
        expect(wheel.size).toBe(model.entries.length);
        const firstMs = model.entries[0]?.dueMs ?? Infinity;
        expect(wheel.nextMs()).toBeLessThanOrEqual(firstMs);
        if (firstMs > wheel.nowMs) expect(wheel.nextMs()).toBeGreaterThan(wheel.nowMs);
        if (firstMs === Infinity) expect(wheel.nextMs()).toBe(Infinity);
        for (const timer of timers) {
          expect(timer.wheelSlot !== -1).toBe(model.entries.some((entry) => entry.name === timer.name));
        }
      }
    }),
    { numRuns: 1500 },
  );
});

test('timers of one due time fire in the order of scheduling from wherever they were scheduled', () => {
  const dueMs = 3 * spanMs + 123_456_789;
  const wheel = new TimerWheel<Timer>(0);
  const fired: number[] = [];
  const distances = [dueMs, spanMs, 2 ** 33, 2 ** 25, 2 ** 17, 300, 200, 1];
  for (const [index, distanceMs] of distances.entries()) {
    wheel.advance(dueMs - distanceMs, () => expect.unreachable('nothing is due yet'));
    wheel.schedule(new Timer(index), dueMs);
  }
  const late = new Timer(distances.length);
  wheel.advance(dueMs, (timer) => {
    if (fired.push(timer.name) === 1) wheel.schedule(late, dueMs);
  });
  expect(fired).toEqual([...distances.keys(), late.name]);
});

test('sleeping until nextMs reaches a timer of any distance in a handful of wakes', () => {
  for (const dueMs of [1, 255, 256, 86_400_000, 2 ** 40 - 1, 2 ** 41 + 12_345]) {
    const wheel = new TimerWheel<Timer>(0);
    wheel.schedule(new Timer(0), dueMs);
    const fired: number[] = [];
    let wakes = 0;
    while (wheel.size > 0) {
      wheel.advance(wheel.nextMs(), (_, atMs) => fired.push(atMs));
      wakes += 1;
    }
    expect(fired).toEqual([dueMs]);
    expect(wheel.nowMs).toBe(dueMs);
    expect(wakes).toBeLessThanOrEqual(8);
  }
});

test('what is left when firing throws fires with the next call', () => {
  const wheel = new TimerWheel<Timer>(0);
  for (let index = 0; index < 4; index += 1) wheel.schedule(new Timer(index), 100 + index);
  const fired: number[] = [];
  expect(() =>
    wheel.advance(1000, (timer) => {
      if (timer.name === 1) throw new Error('no');
      fired.push(timer.name);
    }),
  ).toThrow('no');
  expect(wheel.size).toBe(2);
  wheel.advance(1000, (timer) => fired.push(timer.name));
  expect(fired).toEqual([0, 2, 3]);
  expect(wheel.nowMs).toBe(1000);
});

test('misuse is refused and changes nothing', () => {
  const wheel = new TimerWheel<Timer>(0);
  const timer = new Timer(0);
  wheel.schedule(timer, 5);
  for (const timeMs of [-1, 0.5, Number.NaN, Infinity, lastMs + 1]) {
    expect(() => new TimerWheel<Timer>(timeMs)).toThrow(RangeError);
    expect(() => wheel.schedule(timer, timeMs)).toThrow(RangeError);
    expect(() => wheel.advance(timeMs, () => expect.unreachable('not advanced'))).toThrow(RangeError);
  }
  expect(wheel.nextMs()).toBe(5);
  wheel.advance(5, () => expect(() => wheel.advance(6, () => undefined)).toThrow('already advancing'));
  expect(wheel.nowMs).toBe(5);
  expect(wheel.size).toBe(0);
});
