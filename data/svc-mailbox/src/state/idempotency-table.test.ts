import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdempotencyTable, type RememberedKey } from './idempotency-table.ts';

/** What the table promises, said with a map. */
class Model {
  entriesMax: number;
  readonly map = new Map<string, RememberedKey>();

  constructor(entriesMax: number) {
    this.entriesMax = entriesMax;
  }

  find(hash: string, nowMs: number): RememberedKey | undefined {
    const key = this.map.get(hash);
    return key !== undefined && key.untilMs > nowMs ? key : undefined;
  }

  remember(hash: string, key: RememberedKey, nowMs: number): boolean {
    if (!this.map.has(hash)) {
      while (this.map.size >= this.entriesMax) {
        const [first, { untilMs }] = this.oldest() ?? ['', { untilMs: Infinity }];
        if (untilMs > nowMs) return false;
        this.map.delete(first);
      }
    }
    this.map.set(hash, key);
    return true;
  }

  oldest(): [string, RememberedKey] | undefined {
    return [...this.map].sort(([, left], [, right]) => left.untilMs - right.untilMs)[0];
  }

  nextMs(): number {
    return this.oldest()?.[1].untilMs ?? Infinity;
  }
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const digits = fc.string({ unit: fc.constantFrom(...crockford), minLength: 25, maxLength: 25 });
const ulid = fc.tuple(fc.constantFrom(...'01234567'), digits).map(([first, rest]) => first + rest);
const bytes = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 16, maxLength: 16 })
  .map((codes) => String.fromCharCode(...codes));

/** As unlike as hashes are, from a counter: multiplied by odd constants (Knuth, volume 3, 6.4). */
function hashOf(index: number): string {
  const codes: number[] = [];
  for (let word = 1; word <= 4; word += 1) {
    const mixed = Math.imul(index + word * 0x1000_0000, 2_654_435_761) >>> 0;
    codes.push(mixed >>> 24, (mixed >>> 16) & 255, (mixed >>> 8) & 255, mixed & 255);
  }
  return String.fromCharCode(...codes);
}

/** 40 hashes of which many differ in one byte only, so that buckets hold several. */
const hashes = Array.from({ length: 40 }, (_, index) => {
  const changed = [...'\0\xff\0\x01aaaabbbbcccc'];
  if (index > 0) changed[index % 16] = String.fromCharCode(index);
  return changed.join('');
});
const hash = fc.constantFrom(...hashes);
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('remember'),
      hash,
      lifeMs: fc.oneof(fc.integer({ min: -3, max: 60 }), fc.constantFrom(86_400_000, 2 ** 33, 2 ** 52)),
      digest: bytes,
      id: ulid,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget'), hash }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.nat({ max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire'), max: fc.nat({ max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('limit'), entriesMax: fc.nat({ max: 12 }) }) },
);

test('the table answers as a map does, full or not, in whatever order its entries expire', () => {
  fc.assert(
    fc.property(fc.nat({ max: 30 }), fc.array(action, { maxLength: 80 }), (entriesMax, actions) => {
      const table = new IdempotencyTable(entriesMax, 7);
      const model = new Model(entriesMax);
      const times = new Set<number>();
      let nowMs = 1_000;
      for (const each of actions) {
        if (each.kind === 'remember') {
          // No two of one time: which of them goes first is nobody's promise.
          let untilMs = nowMs + each.lifeMs;
          while (times.has(untilMs)) untilMs += 1;
          times.add(untilMs);
          const key = { digest: each.digest, id: each.id, untilMs };
          expect(table.remember(each.hash, key, nowMs)).toBe(model.remember(each.hash, key, nowMs));
        } else if (each.kind === 'forget') {
          table.forget(each.hash);
          model.map.delete(each.hash);
        } else if (each.kind === 'wait') nowMs += each.ms;
        else if (each.kind === 'limit') {
          table.entriesMax = each.entriesMax;
          model.entriesMax = each.entriesMax;
        } else {
          let dropped = 0;
          for (; dropped < each.max && model.nextMs() <= nowMs; dropped += 1) model.map.delete(model.oldest()![0]);
          expect(table.expire(nowMs, each.max)).toBe(dropped);
        }
        expect(table.size).toBe(model.map.size);
        expect(table.nextMs()).toBe(model.nextMs());
        for (const known of hashes) expect(table.find(known, nowMs)).toEqual(model.find(known, nowMs));
        expect(new Map(table.entries())).toEqual(model.map);
      }
    }),
    { numRuns: 300 },
  );
});

test('bytes, ids and times come back as they went in', () => {
  fc.assert(
    fc.property(bytes, bytes, ulid, fc.maxSafeNat(), (hash, digest, id, untilMs) => {
      const table = new IdempotencyTable(1, 7);
      const key = { digest, id, untilMs };
      expect(table.remember(hash, key, 0)).toBe(true);
      expect([...table.entries()]).toEqual([[hash, key]]);
    }),
  );
});

test('a table keeps everything while it grows and shrinks over many chunks and bucket splits', () => {
  const entries = 20_000;
  const table = new IdempotencyTable(entries, 7);
  const keyOf = (index: number, untilMs: number) => ({
    digest: hashOf(index + 1_000_000),
    id: `01${String(index).padStart(24, '0')}`,
    untilMs,
  });
  // Mostly in order, as sends come; every seventh long before the others, as a replay may bring them.
  const untilOf = (index: number) => (index % 7 === 0 ? 50_000 - index : 100_000 + index);
  for (const round of [1, 2]) {
    for (let index = 0; index < entries; index += 1) {
      expect(table.remember(hashOf(index), keyOf(index, untilOf(index)), round)).toBe(true);
    }
    expect(table.size).toBe(entries);
    expect(table.remember(hashOf(entries), keyOf(entries, 1e9), round)).toBe(false);
    for (let index = 0; index < entries; index += 1) {
      expect(table.find(hashOf(index), round)).toEqual(keyOf(index, untilOf(index)));
    }
    expect(table.find(hashOf(entries), round)).toBeUndefined();
    for (let index = 0; index < entries; index += 3) table.forget(hashOf(index));
    let beforeMs = 0;
    let left = 0;
    for (; table.size > 0; left += 1) {
      const nextMs = table.nextMs();
      expect(nextMs).toBeGreaterThan(beforeMs);
      expect(table.expire(nextMs - 1, 1)).toBe(0);
      expect(table.expire(nextMs, 10)).toBe(1);
      beforeMs = nextMs;
    }
    expect(left).toBe(entries - Math.ceil(entries / 3));
  }
});

test('what is not a key is refused and changes nothing', () => {
  const table = new IdempotencyTable(2, 7);
  const hash = hashOf(1);
  const key = { digest: hashOf(2), id: '01ARZ3NDEKTSV4RRFFQ69G5FAV', untilMs: 10 };
  table.remember(hash, key, 0);
  for (const bad of ['', hash.slice(1), `${hash}a`, `${hash.slice(1)}\u0100`]) {
    expect(() => table.find(bad, 0)).toThrow(RangeError);
    expect(() => table.forget(bad)).toThrow(RangeError);
    expect(() => table.remember(bad, key, 0)).toThrow(RangeError);
    expect(() => table.remember(hash, { ...key, digest: bad }, 0)).toThrow(RangeError);
  }
  for (const id of ['', '8ZZZZZZZZZZZZZZZZZZZZZZZZZ', '01arz3ndektsv4rrffq69g5fav', `${key.id}0`]) {
    expect(() => table.remember(hashOf(3), { ...key, id }, 0)).toThrow(RangeError);
  }
  for (const untilMs of [-1, 1.5, Number.NaN, Infinity, 2 ** 53]) {
    expect(() => table.remember(hashOf(3), { ...key, untilMs }, 0)).toThrow(RangeError);
  }
  for (const entriesMax of [-1, 1.5, Number.NaN]) expect(() => new IdempotencyTable(entriesMax, 7)).toThrow(RangeError);
  expect([...table.entries()]).toEqual([[hash, key]]);
});
