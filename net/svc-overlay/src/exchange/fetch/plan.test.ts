import { groupBytes } from '@ron/b3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Coverage } from '../coverage.ts';
import { GroupSet } from '../group-set.ts';
import { fetchLimitsDefault } from './fetch-limits.ts';
import { type Assignment, Plan } from './plan.ts';

function planOf(groups: number, limits: Partial<typeof fetchLimitsDefault> = {}) {
  const done = new GroupSet(groups);
  return { done, plan: new Plan(done, new GroupSet(groups), { ...fetchLimitsDefault, ...limits }) };
}

describe('group set', () => {
  test('agrees with a set of numbers, and with the bitmap on the wire', () => {
    const act = fc.record({ add: fc.boolean(), group: fc.nat({ max: 99 }) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.array(act, { maxLength: 120 }), (count, acts) => {
        const set = new GroupSet(count);
        const model = new Set<number>();
        for (const { add, group } of acts) {
          const index = group % count;
          expect(add ? set.add(index) : set.delete(index)).toBe(add ? !model.has(index) : model.has(index));
          if (add) model.add(index);
          else model.delete(index);
        }
        const all = Array.from({ length: count }, (_, index) => index);
        const next = (from: number, isIn: boolean) =>
          all.find((index) => index >= from && model.has(index) === isIn) ?? -1;
        const seen = all.map((from) => [set.has(from), set.nextPresent(from), set.nextAbsent(from)]);
        expect(seen).toEqual(all.map((from) => [model.has(from), next(from, true), next(from, false)]));
        expect([set.size, set.complete]).toEqual([model.size, model.size === count]);
        const bytes = set.toBytes();
        expect(bytes.length).toBe(Math.ceil(count / 8));
        expect(all.filter((index) => ((bytes[index >> 3]! >> (index & 7)) & 1) === 1)).toEqual(
          [...model].sort((a, b) => a - b),
        );
        expect(GroupSet.fromBytes(count, bytes).size).toBe(model.size);
      }),
    );
    expect(() => GroupSet.fromBytes(9, Uint8Array.of(0, 2))).toThrow('past the last');
    expect(() => GroupSet.fromBytes(9, Uint8Array.of(0))).toThrow('length');
    expect(() => new GroupSet(0)).toThrow(RangeError);
    expect([new GroupSet(4).has(-1), new GroupSet(4).has(4)]).toEqual([false, false]);
  });

  test('a coverage that starts later offers what it has', () => {
    const window = new GroupSet(10);
    for (const group of [0, 3, 9]) window.add(group);
    const coverage = Coverage.window(16, window);
    const taken = new GroupSet(40);
    expect([0, 17, 20, 26].map((from) => coverage.nextFree(from, taken))).toEqual([16, 19, 25, -1]);
    taken.add(16);
    expect(coverage.nextFree(0, taken)).toBe(19);
    const wire = { address: `b3:${'0'.repeat(64)}`, size: 40 * groupBytes(), complete: false };
    const groups = Buffer.from([0b1001, 0, 0]).toString('base64url');
    expect(Coverage.of({ ...wire, groups }, 16)?.has(19)).toBe(true);
    const senseless = [
      { ...wire },
      { ...wire, groups: 'AA' },
      { ...wire, size: 1, groups },
      { ...wire, size: 39 * groupBytes(), groups: 'AACA' },
    ];
    for (const held of senseless) expect(Coverage.of(held, 16)).toBeUndefined();
  });
});

/** Events in any order, for a machine that must keep its promises whatever happens. */
describe('any sequence of events', () => {
  const event = fc.record({
    kind: fc.constantFrom(
      'group',
      'group',
      'group',
      'bytes',
      'end',
      'fault',
      'refused',
      'busy',
      'lie',
      'time',
      'source',
      'drop',
    ),
    pick: fc.nat(),
    ms: fc.integer({ min: 0, max: 3_000 }),
  });

  test('no group is asked of more than two sources, none is lost, duplicates stay in their bounds, liars stay out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.array(event, { maxLength: 150 }), (groups, events) => {
        const { done, plan } = planOf(groups, { duplicatesMin: 1 });
        const running = new Map<number, Assignment>();
        const liars = new Set<string>();
        let [nowMs, duplicates, started] = [0, 0, 0];
        const end = (assignment: Assignment, how: 'complete' | 'fault' | 'refused' | 'busy' | 'lie') => {
          running.delete(assignment.id);
          plan.onEnd(assignment, how, nowMs);
          if (how === 'lie') liars.add(assignment.node);
        };
        const step = () => {
          for (const next of plan.steps(nowMs)) {
            if (next.kind === 'stop') running.delete(next.assignment.id);
            else {
              running.set(next.assignment.id, next.assignment);
              expect(liars.has(next.assignment.node)).toBe(false);
              if (next.assignment.duplicate) started += 1;
            }
          }
          expect(running.size).toBeLessThanOrEqual(fetchLimitsDefault.streamsMax);
          const asked = new Map<number, Set<string>>();
          for (const { next, end, node } of running.values()) {
            for (let group = next; group < end; group++) asked.set(group, (asked.get(group) ?? new Set()).add(node));
          }
          expect(Math.max(0, ...[...asked.values()].map((nodes) => nodes.size))).toBeLessThanOrEqual(2);
        };
        const deliver = (assignment: Assignment) => {
          if (assignment.next < assignment.end && !plan.onGroup(assignment, groupBytes(), nowMs).isNew) duplicates += 1;
          if (assignment.next >= assignment.end) end(assignment, 'complete');
        };
        plan.setSource('s0', Coverage.all);
        for (const { kind, pick, ms } of events) {
          const assignment = [...running.values()][pick % Math.max(running.size, 1)];
          const node = `s${pick % 5}`;
          if (kind === 'time') nowMs += ms;
          else if (kind === 'source' && !liars.has(node)) plan.setSource(node, Coverage.all);
          else if (kind === 'drop') {
            plan.dropSource(node);
            for (const each of [...running.values()].filter((one) => one.node === node)) end(each, 'fault');
          } else if (assignment === undefined) nowMs += 1;
          else if (kind === 'group') deliver(assignment);
          else if (kind === 'bytes') plan.onBytes(assignment, nowMs);
          else if (kind === 'end') end(assignment, 'complete');
          else if (kind !== 'source') end(assignment, kind as 'fault');
          step();
        }
        // One honest source from here on: everything comes, at the latest when the silent ones had all their failures.
        plan.setSource('honest', Coverage.all);
        for (let turn = 0; !plan.complete; turn++) {
          if (turn > groups * 4 + 4_000) expect(plan.complete).toBe(true);
          nowMs += 100;
          step();
          for (const assignment of [...running.values()]) {
            if (assignment.node === 'honest') while (running.has(assignment.id)) deliver(assignment);
          }
        }
        expect(done.complete).toBe(true);
        expect(duplicates).toBeLessThanOrEqual(started);
        expect(started).toBeLessThanOrEqual(Math.max(1, Math.floor(groups * 0.02)));
      }),
      { numRuns: 100 },
    );
  });

  test('a stream without bytes is stopped after stallMs and not before, one that is held back by the sink is not', () => {
    const { plan } = planOf(10);
    plan.setSource('a', Coverage.all);
    const [start] = plan.steps(0);
    const { assignment } = start!;
    plan.onBytes(assignment, 100);
    expect(plan.steps(5_099)).toEqual([]);
    assignment.held = true;
    expect(plan.steps(50_000)).toEqual([]);
    assignment.held = false;
    expect(plan.steps(5_100)).toMatchObject([{ kind: 'stop', ending: 'fault' }]);
    expect(plan.steps(5_150)).toEqual([]);
    expect(plan.steps(5_200)).toMatchObject([{ kind: 'start' }]);
  });

  test('faultsMax failures in a row and a source is gone, a group between them and it is not; one that is busy stays', () => {
    const { plan } = planOf(1_000);
    plan.setSource('a', Coverage.all);
    let nowMs = 0;
    const next = () => {
      nowMs += 20_000;
      return plan.steps(nowMs).findLast(({ kind }) => kind === 'start')!.assignment;
    };
    for (let fault = 1; fault < 5; fault++) expect(plan.onEnd(next(), 'fault', nowMs)).toBe(false);
    const good = next();
    plan.onGroup(good, groupBytes(), nowMs);
    expect(plan.onEnd(good, 'fault', nowMs)).toBe(false);
    for (let busy = 0; busy < 20; busy++) expect(plan.onEnd(next(), 'busy', nowMs, 100)).toBe(false);
    expect(plan.onEnd(next(), 'fault', nowMs)).toBe(true);
    expect(plan.hasSource('a')).toBe(false);
  });
});
