import { mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInlineWork, createRealDisk } from '@ron/kernel/real';
import { IndexFileError, openLmdbNames } from '@ron/svc-index/service';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const work = createInlineWork();
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ron-index-files-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const at = (name: string) => join(root, 'names', name);
const open = () =>
  openLmdbNames({ folder: join(root, 'names'), files: { disk: createRealDisk(root), folder: 'names' }, work });

/** Opens an index with one name in it. */
async function fill(): Promise<void> {
  await using engine = await open();
  const address = `b3:${'0'.repeat(64)}`;
  const record = { name: 'a', address, version: 1, prev: null, updated_at: 1, owner: 'o', signature: 's' };
  await engine.change({
    expectedVersion: 0,
    expectedRemoved: false,
    head: { record, removed: false },
    versionsMax: 9,
    namesMax: 9,
  });
}

const refusal = () =>
  open().then(
    () => undefined,
    (error: unknown) => error,
  );

test('what LMDB made itself is opened: nothing, an empty file, names', async () => {
  await mkdir(join(root, 'names'));
  await writeFile(at('data.mdb'), '');
  await fill();
  await using engine = await open();
  expect(await engine.size()).toBe(1);
});

describe('a link is not followed', () => {
  test.each(['data.mdb', 'lock.mdb'])('in the place of %s', async (name) => {
    await fill();
    const victim = join(root, 'victim');
    await writeFile(victim, 'not of the node');
    await rm(at(name));
    await symlink(victim, at(name));
    expect(await refusal()).toBeInstanceOf(IndexFileError);
    expect(await readFile(victim, 'utf8')).toBe('not of the node');
  });

  test('to nothing: nothing is made there', async () => {
    await mkdir(join(root, 'names'));
    await symlink(join(root, 'victim'), at('lock.mdb'));
    expect(await refusal()).toBeInstanceOf(IndexFileError);
    await expect(stat(join(root, 'victim'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('in the place of the folder', async () => {
    await fill();
    await mkdir(join(root, 'elsewhere'));
    await rm(join(root, 'names'), { recursive: true });
    await symlink(join(root, 'elsewhere'), join(root, 'names'));
    expect(await refusal()).toBeInstanceOf(IndexFileError);
  });
});

describe('a file that would end the process with a signal is refused', () => {
  test.each([1, 15, 143, 144, 4_095, 4_096, 8_191])('cut to %i bytes', async (bytes) => {
    await fill();
    await truncate(at('data.mdb'), bytes);
    expect(await refusal()).toBeInstanceOf(IndexFileError);
  });

  test('cut before the roots of its trees', async () => {
    await fill();
    await truncate(at('data.mdb'), 2 * 4_096);
    expect(await refusal()).toBeInstanceOf(IndexFileError);
  });

  test.each([
    ['its magic', 24],
    ['its version', 28],
    ['its page size', 49],
    ['a root', 93],
    ['the magic of its second meta page', 4_096 + 24],
  ])('with a byte of %s turned over', async (_what, offset) => {
    await fill();
    const bytes = await readFile(at('data.mdb'));
    bytes[offset]! ^= 0x7f;
    await writeFile(at('data.mdb'), bytes);
    expect(await refusal()).toBeInstanceOf(IndexFileError);
  });

  test('of something else', async () => {
    await mkdir(join(root, 'names'));
    await writeFile(at('data.mdb'), 'text '.repeat(10_000));
    expect(await refusal()).toBeInstanceOf(IndexFileError);
  });
});
