import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Disk } from '../env/disk.ts';
import { createNoDisk, createRealDisk } from './disk.ts';
import { lockFileName } from './disk-lock.ts';

let root: string;
let disk: Disk;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-disk-'));
  disk = createRealDisk(path.join(root, 'data'));
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

test('symbolic links are never followed, neither at the end of a path nor on the way', async () => {
  const outside = path.join(root, 'outside');
  fs.mkdirSync(outside);
  fs.writeFileSync(path.join(outside, 'secret'), 'secret');
  fs.symlinkSync(outside, path.join(root, 'data/folder'));
  fs.symlinkSync(path.join(outside, 'secret'), path.join(root, 'data/file'));
  fs.symlinkSync(path.join(outside, 'new'), path.join(root, 'data/dangling'));
  for (const [name, mode] of [
    ['file', 'read'],
    ['file', 'readwrite'],
    ['folder/secret', 'read'],
    ['folder/new', 'create'],
  ] as const) {
    await expect(disk.open(name, mode)).rejects.toMatchObject({ code: 'ELOOP' });
  }
  await expect(disk.open('dangling', 'create')).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(disk.list('folder')).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(disk.makeDirectory('folder/sub')).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(disk.rename('folder/secret', 'mine')).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(disk.remove('folder/secret')).rejects.toMatchObject({ code: 'ELOOP' });
  await expect(disk.lock('folder')).rejects.toMatchObject({ code: 'ELOOP' });
  expect(await disk.stat('folder')).toEqual({ kind: 'other', sizeBytes: 0 });
  await disk.remove('folder');
  expect(fs.readdirSync(outside)).toEqual(['secret']);
});

test('files are 0600, folders 0700, and what is no regular file is refused', async () => {
  await disk.makeDirectory('a/b');
  await (await disk.open('a/b/c', 'create')).close();
  expect(fs.statSync(path.join(root, 'data/a')).mode & 0o777).toBe(0o700);
  expect(fs.statSync(path.join(root, 'data/a/b/c')).mode & 0o777).toBe(0o600);
  await expect(createRealDisk('/dev').open('null', 'read')).rejects.toMatchObject({ code: 'EINVAL' });
});

test('a full device is reported, not swallowed', async () => {
  // A file limit makes the system write less than asked without an error, like a disk that fills up.
  const script = `
    import { createRealDisk } from ${JSON.stringify(path.join(import.meta.dirname, 'disk.ts'))};
    process.on('SIGXFSZ', () => undefined);
    const file = await createRealDisk(process.argv[1]).open('big', 'create');
    await file.write([new Uint8Array(100_000)], 0).catch((error) => console.log(error.code));
    await file.close();
  `;
  fs.writeFileSync(path.join(root, 'script.mjs'), script);
  const child = spawn('sh', [
    '-c',
    `ulimit -f 64; exec "${process.execPath}" --input-type=module -e "$0" "$1"`,
    script,
    root,
  ]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (bytes) => {
    said += bytes;
  });
  await once(child, 'close');
  expect(said.trim()).toMatch(/^(ENOSPC|EFBIG)$/);
  expect(fs.statSync(path.join(root, 'big')).size).toBeLessThan(100_000);
});

test('closing waits for reads that run: their descriptor is not given away under them', async () => {
  fs.writeFileSync(path.join(root, 'data/a'), new Uint8Array(8 * 1024 * 1024).fill(1));
  fs.writeFileSync(path.join(root, 'data/b'), new Uint8Array(8 * 1024 * 1024).fill(2));
  for (let round = 0; round < 10; round++) {
    const a = await disk.open('a', 'read');
    const into = new Uint8Array(8 * 1024 * 1024);
    const reading = a.read(into, 0);
    const closing = a.close();
    const b = await disk.open('b', 'read');
    expect(await reading).toBe(into.byteLength);
    expect(into.every((byte) => byte === 1)).toBe(true);
    await closing;
    await b.close();
  }
});

const holderScript = (folder: string) => `
  import { createRealDisk } from ${JSON.stringify(path.join(import.meta.dirname, 'disk.ts'))};
  await createRealDisk(${JSON.stringify(folder)}).lock('');
  console.log('held');
  setInterval(() => undefined, 1000);
`;

test('another live process keeps the lock; when it is killed the lock is free', async () => {
  const data = path.join(root, 'data');
  const child = spawn(process.execPath, ['--input-type=module', '-e', holderScript(data)]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await expect(disk.lock('')).rejects.toMatchObject({ code: 'EBUSY' });
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(fs.existsSync(path.join(data, lockFileName))).toBe(true);
  await (await disk.lock(''))[Symbol.asyncDispose]();
  expect(fs.readdirSync(data)).toEqual([]);
});

test('a pid that was given out again, an earlier start of the machine, a torn lock file: none of them holds', async () => {
  const lock = path.join(root, 'data', lockFileName);
  for (const text of [
    `{"pid":${process.pid},"started":"1"}`,
    `{"pid":${process.pid},"boot":"earlier"}`,
    '',
    '{"pid":',
    'null',
  ]) {
    fs.writeFileSync(lock, text);
    await (await disk.lock(''))[Symbol.asyncDispose]();
  }
  fs.writeFileSync(lock, `{"pid":${process.pid}}`);
  await expect(disk.lock('')).rejects.toMatchObject({ code: 'EBUSY' });
});

test('of many that find a dead holder one gets the lock', async () => {
  fs.writeFileSync(path.join(root, 'data', lockFileName), '{"pid":999999999}');
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => disk.lock('')));
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
});

test('without a root every call says that nothing is kept', async () => {
  const none = createNoDisk();
  for (const call of [
    none.open('a', 'create'),
    none.list(''),
    none.stat('a'),
    none.makeDirectory('a'),
    none.freeBytes(),
  ]) {
    await expect(call).rejects.toMatchObject({ code: 'ENODISK' });
  }
});
