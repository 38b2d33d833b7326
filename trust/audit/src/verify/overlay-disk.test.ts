import { createSimEnv } from '@ron/kernel/sim';
import { expect, test } from 'vitest';
import { bytesOf, filesOf, putBytes } from '../testing/fixture.ts';
import { createOverlayDisk } from './overlay-disk.ts';

test('what is made, written, renamed and removed is seen through it, and the disk below stays as it was', async () => {
  const { disk } = createSimEnv({ seed: 1 });
  await disk.makeDirectory('log/sub');
  for (const name of ['a', 'b', 'sub/c']) await putBytes(disk, `log/${name}`, Uint8Array.of(1, 2, 3));
  const before = await filesOf(disk, 'log');
  const overlay = createOverlayDisk(disk);
  await overlay.makeDirectory('log/other');
  await overlay.syncDirectory('log');
  {
    await using file = await overlay.open('log/new', 'create');
    await file.write([Uint8Array.of(7), Uint8Array.of(8)], 1);
    await file.preallocate(5);
    await file.sync();
  }
  expect(await bytesOf(overlay, 'log/new')).toEqual(Uint8Array.of(0, 7, 8, 0, 0));
  await expect(overlay.open('log/new', 'create')).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(overlay.open('log/a', 'create')).rejects.toMatchObject({ code: 'EEXIST' });
  {
    await using file = await overlay.open('log/a', 'readwrite');
    await file.truncate(1);
    await file.write([Uint8Array.of(9)], 0);
  }
  await overlay.rename('log/new', 'log/renamed');
  await overlay.remove('log/b');
  expect([await overlay.stat('log/b'), await overlay.stat('log/new')]).toEqual([undefined, undefined]);
  await expect(overlay.open('log/b', 'read')).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await overlay.stat('log/renamed')).toEqual({ kind: 'file', sizeBytes: 5 });
  expect((await overlay.list('log')).toSorted()).toEqual(['a', 'renamed', 'sub']);
  expect(await overlay.list('log/sub')).toEqual(['c']);
  expect(await bytesOf(overlay, 'log/a')).toEqual(Uint8Array.of(9));
  expect(await overlay.freeBytes()).toBe(await disk.freeBytes());
  expect(await filesOf(disk, 'log')).toEqual(before);
});
