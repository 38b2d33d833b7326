import { createInlineWork } from '@ron/kernel/real';
import { createSimRandom } from '@ron/kernel/sim';
import { dhtLimits, type ProviderRecord } from '@ron/proto/dht';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordStore, type StoreRules } from './record-store.ts';

const { blake3 } = createInlineWork();
const rules: StoreRules = { recordsMax: 60, recordsOfKeyMax: 8, recordsOfProviderMax: 10, groupOfKeyMax: 2 };
const hex = (value: number) => value.toString(16).padStart(64, '0');
let nowMs = 0;

function create(own: Partial<StoreRules> = {}, seed = 1) {
  nowMs = 1_000;
  const clock = { wallMs: () => nowMs };
  return new RecordStore({ ...rules, ...own }, { clock, random: createSimRandom(seed), blake3 });
}

/** Signatures are somebody else’s business. */
function recordOf(key: number, provider: number, more: Partial<ProviderRecord> & { network?: number } = {}) {
  const { network = provider, ...fields } = more;
  const address = `10.${network >> 8}.${network & 255}.1:9700`;
  return {
    key: hex(key),
    provider: { id: hex(provider), address },
    public_key: '',
    issued_at: 0,
    expires_at: 10_000,
    sequence: 1,
    signature: '',
    ...fields,
  } satisfies ProviderRecord;
}

test('keeps the newest word of each provider, until it expires', () => {
  const store = create();
  expect(store.put(recordOf(1, 1, { sequence: 5 }))).toBeUndefined();
  expect(store.put(recordOf(1, 1, { sequence: 4 }))).toBe('stale');
  expect(store.put(recordOf(1, 1, { sequence: 6, expires_at: 20_000 }))).toBeUndefined();
  expect(store.put(recordOf(1, 2))).toBeUndefined();
  expect(store.size).toBe(2);
  nowMs = 10_000;
  expect(store.recordsOf(hex(1)).map(({ sequence }) => sequence)).toEqual([6]);
  store.sweep(100);
  expect([store.size, store.keys]).toEqual([1, 1]);
});

test('bounds hold whatever is put, and the counts are those of what is kept', () => {
  const put = fc.record({
    key: fc.nat(12),
    provider: fc.nat(40),
    network: fc.nat(20),
    sequence: fc.nat(3),
    passMs: fc.nat(800),
  });
  fc.assert(
    fc.property(fc.array(put, { maxLength: 300 }), fc.nat(), (puts, seed) => {
      const store = create({}, seed);
      for (const { key, provider, network, sequence, passMs } of puts) {
        nowMs += passMs;
        store.put(recordOf(key, provider, { network, sequence, expires_at: nowMs + 10_000 }));
        store.sweep(3);
      }
      const all = Array.from({ length: 13 }, (_, key) => store.recordsOf(hex(key)));
      expect(store.size).toBeLessThanOrEqual(rules.recordsMax);
      for (const records of all) {
        expect(records.length).toBeLessThanOrEqual(Math.min(rules.recordsOfKeyMax, dhtLimits.answerRecordsMax));
        const networks = Map.groupBy(records, ({ provider }) => provider.address);
        for (const of of networks.values()) expect(of.length).toBeLessThanOrEqual(rules.groupOfKeyMax);
      }
      const providers = Map.groupBy(all.flat(), ({ provider }) => provider.id);
      for (const of of providers.values()) expect(of.length).toBeLessThanOrEqual(rules.recordsOfProviderMax);
      nowMs += 20_000;
      while (store.size > 0) expect(store.sweep(store.size)).toBeGreaterThan(0);
      expect(store.keys).toBe(0);
    }),
  );
});

test('any number of records of one network for one key leave the others theirs', () => {
  const store = create();
  for (let provider = 0; provider < 5; provider++) store.put(recordOf(1, provider));
  for (let provider = 1_000; provider < 1_500; provider++) store.put(recordOf(1, provider, { network: 77 }));
  const kept = store.recordsOf(hex(1)).map(({ provider }) => Number.parseInt(provider.id, 16));
  expect(kept.filter((id) => id < 5).length).toBe(5);
  expect(kept.length).toBe(7);
});

test('among many networks nobody wins by coming first or last, and each node chooses others', () => {
  let first = 0;
  let last = 0;
  const kept = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const store = create({}, seed);
    for (let provider = 0; provider < 32; provider++) store.put(recordOf(1, provider));
    const ids = store.recordsOf(hex(1)).map(({ provider }) => Number.parseInt(provider.id, 16));
    expect(ids.length).toBe(rules.recordsOfKeyMax);
    if (ids.includes(0)) first++;
    if (ids.includes(31)) last++;
    for (const id of ids) kept.add(id);
  }
  // A quarter each is expected.
  expect(first).toBeGreaterThan(8);
  expect(last).toBeGreaterThan(8);
  expect(kept.size).toBe(32);
});

test('when all room is used, networks with many records give way to those with few', () => {
  const store = create({ recordsOfProviderMax: 100 });
  for (let key = 0; key < 60; key++) store.put(recordOf(key, key, { network: 7 }));
  expect(store.size).toBe(60);
  let taken = 0;
  for (let key = 100; key < 120; key++) if (store.put(recordOf(key, 500 + key)) === undefined) taken++;
  expect(taken).toBe(20);
  expect(store.put(recordOf(200, 900, { network: 7 }))).toBe('full');
  expect(store.size).toBe(60);
});
