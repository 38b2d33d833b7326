import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BoundedCache } from './bounded-cache.ts';
import { compareBytes } from './ram/byte-order.ts';
import { SortedNames } from './ram/sorted-names.ts';

const text = fc.string({
  unit: fc.constantFrom('a', 'b', '/', 'é', '\ud7ff', '\ue000', '\uffff', '𐀀', '𐀁'),
  maxLength: 5,
});
const byBytes = (left: string, right: string) => Buffer.compare(Buffer.from(left), Buffer.from(right));

test('the order of names is the order of their bytes', () => {
  fc.assert(
    fc.property(text, text, (left, right) => {
      expect(Math.sign(compareBytes(left, right))).toBe(Math.sign(byBytes(left, right)));
    }),
    { numRuns: 1000 },
  );
});

test('a set of names walks in order from anywhere, over many blocks', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 9999 }), { minLength: 600, maxLength: 2000 }),
      text,
      (numbers, from) => {
        const names = numbers.map((number) => `${String.fromCodePoint(97 + (number % 7))}${number}`);
        const sorted = new SortedNames();
        for (const name of names) sorted.add(name);
        expect([...sorted.from(from)]).toEqual(names.filter((name) => byBytes(name, from) >= 0).sort(byBytes));
      },
    ),
    { numRuns: 10 },
  );
});

test('a cache never holds more than its bound, and holds what was used lately', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.array(fc.nat({ max: 20 })), (entriesMax, keys) => {
      const cache = new BoundedCache<number>(entriesMax);
      for (const key of keys) {
        cache.set(String(key), key);
        expect(cache.get(String(key))).toBe(key);
        expect(cache.size).toBeLessThanOrEqual(entriesMax);
      }
      const recent = [...new Set(keys.toReversed())].slice(0, Math.floor(entriesMax / 2));
      for (const key of recent) expect(cache.get(String(key))).toBe(key);
      for (const key of keys) {
        cache.delete(String(key));
        expect(cache.get(String(key))).toBeUndefined();
      }
    }),
  );
});
