import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInlineWork } from '@ron/kernel/real';
import { createRamNames, openLmdbNames } from '@ron/svc-index/service';
import { afterAll, expect, test } from 'vitest';
import { firstSetting } from './first-setting.ts';
import { indexEngineSuite } from './index-engine-suite.ts';

const parent = await mkdtemp(join(tmpdir(), 'ron-index-'));
const work = createInlineWork();
let folders = 0;
const folder = () => join(parent, String(folders));
afterAll(() => rm(parent, { recursive: true, force: true }));

indexEngineSuite('ram', {
  open: async () => createRamNames(),
  reset: async () => undefined,
});

indexEngineSuite('lmdb', {
  open: () => openLmdbNames({ folder: folder(), work }),
  reset: async () => {
    folders += 1;
  },
});

const setting = (name: string) => firstSetting(name, 1000);

test('lmdb: near a full disk names are refused but can be removed, and it recovers without a restart', async () => {
  folders += 1;
  let free = 1001;
  await using engine = await openLmdbNames({ folder: folder(), work, freeBytes: async () => free, reserveBytes: 1000 });
  expect(await engine.change(setting('a'))).toBe('done');
  free = 1000;
  const outcomes = [];
  for (let count = 0; count < 70; count += 1) {
    outcomes.push(await engine.change(setting(`n${count}`)).catch((error: { code: string }) => error.code));
  }
  expect(outcomes.slice(-6)).toEqual(new Array(6).fill('insufficient_storage'));
  const head = (await engine.head('a'))!;
  const removing = { ...setting('a'), expectedVersion: 1, head: { ...head, removed: true } };
  expect(await engine.change(removing)).toBe('done');
  expect(engine.failure).toBeUndefined();
  free = 1001;
  expect(await engine.change(setting('b'))).toBe('done');
});

test('lmdb: what was acknowledged is there when the file is opened again, and only its owner can read it', async () => {
  folders += 1;
  const change = setting('a');
  {
    await using engine = await openLmdbNames({ folder: folder(), work });
    expect(await engine.change(change)).toBe('done');
  }
  await using engine = await openLmdbNames({ folder: folder(), work });
  expect(engine.durability).toBe('fsync');
  expect(await engine.head('a')).toEqual(change.head);
  expect((await stat(join(folder(), 'data.mdb'))).mode & 0o077).toBe(0);
});

test('lmdb: a flipped bit in a stored record is damage, never another address, and leaves the other names alone', async () => {
  folders += 1;
  {
    await using engine = await openLmdbNames({ folder: folder(), work });
    for (const name of ['a', 'b']) expect(await engine.change(setting(name))).toBe('done');
  }
  const file = join(folder(), 'data.mdb');
  const bytes = await readFile(file);
  // Every copy of the record of `a`: LMDB keeps pages of earlier transactions.
  for (let at = bytes.indexOf('"name":"a"'); at >= 0; at = bytes.indexOf('"name":"a"', at + 1)) {
    const digit = bytes.indexOf('b3:', at) + 10;
    bytes[digit] = bytes[digit]! ^ 1;
  }
  await writeFile(file, bytes);
  await using engine = await openLmdbNames({ folder: folder(), work });
  const damaged = { code: 'integrity' };
  expect(() => engine.head('a')).toThrow(expect.objectContaining(damaged));
  expect(() => engine.history('a', 9, 9)).toThrow(expect.objectContaining(damaged));
  expect(() => engine.list('', undefined, 9)).toThrow(expect.objectContaining(damaged));
  expect(() => engine.versions(undefined, 9)).toThrow(expect.objectContaining(damaged));
  await expect(engine.change({ ...setting('a'), expectedVersion: 1 })).rejects.toMatchObject(damaged);
  expect(engine.failure).toBeUndefined();
  expect(await engine.head('b')).toEqual(setting('b').head);
  expect(await engine.change(setting('c'))).toBe('done');
});
