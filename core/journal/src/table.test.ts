import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRamTable, openTable, type Table } from './index.ts';

const limits = { entriesMax: 100, logBytesMin: 2_000, segmentBytes: 600 };
const folder = 'state/table';
const open = (env: SimEnv, onDamage?: (detail: string) => void) =>
  openTable<unknown>({ env, folder, ...limits, ...(onDamage === undefined ? {} : { onDamage }) });

const set = (table: Table<unknown>, ...changes: [string, unknown][]) =>
  table.transact(() => ({ changes, result: undefined }));
const contentOf = (table: Table<unknown>) => Object.fromEntries(table.entries());

describe.each([
  ['RAM', async () => createRamTable<unknown>(limits)],
  ['journal', async () => open(createSimEnv({ seed: 1 }))],
] as const)('a table in %s', (_name, make) => {
  test('shows what was set, all of a transaction, in order', async () => {
    await using table = await make();
    await set(table, ['a', 1], ['b/1', { x: [null, 'é'] }], ['b/2', false], ['a', 2]);
    await set(table, ['b/2', undefined], ['never', undefined]);
    expect(contentOf(table)).toEqual({ a: 2, 'b/1': { x: [null, 'é'] } });
    expect([...table.entries('b/')]).toEqual([['b/1', { x: [null, 'é'] }]]);
    expect([table.size, table.get('a'), table.get('b/2'), table.failed]).toEqual([2, 2, undefined, undefined]);
  });

  test('a value cannot be changed by who reads it', async () => {
    await using table = await make();
    const given = { list: [1] };
    await set(table, ['a', given]);
    given.list.push(2);
    expect(table.get('a')).toEqual({ list: [1] });
    expect(() => (table.get('a') as typeof given).list.push(2)).toThrow(TypeError);
  });

  test('transactions see what all before them left, and what one throws changes nothing', async () => {
    await using table = await make();
    const count = () =>
      table.transact((now) => {
        const next = ((now.get('n') as number | undefined) ?? 0) + 1;
        return { changes: [['n', next]], result: next };
      });
    const failing = table.transact(() => {
      throw new RonError('conflict', 'no');
    });
    expect(await Promise.all([count(), count(), count()])).toEqual([1, 2, 3]);
    await expect(failing).rejects.toThrow('no');
    expect(table.get('n')).toBe(3);
  });

  test('holds as many entries as it may and lets removals through when there are too many', async () => {
    await using table = await make();
    const many = Array.from({ length: 100 }, (_, index): [string, unknown] => [`k${index}`, index]);
    await set(table, ...many);
    await expect(set(table, ['one more', 1])).rejects.toMatchObject({ code: 'insufficient_storage' });
    await set(table, ['k0', undefined], ['one more', 1]);
    await set(table, ['k1', 'replaced']);
    expect(table.size).toBe(100);
  });

  test('a closed table refuses', async () => {
    const table = await make();
    await table[Symbol.asyncDispose]();
    await expect(set(table, ['a', 1])).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test('at most 64 Mi characters by default, and as many as were asked for', async () => {
  await using table = createRamTable<string>({ entriesMax: 10, charactersMax: 10 });
  await table.transact(() => ({ changes: [['key', '12345']], result: 0 }));
  await expect(table.transact(() => ({ changes: [['key', '123456']], result: 0 }))).rejects.toMatchObject({
    code: 'insufficient_storage',
  });
  expect(table.get('key')).toBe('12345');
});

type Step = readonly (readonly [string, unknown])[];
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'c', '__proto__', 'é'),
      fc.option(fc.jsonValue({ maxDepth: 1 }), { nil: undefined, freq: 3 }),
    ),
    { minLength: 1, maxLength: 4 },
  ),
  { minLength: 1, maxLength: 25 },
);

function model(done: readonly Step[]): Map<string, string> {
  const entries = new Map<string, string>();
  for (const [key, value] of done.flat()) {
    if (value === undefined) entries.delete(key);
    else entries.set(key, JSON.stringify(value));
  }
  return entries;
}
const jsonOf = (table: Table<unknown>) =>
  new Map([...table.entries()].map(([key, value]) => [key, JSON.stringify(value)]));

test('after a power cut or a failure at any operation, whole transactions are there and none that was acknowledged is gone', async () => {
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.nat(400),
      fc.constantFrom('write', 'sync', 'open', 'syncDirectory', 'remove'),
      async (all, seed, kind) => {
        const env = createSimEnv({ seed: seed + 1 });
        env.machineDisk.faults.failNth(kind, 1 + (seed % 40));
        const acknowledged: Step[] = [];
        let begun = all.length;
        try {
          const table = await open(env);
          for (const [index, step] of all.entries()) {
            begun = index + 1;
            // Large enough that the log is written again in between.
            await table.transact(() => ({ changes: [...step, ['pad', `${index}`.repeat(300)]], result: 0 }));
            acknowledged.push([...step, ['pad', `${index}`.repeat(300)]]);
          }
        } catch (error) {
          if (!(error instanceof Error)) throw error;
        }
        env.machineDisk.faults.calm();
        await using after = await open(env.crash());
        const found = jsonOf(after);
        const possible = [model(acknowledged)];
        if (begun > acknowledged.length) {
          const next = all[acknowledged.length]!;
          possible.push(model([...acknowledged, [...next, ['pad', `${acknowledged.length}`.repeat(300)]]]));
        }
        expect(possible).toContainEqual(found);
      },
    ),
    { numRuns: 300 },
  );
});

test('transactions that come together share a sync, and fail together', async () => {
  const env = createSimEnv({ seed: 5 });
  await using table = await open(env);
  const before = env.machineDisk.faults.count('sync');
  const refused = table.transact(() => {
    throw new RonError('conflict', 'not this one');
  });
  const many = Array.from({ length: 50 }, (_, index) =>
    table.transact((now) => ({ changes: [[`k${index}`, now.size]], result: now.size })),
  );
  await expect(refused).rejects.toThrow('not this one');
  expect(await Promise.all(many)).toEqual(many.map((_, index) => index));
  expect(env.machineDisk.faults.count('sync') - before).toBe(1);
  env.machineDisk.faults.failNth('sync', 1);
  const failing = [set(table, ['k0', 'new']), table.transact((now) => ({ changes: [], result: now.get('k0') }))];
  for (const outcome of await Promise.allSettled(failing)) expect(outcome.status).toBe('rejected');
  expect(table.get('k0')).toBe(0);
});

test('changes go on while the log is written again, and nothing of them is lost', async () => {
  const env = createSimEnv({ seed: 11 });
  const table = await open(env);
  const many = (text: string) =>
    Promise.all(Array.from({ length: 60 }, (_, index) => set(table, [`k${index}`, `${text} ${index}`.repeat(9)])));
  for (const text of ['one', 'two', 'three', 'four']) await many(text);
  // The rewriting that this has begun has many steps: between them keys are removed, replaced and added.
  await set(table, ['k59', undefined], ['k0', 'replaced'], ['new', true]);
  await set(table, ['k58', undefined]);
  const expected = jsonOf(table);
  await using after = await open(env.crash());
  expect(jsonOf(after)).toEqual(expected);
  expect([after.get('k59'), after.get('k0'), after.size]).toEqual([undefined, 'replaced', 59]);
});

test('its log stays within a few times of what is alive', async () => {
  const env = createSimEnv({ seed: 7 });
  const table = await open(env);
  for (let round = 0; round < 400; round += 1)
    await set(table, [`k${round % 5}`, `${round}`.repeat(40)], ['gone', round]);
  const names = await env.disk.list(folder);
  const records = await Promise.all(names.map(async (name) => (await env.disk.stat(`${folder}/${name}`))!.sizeBytes));
  expect(names.length).toBeLessThanOrEqual(12);
  // Space taken ahead of the records included.
  expect(records.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(12 * 256 * 1024);
  await table[Symbol.asyncDispose]();
  await using again = await open(env.kill());
  expect(jsonOf(again)).toEqual(jsonOf(table));
});

test('a full disk refuses, leaves the table as it was, and takes changes again when there is room', async () => {
  const env = createSimEnv({ seed: 3 });
  await using table = await open(env);
  await set(table, ['a', 1]);
  env.machineDisk.faults.capacityBytes = 300 * 1024;
  const blob = 'x'.repeat(100_000);
  await expect(
    (async () => {
      for (let round = 0; round < 10; round += 1) await set(table, [`b${round}`, blob]);
    })(),
  ).rejects.toMatchObject({ code: 'insufficient_storage' });
  expect([table.get('a'), table.failed]).toEqual([1, undefined]);
  // A revocation gets through all the same.
  await table.transact(() => ({ changes: [['urgent', true]], result: 0 }), { urgent: true });
  env.machineDisk.faults.capacityBytes = Number.POSITIVE_INFINITY;
  await set(table, ['c', blob]);
  expect(table.get('c')).toBe(blob);
});

test('a failed sync makes it read-only and is told', async () => {
  const env = createSimEnv({ seed: 4 });
  const told: string[] = [];
  const table = await open(env, (detail) => told.push(detail));
  await set(table, ['a', 1]);
  env.machineDisk.faults.failNth('sync', 1);
  await expect(set(table, ['b', 1])).rejects.toMatchObject({ code: 'unavailable' });
  await expect(set(table, ['c', 1])).rejects.toMatchObject({ code: 'unavailable' });
  expect([table.failed !== undefined, table.get('a'), table.get('b'), told.length]).toEqual([true, 1, undefined, 1]);
});

test('a change that went bad is told at opening, and all others are there', async () => {
  const env = createSimEnv({ seed: 6 });
  const table = await open(env);
  for (const key of ['before', 'revoked', 'after']) await set(table, [key, `${key}!`]);
  await table[Symbol.asyncDispose]();
  const [name] = await env.disk.list(folder);
  const file = await env.disk.open(`${folder}/${name}`, 'readwrite');
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  const at = Buffer.from(bytes).indexOf('revoked!');
  await file.write([new Uint8Array([bytes[at]! ^ 1])], at);
  await file.sync();
  await file.close();
  const told: string[] = [];
  await using again = await open(env.kill(), (detail) => told.push(detail));
  expect(contentOf(again)).toEqual({ before: 'before!', after: 'after!' });
  expect(told).toEqual([expect.stringMatching(/^state\/table: record lost in segment 1, bytes \d+ to \d+$/)]);
});

test('a change is acknowledged although the log cannot be made smaller: refused is only what is not there', async () => {
  let met = 0;
  for (let nth = 1; nth <= 12; nth += 1) {
    const env = createSimEnv({ seed: nth });
    await using table = await open(env);
    env.machineDisk.faults.failNth('remove', nth);
    let refused = 0;
    for (let round = 0; round < 200 && table.failed === undefined; round += 1) {
      const value = `${round}`.repeat(40);
      await set(table, ['k', value]).catch(() => {
        refused += 1;
      });
      expect(table.get('k') === value, `remove ${nth}, round ${round}`).toBe(refused === 0);
    }
    met += Number(table.failed === undefined && env.machineDisk.faults.count('remove') > nth);
  }
  expect(met).toBeGreaterThan(0);
});

test('a table that is opened with less room than it has takes removals and nothing else', async () => {
  const env = createSimEnv({ seed: 9 });
  const table = await open(env);
  await set(table, ['a', 1], ['b', 2], ['c', 3]);
  await table[Symbol.asyncDispose]();
  await using again = await openTable<unknown>({ env: env.kill(), folder, ...limits, entriesMax: 1 });
  await expect(set(again, ['a', 2])).rejects.toMatchObject({ code: 'insufficient_storage' });
  await set(again, ['a', undefined]);
  expect(contentOf(again)).toEqual({ b: 2, c: 3 });
});

test('what is urgent does not share the fate of what is not, also when both come together', async () => {
  const env = createSimEnv({ seed: 3 });
  await using table = await open(env);
  await set(table, ['a', 1]);
  env.machineDisk.faults.capacityBytes = 300 * 1024;
  const blob = set(table, ['blob', 'x'.repeat(400_000)]);
  const urgent = table.transact(() => ({ changes: [['revoked', true]], result: 0 }), { urgent: true });
  await expect(blob).rejects.toMatchObject({ code: 'insufficient_storage' });
  await urgent;
  expect(contentOf(table)).toEqual({ a: 1, revoked: true });
});
