import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createRealDisk } from '../real/disk.ts';
import { createSimEnv } from '../sim/world.ts';
import type { Disk } from './disk.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});

function realDisk(): Disk {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-disk-'));
  folders.push(folder);
  return createRealDisk(folder);
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function contentOf(disk: Disk, name: string): Promise<string> {
  await using file = await disk.open(name, 'read');
  const into = new Uint8Array(await file.size());
  expect(await file.read(into, 0)).toBe(into.byteLength);
  return new TextDecoder().decode(into);
}

async function put(disk: Disk, name: string, text: string): Promise<void> {
  await using file = await disk.open(name, 'create');
  await file.write([bytes(text)], 0);
  await file.sync();
}

/** What every disk promises: `Disk` and `File` of this folder, line by line. */
describe.each<[string, () => Disk]>([
  ['real', realDisk],
  ['simulated', () => createSimEnv({ seed: 'disk compliance' }).disk],
])('%s disk', (_name, make) => {
  test('pieces are written in a row and read back, synchronously or not', async () => {
    const disk = make();
    await using file = await disk.open('a', 'create');
    await file.write([bytes('one '), new Uint8Array(0), bytes('two '), bytes('three')], 0);
    await file.write([bytes('TWO')], 4);
    const into = new Uint8Array(13);
    expect(file.readSync(into, 0)).toBe(13);
    expect(new TextDecoder().decode(into)).toBe('one TWO three');
    expect(await file.read(into, 8)).toBe(5);
    expect(file.readSync(into, 10)).toBe(3);
    expect(file.readSync(into, 13)).toBe(0);
    expect(await file.read(into, 1000)).toBe(0);
    expect(await file.size()).toBe(13);
  });

  test('more pieces than one system call takes', async () => {
    const disk = make();
    await using file = await disk.open('a', 'create');
    await file.write(
      Array.from({ length: 2500 }, (_, i) => bytes(String(i % 10))),
      0,
    );
    expect(await file.size()).toBe(2500);
    const into = new Uint8Array(3);
    file.readSync(into, 2497);
    expect(new TextDecoder().decode(into)).toBe('789');
  });

  test('open: create wants nothing there, the others want something', async () => {
    const disk = make();
    await put(disk, 'a', 'x');
    await expect(disk.open('a', 'create')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.open('b', 'read')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.open('b', 'readwrite')).rejects.toMatchObject({ code: 'ENOENT' });
    await disk.makeDirectory('d');
    await expect(disk.open('d', 'read')).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(disk.open('a/b', 'read')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(disk.open('none/b', 'create')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a file opened to read refuses writes; a closed one refuses everything; closing twice is fine', async () => {
    const disk = make();
    await put(disk, 'a', 'x');
    const file = await disk.open('a', 'read');
    await expect(file.write([bytes('y')], 0)).rejects.toMatchObject({ code: 'EBADF' });
    await file.close();
    await file.close();
    await expect(file.size()).rejects.toMatchObject({ code: 'EBADF' });
    expect(() => file.readSync(new Uint8Array(1), 0)).toThrow('EBADF');
  });

  test('truncate cuts and grows with zeros; preallocate only grows', async () => {
    const disk = make();
    await using file = await disk.open('a', 'create');
    await file.write([bytes('abcdef')], 0);
    await file.truncate(3);
    await file.truncate(5);
    await file.preallocate(2);
    expect(await file.size()).toBe(5);
    await file.preallocate(8);
    await file.write([bytes('z')], 9);
    const into = new Uint8Array(10);
    expect(file.readSync(into, 0)).toBe(10);
    expect([...into]).toEqual([97, 98, 99, 0, 0, 0, 0, 0, 0, 122]);
  });

  test('list and stat', async () => {
    const disk = make();
    await disk.makeDirectory('d/e');
    await disk.makeDirectory('d/e');
    await put(disk, 'd/f', 'four');
    expect([...(await disk.list('d'))].sort()).toEqual(['e', 'f']);
    expect(await disk.list('none')).toEqual([]);
    expect(await disk.list('')).toEqual(['d']);
    await expect(disk.list('d/f')).rejects.toMatchObject({ code: 'ENOTDIR' });
    expect(await disk.stat('d/f')).toEqual({ kind: 'file', sizeBytes: 4, mode: 0o600 });
    expect(await disk.stat('d')).toEqual({ kind: 'directory', sizeBytes: 0 });
    expect(await disk.stat('none')).toBeUndefined();
  });

  test('rename replaces; an open file keeps its bytes', async () => {
    const disk = make();
    await put(disk, 'old', 'old');
    await put(disk, 'new', 'new');
    await using reader = await disk.open('old', 'read');
    await disk.rename('new', 'old');
    await disk.syncDirectory('.');
    expect(await contentOf(disk, 'old')).toBe('new');
    expect(await disk.stat('new')).toBeUndefined();
    const into = new Uint8Array(3);
    reader.readSync(into, 0);
    expect(new TextDecoder().decode(into)).toBe('old');
    await expect(disk.rename('none', 'x')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('remove: files, empty folders, nothing; not full folders, not the root', async () => {
    const disk = make();
    await disk.makeDirectory('d');
    await put(disk, 'd/f', 'x');
    await expect(disk.remove('d')).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    await disk.remove('d/f');
    await disk.remove('d');
    await disk.remove('d');
    expect(await disk.list('')).toEqual([]);
    await expect(disk.remove('')).rejects.toMatchObject({ code: 'EINVAL' });
  });

  test.each(['../a', 'a/../../b', '/etc/passwd', 'a//b', './a', 'a\0b', 'a\\b', 'a/'])(
    'the path %j is refused',
    async (bad) => {
      const disk = make();
      await expect(disk.open(bad, 'create')).rejects.toMatchObject({ code: 'EINVAL' });
      await expect(disk.rename('a', bad)).rejects.toMatchObject({ code: 'EINVAL' });
      await expect(disk.makeDirectory(bad)).rejects.toMatchObject({ code: 'EINVAL' });
      await expect(disk.list(bad)).rejects.toMatchObject({ code: 'EINVAL' });
      await expect(disk.stat(bad)).rejects.toMatchObject({ code: 'EINVAL' });
    },
  );

  test('a folder is locked once, and free again after the release', async () => {
    const disk = make();
    await disk.makeDirectory('d');
    {
      await using _held = await disk.lock('d');
      await expect(disk.lock('d')).rejects.toMatchObject({ code: 'EBUSY' });
    }
    await using again = await disk.lock('d');
    expect(again).toBeDefined();
  });

  test('free space is told', async () => {
    expect(await make().freeBytes()).toBeGreaterThan(0);
  });
});
