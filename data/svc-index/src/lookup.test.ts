import { RonError } from '@ron/proto/errors';
import { beforeEach, expect, test } from 'vitest';
import type { IndexConfig } from './config.ts';
import type { Head, NameEngine, NamesChanged } from './engine.ts';
import { Lookup } from './lookup.ts';

const config: IndexConfig = {
  names_max: 10,
  history_versions_max: 5,
  hot_names_max: 100,
  negative_ttl_ms: 2_000,
  shared_max_age_ms: 1_000,
  unreachable_max_age_ms: 60_000,
};
const head = (version: number): Head => ({
  record: { name: 'a', address: 'b3:', version, prev: null, updated_at: 1, owner: 'o', signature: 's' },
  removed: false,
});

let nowMs = 0;
let reads: PromiseWithResolvers<Head | undefined>[] = [];
let changed: NamesChanged;
let lookup: Lookup;

/** An engine that others use too, whose reads the test answers. */
beforeEach(() => {
  nowMs = 0;
  reads = [];
  const engine: Pick<NameEngine, 'durability' | 'others' | 'head'> = {
    durability: 'fsync',
    others: {
      subscribe: (listener) => {
        changed = listener;
        return { [Symbol.dispose]: () => undefined };
      },
    },
    head: () => {
      const read = Promise.withResolvers<Head | undefined>();
      reads.push(read);
      return read.promise;
    },
  };
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel: () => undefined }) };
  lookup = new Lookup(engine as NameEngine, clock, () => config);
});

async function known(version: number): Promise<void> {
  const found = lookup.find('a', false);
  reads.pop()!.resolve(head(version));
  await found;
}

test('calls at once for a name are one read; a fresh one is its own', async () => {
  const found = [lookup.find('a', false), lookup.find('a', false), lookup.find('a', true)];
  expect(reads).toHaveLength(2);
  reads[0]!.resolve(head(1));
  reads[1]!.resolve(head(2));
  expect((await Promise.all(found)).map((each) => each?.version)).toEqual([1, 1, 2]);
});

test.each([
  [['a'], true],
  [['b'], false],
  [undefined, true],
])('a hint about %j makes the next call ask: %s', async (names, asks) => {
  await known(1);
  nowMs += 1;
  changed(names);
  const found = lookup.find('a', false);
  expect(reads).toHaveLength(asks ? 1 : 0);
  reads[0]?.resolve(head(2));
  expect((await found)?.version).toBe(asks ? 2 : 1);
});

test.each([
  [59_999, 1],
  [60_000, undefined],
])(
  'while the engine cannot be reached, what was known is answered for a minute: after %i ms',
  async (ageMs, version) => {
    await known(1);
    nowMs += ageMs;
    changed(['a']);
    const away = new RonError('unavailable', 'away');
    const found = Promise.resolve(lookup.find('a', false));
    reads[0]!.reject(away);
    if (version === undefined) await expect(found).rejects.toBe(away);
    else expect(await found).toMatchObject({ version, freshness_ms: ageMs, source: 'memory' });
    const fresh = Promise.resolve(lookup.find('a', true));
    reads[1]!.reject(away);
    await expect(fresh).rejects.toBe(away);
  },
);

test('damage is not hidden by what was known', async () => {
  await known(1);
  nowMs += 5_000;
  const damaged = new RonError('integrity', 'damaged');
  const found = Promise.resolve(lookup.find('a', false));
  reads[0]!.reject(damaged);
  await expect(found).rejects.toBe(damaged);
});

test('a read that began before a change of this process does not replace what the change left', async () => {
  const late = lookup.find('a', false);
  nowMs += 1;
  lookup.changed('a', head(2));
  reads[0]!.resolve(head(1));
  await late;
  expect(await lookup.find('a', false)).toMatchObject({ version: 2 });
});
