import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SortedNames } from './sorted-names.ts';

const name = fc.constantFrom(...'abcdefgh', 'aa', 'Z', '\u00e9', '\u{1f9c5}');
const step = fc.oneof(
  fc.record({ op: fc.constant('toggle' as const), name }),
  fc.record({ op: fc.constant('page' as const), name: fc.option(name, { nil: undefined }), limit: fc.nat({ max: 5 }) }),
);

it('pages as a sorted set does, whatever was added and removed before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const names = new SortedNames();
      const model = new Set<string>();
      for (const one of steps) {
        if (one.op === 'page') {
          const after = one.name;
          const expected = [...model].sort().filter((each) => after === undefined || each > after);
          expect(names.page(after, one.limit)).toEqual(expected.slice(0, one.limit));
        } else if (model.delete(one.name)) names.remove(one.name);
        else {
          model.add(one.name);
          names.add(one.name);
        }
      }
      expect(names.page(undefined, 99)).toEqual([...model].sort());
    }),
  );
});

it('of many that come and go keeps those that are there', () => {
  const names = new SortedNames();
  for (let count = 0; count < 5_000; count += 1) {
    names.add(`n${count}`);
    if (count >= 3) names.remove(`n${count - 3}`);
  }
  expect(names.page(undefined, 9)).toEqual(['n4997', 'n4998', 'n4999']);
});
