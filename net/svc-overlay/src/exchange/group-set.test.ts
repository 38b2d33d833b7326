import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GroupSet } from './group-set.ts';

test('a run is its groups one by one, and a copy is a set of its own', () => {
  const scene = fc.record({
    groupCount: fc.integer({ min: 1, max: 200 }),
    before: fc.array(fc.nat({ max: 199 }), { maxLength: 40 }),
    runs: fc.array(fc.tuple(fc.nat({ max: 220 }), fc.nat({ max: 220 })), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(scene, ({ groupCount, before, runs }) => {
      const byOne = new GroupSet(groupCount);
      for (const group of before) if (group < groupCount) byOne.add(group);
      const original = byOne.toBytes();
      const byRun = byOne.copy();
      for (const [first, end] of runs) {
        byRun.addRun(first, end);
        expect(byOne.toBytes()).toEqual(original);
      }
      for (const [first, end] of runs) for (let at = first; at < Math.min(end, groupCount); at++) byOne.add(at);
      expect([byRun.size, byRun.toBytes()]).toEqual([byOne.size, byOne.toBytes()]);
    }),
  );
});
