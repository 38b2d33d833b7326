import { verifyReceipt } from '@ron/tlog';
import { describe, expect, test } from 'vitest';
import { type AuditLog, parseLeaf, verifyEd25519, verifyLog } from './index.ts';
import { bytesOf, createWorld, DyingDisk, entryOf, filesOf, openLog, putBytes } from './testing/fixture.ts';

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'accepted',
    (error: { code?: string }) => error.code,
  );
async function fill(log: AuditLog, count: number, start = log.size): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, at) => log.record(entryOf(start + at))));
}

/** What a run before the crash was told is safe. */
interface Told {
  acknowledged: number;
  checkpoint: string;
  covered: number;
}

async function work(log: AuditLog, told: Told): Promise<void> {
  for (const count of [2, 260, 270]) {
    await Promise.all(
      Array.from({ length: count }, async () => {
        const { index } = await log.record(entryOf(0));
        told.acknowledged = Math.max(told.acknowledged, index + 1);
      }),
    );
    const head = await log.checkpoint(log.size);
    Object.assign(told, { checkpoint: head.text, covered: head.size });
  }
  await log[Symbol.asyncDispose]();
}

/** One run that ends at the given operation of the disk; false when it came to its end before. */
async function crashAt(operation: number): Promise<boolean> {
  const { env, kms } = createWorld(operation);
  const dying = new DyingDisk(env.disk, operation);
  const told: Told = { acknowledged: 0, checkpoint: '', covered: 0 };
  const options = { retention: { entriesMax: 256 } };
  const run = async () => {
    await work(
      await openLog({ ...env, clock: env.clock, random: env.random, disk: dying.disk } as never, kms, options),
      told,
    );
    return false;
  };
  const crashed = await Promise.race([run(), dying.died.then(() => true)]);
  if (!crashed) return false;
  const next = env.crash();
  const label = `crash at operation ${operation}`;
  await using log = await openLog(next, kms, options);
  expect(log.failure, label).toBeUndefined();
  expect(log.size, label).toBeGreaterThanOrEqual(Math.max(told.acknowledged, told.covered));
  for (let from = log.keptFrom; from < log.size; from += 256) await log.read(from, log.size);
  const { index } = await log.record(entryOf(7));
  const text = await (await log.record(entryOf(8))).proof();
  const verified = await verifyReceipt(text, { keys: log.signer.keys(), verify: verifyEd25519 });
  expect(verified.index, label).toBe(index + 1);
  await log[Symbol.asyncDispose]();
  const known = told.checkpoint === '' ? {} : { knownCheckpoint: told.checkpoint };
  const source = { kind: 'folder', disk: next.disk, folder: 'audit' } as const;
  const report = await verifyLog(source, { keys: log.signer.keys(), ...known });
  expect(report.findings, label).toEqual([]);
  return true;
}

test('a crash at any operation of the disk loses nothing that was acknowledged or published', async () => {
  let operation = 1;
  while (await crashAt(operation)) operation += 1;
  expect(operation).toBeGreaterThan(80);
});

describe('a full disk', () => {
  test('refuses records, goes on with reads, and is over without a restart', async () => {
    const { env, kms } = createWorld(1);
    await using log = await openLog(env, kms);
    await fill(log, 300);
    const { faults } = env.machineDisk;
    faults.capacityBytes = env.machineDisk.usedBytes;
    const outcomes = new Set<string | undefined>();
    for (let at = 0; at < 200; at += 1) outcomes.add(await codeOf(log.record(entryOf(at))));
    expect(outcomes).toEqual(new Set(['accepted', 'unavailable']));
    expect(log.failure).toContain('full');
    expect(() => log.ready()).toThrow(expect.objectContaining({ details: { gate: 'audit' } }));
    expect(await log.read(0, 256)).toHaveLength(256);
    expect((await log.checkpoint()).size).toBeGreaterThanOrEqual(0);
    log.offer(entryOf(1));
    const before = log.size;
    await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(1, resolve)));
    expect(log.dropped).toBe(1);
    faults.capacityBytes = Number.POSITIVE_INFINITY;
    await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(3_000, resolve)));
    expect(log.failure).toBeUndefined();
    const noted = (await log.read(before, log.size)).map(({ entry }) => parseLeaf(entry as Uint8Array)?.op);
    expect(noted).toContain('audit.dropped');
    expect(await codeOf(log.record(entryOf(1)))).toBe('accepted');
    await (await log.record(entryOf(2))).proof();
  });

  test('leaves its reserve to what retention must note', async () => {
    const { env, kms } = createWorld(2);
    await using log = await openLog(env, kms, { retention: { entriesMax: 256 } });
    env.machineDisk.faults.capacityBytes = env.machineDisk.usedBytes + 400_000;
    let refused = 0;
    for (let round = 0; round < 400 && refused < 20; round += 1) {
      const outcomes = await Promise.all(Array.from({ length: 16 }, (_, at) => codeOf(log.record(entryOf(at)))));
      if (outcomes.includes('unavailable')) refused += 1;
    }
    // Either retention kept making room, or what it noted went into the reserve: entries were given up in both cases.
    expect(log.keptFrom).toBeGreaterThan(0);
  });
});

test('entries older than the retention are given up, on an idle log too', async () => {
  const { env, kms } = createWorld(12);
  await using log = await openLog(env, kms, { retention: { daysMax: 2 } });
  await fill(log, 600);
  const pass = (ms: number) =>
    env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(ms, resolve)), 2 * ms);
  await pass(86_400_000);
  expect(log.keptFrom).toBe(0);
  await pass(86_400_000 + 7_200_000);
  expect(log.keptFrom).toBe(512);
  const noted = (await log.read(600, log.size)).map(({ entry }) => parseLeaf(entry as Uint8Array));
  expect(noted).toMatchObject([{ op: 'audit.retention', fields: { kept_from: '512' } }]);
});

test('what is read while it is given up is there or given up, never lost', async () => {
  const { env, kms } = createWorld(15);
  const removed: string[] = [];
  let look: (() => Promise<unknown>) | undefined;
  const disk = new Proxy(env.disk, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      return async (...given: unknown[]) => {
        const result: unknown = await (value as (...all: unknown[]) => unknown).apply(target, given);
        if (name === 'remove' && /entries\/[0-9]+$/.test(String(given[0]))) {
          removed.push(String(given[0]));
          await look?.();
        }
        return result;
      };
    },
  });
  const parts = { disk, clock: env.clock, random: env.random };
  await using log = await openLog(parts as typeof env, kms, { retention: { entriesMax: 256 } });
  const seen: unknown[] = [];
  look = async () => seen.push(...(await log.read(0, 1)).map(({ entry }) => entry));
  await fill(log, 600);
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(1_000, resolve)));
  expect(removed).toContain('audit/tile/entries/000');
  expect(seen).toEqual(removed.map(() => undefined));
});

test('bundles that had to be stored twice count once for the retention', async () => {
  const { env, kms } = createWorld(16);
  const pass = (ms = 3_000) => env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(ms, resolve)));
  await using log = await openLog(env, kms, { retention: { bytesMax: 140_000 } });
  await fill(log, 255);
  await pass();
  // The bundle finds room, its hash tile does not.
  env.machineDisk.faults.failNth('rename', 3, 'ENOSPC');
  await fill(log, 1);
  await pass(500);
  expect(log.failure).toContain('full');
  await pass();
  await fill(log, 256);
  await pass();
  expect((await env.disk.stat('audit/tile/entries/001'))?.sizeBytes).toBeGreaterThan(50_000);
  expect(log.keptFrom).toBe(0);
});

test('a checkpoint that found no room follows by itself', async () => {
  const { env, kms } = createWorld(13);
  await using log = await openLog(env, kms);
  await fill(log, 10);
  env.machineDisk.faults.failNth('open', 1, 'ENOSPC');
  expect((await log.checkpoint()).size).toBe(0);
  expect(log.failure).toContain('no checkpoint');
  await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(1_500, resolve)));
  expect(log.failure).toBeUndefined();
  expect((await log.checkpoint()).size).toBe(10);
});

test.each(['write', 'sync'] as const)(
  'a failed %s ends writing; reads go on, and the reason is told',
  async (operation) => {
    const { env, kms } = createWorld(3);
    const log = await openLog(env, kms);
    await fill(log, 300);
    await log.checkpoint(300);
    env.machineDisk.faults.failNth(operation, 1);
    expect(await codeOf(log.record(entryOf(1)))).toBe('unavailable');
    expect(await codeOf(log.record(entryOf(2)))).toBe('unavailable');
    expect(log.failure).toContain('read-only');
    expect(await log.read(0, 256)).toHaveLength(256);
    expect((await log.checkpoint()).size).toBe(300);
    await log[Symbol.asyncDispose]();
    await using again = await openLog(env, kms);
    expect(again.failure).toBeUndefined();
    expect(again.size).toBeGreaterThanOrEqual(300);
    expect(await codeOf(again.record(entryOf(3)))).toBe('accepted');
  },
);

describe('a log that lost entries', () => {
  async function closedLog(seed: number, count = 600) {
    const { env, kms } = createWorld(seed);
    const log = await openLog(env, kms);
    await fill(log, count);
    await log[Symbol.asyncDispose]();
    return { env, kms, keys: log.signer.keys() };
  }

  test('at its end refuses to append, says at which index, and signs nothing', async () => {
    const { env, kms } = await closedLog(4);
    for (const name of await env.disk.list('audit/journal')) await env.disk.remove(`audit/journal/${name}`);
    const told: string[] = [];
    await using log = await openLog(env, kms, { onDamage: (detail) => void told.push(detail) });
    expect(log.failure).toBe('truncated at index 512: the checkpoint covers 600');
    expect(told).toContain(log.failure);
    expect(await codeOf(log.record(entryOf(1)))).toBe('unavailable');
    expect((await log.checkpoint()).size).toBe(600);
    expect(await log.read(0, 256)).toHaveLength(256);
  });

  test.each([
    ['the checkpoint', 'audit/checkpoint', 'the checkpoint is missing'],
    ['a hash tile', 'audit/tile/0/000', 'hash tile 0/0 is missing'],
    ['the last hash tile', 'audit/tile/0/001', 'entries from index 256 are missing'],
  ])('without %s it refuses to append', async (_, path, why) => {
    const { env, kms } = await closedLog(5, 1_200);
    await env.disk.remove(path);
    if (path === 'audit/checkpoint') await env.disk.remove('audit/checkpoint.copy');
    if (path.endsWith('001')) for (const name of ['002', '003']) await env.disk.remove(`audit/tile/0/${name}`);
    const before = await filesOf(env.disk, 'audit');
    const log = await openLog(env, kms);
    expect(log.failure).toContain(why);
    expect(await codeOf(log.record(entryOf(1)))).toBe('unavailable');
    // What is there now must not be signed as if it had always been so.
    expect(await codeOf(log.checkpoint(1_201))).toBe('unavailable');
    expect(await codeOf(log.checkpoint())).toBe(path === 'audit/checkpoint' ? 'unavailable' : 'accepted');
    await log[Symbol.asyncDispose]();
    const after = await filesOf(env.disk, 'audit');
    expect(after.get('audit/checkpoint')).toEqual(before.get('audit/checkpoint'));
  });

  test('whose tail was exchanged for another of the same length signs nothing over it', async () => {
    const { env, kms } = await closedLog(11, 100);
    const other = createWorld(11);
    const log = await openLog(other.env, other.kms);
    await fill(log, 120, 1_000);
    await log[Symbol.asyncDispose]();
    for (const name of await env.disk.list('audit/journal')) await env.disk.remove(`audit/journal/${name}`);
    for (const [path, bytes] of await filesOf(other.env.disk, 'audit/journal')) await putBytes(env.disk, path, bytes);
    await using opened = await openLog(env, kms);
    expect(opened.failure).toBe('the hashes of entries 0 to 100 do not fit the checkpoint');
    expect(await codeOf(opened.checkpoint(101))).toBe('unavailable');
    expect((await opened.checkpoint()).size).toBe(100);
  });

  test('whose checkpoint has gone bad, or is gone, goes on from the copy, says so, and writes it anew', async () => {
    for (const damage of ['flipped', 'not UTF-8', 'gone']) {
      const { env, kms } = await closedLog(16);
      const bytes = await bytesOf(env.disk, 'audit/checkpoint');
      if (damage === 'gone') await env.disk.remove('audit/checkpoint');
      else {
        bytes[40] = damage === 'flipped' ? bytes[40]! ^ 1 : 0xff;
        await putBytes(env.disk, 'audit/checkpoint', bytes);
      }
      const told: string[] = [];
      {
        await using log = await openLog(env, kms, { onDamage: (detail: string) => told.push(detail) });
        expect([damage, log.failure, log.size]).toEqual([damage, undefined, 600]);
        expect(told.join()).toContain('its copy is used');
        await log.record(entryOf(600));
      }
      const after = await bytesOf(env.disk, 'audit/checkpoint');
      expect(new TextDecoder().decode(after)).toContain('\n601\n');
      expect(after).toEqual(await bytesOf(env.disk, 'audit/checkpoint.copy'));
    }
  });

  test('a good checkpoint counts, whatever its copy says: cutting entries off is noticed', async () => {
    const { env, kms } = createWorld(17);
    {
      await using log = await openLog(env, kms);
      await fill(log, 10);
    }
    const older = await filesOf(env.disk, 'audit');
    {
      await using log = await openLog(env, kms);
      await fill(log, 10, 10);
    }
    const checkpoint = await bytesOf(env.disk, 'audit/checkpoint');
    for (const path of (await filesOf(env.disk, 'audit')).keys()) await env.disk.remove(path);
    for (const [path, bytes] of older) await putBytes(env.disk, path, bytes);
    await putBytes(env.disk, 'audit/checkpoint', checkpoint);
    await using log = await openLog(env, kms);
    expect(log.failure).toBe('truncated at index 10: the checkpoint covers 20');
  });

  test('with another checkpoint than its own it refuses to append', async () => {
    const { env, kms } = await closedLog(6);
    const other = await closedLog(7);
    const bytes = await bytesOf(env.disk, 'audit/checkpoint');
    for (const name of ['checkpoint', 'checkpoint.copy']) {
      await putBytes(env.disk, `audit/${name}`, await bytesOf(other.env.disk, 'audit/checkpoint'));
    }
    {
      await using log = await openLog(env, kms);
      expect(log.failure).toContain('the checkpoint is not good');
    }
    // Put back as it was, nothing is lost.
    await putBytes(env.disk, 'audit/checkpoint', bytes);
    await using log = await openLog(env, kms);
    expect([log.failure, log.size]).toEqual([undefined, 600]);
  });

  test('a damaged bundle is refused with its index, other entries are read', async () => {
    const { env, kms } = await closedLog(8);
    const bytes = await bytesOf(env.disk, 'audit/tile/entries/000');
    bytes[300] = (bytes[300] as number) ^ 1;
    await putBytes(env.disk, 'audit/tile/entries/000', bytes);
    await using log = await openLog(env, kms);
    const error = await log.read(0, 256).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'integrity', details: { index: 1 } });
    expect(await log.read(256, 512)).toHaveLength(256);
  });

  test('a cut hash tile makes it read-only, and a lost bundle is told', async () => {
    const { env, kms } = await closedLog(14);
    const tile = await bytesOf(env.disk, 'audit/tile/0/001');
    await putBytes(env.disk, 'audit/tile/0/001', tile.slice(0, -1));
    {
      await using log = await openLog(env, kms);
      expect(log.failure).toContain('hash tile 0/1 is missing or too short');
      expect((await log.checkpoint()).size).toBe(600);
    }
    await putBytes(env.disk, 'audit/tile/0/001', tile);
    await env.disk.remove('audit/tile/entries/001');
    await using log = await openLog(env, kms);
    expect(log.failure).toBeUndefined();
    await expect(log.read(256, 512)).rejects.toMatchObject({ code: 'integrity', details: { index: 256 } });
    const bundle = await bytesOf(env.disk, 'audit/tile/entries/000');
    await putBytes(env.disk, 'audit/tile/entries/000', bundle.slice(0, -1));
    await expect(log.read(0, 1)).rejects.toMatchObject({ code: 'integrity', details: { index: 0 } });
  });

  test('only one process has it', async () => {
    const { env, kms } = createWorld(9);
    await using _log = await openLog(env, kms);
    await expect(openLog(env, kms)).rejects.toMatchObject({ code: 'EBUSY' });
  });

  test('its files are the published tiles', async () => {
    const { env } = await closedLog(10);
    const paths = [...(await filesOf(env.disk, 'audit')).keys()].filter((path) => !path.includes('journal'));
    expect(paths).toEqual([
      'audit/checkpoint',
      'audit/checkpoint.copy',
      'audit/tile/0/000',
      'audit/tile/0/001',
      'audit/tile/entries/000',
      'audit/tile/entries/001',
    ]);
  });
});
