import { cp, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { layers } from '../layers.ts';
import { bundleFiles, isStale, sources } from './bundle.ts';

let root = '';
const source = 'core/kernel/src/a.ts';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ron-build-'));
  for (const folder of [...sources, 'core/kernel/src', ...bundleFiles.map((file) => dirname(file))]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await writeFile(join(root, 'package-lock.json'), '{}');
  await writeFile(join(root, source), '');
});
afterEach(() => rm(root, { recursive: true }));

async function at(path: string, seconds: number): Promise<void> {
  await utimes(join(root, path), seconds, seconds);
}

test('no bundle is stale, a newer one is not, and a newer source or lock file makes it stale', async () => {
  await at('package-lock.json', 100);
  await at(source, 100);
  expect(await isStale(root)).toBe(true);
  for (const file of bundleFiles) {
    expect(await isStale(root)).toBe(true);
    await writeFile(join(root, file), '');
    await at(file, 200);
  }
  expect(await isStale(root)).toBe(false);
  await at(source, 300);
  expect(await isStale(root)).toBe(true);
  await at(source, 100);
  await at('package-lock.json', 300);
  expect(await isStale(root)).toBe(true);
});

test('every layer that a profile stands on is looked at', () => {
  const { level } = layers.find(({ folder }) => folder === 'profiles')!;
  const below = layers.filter((layer) => layer.level < level).map(({ folder }) => folder);
  expect([...sources].sort()).toEqual([...below, 'profiles'].sort());
});

test('tests and build output do not count', async () => {
  for (const file of bundleFiles) {
    await writeFile(join(root, file), '');
    await at(file, 200);
  }
  await at('package-lock.json', 100);
  await at(source, 100);
  await cp(join(root, source), join(root, 'core/kernel/src/a.test.ts'));
  await cp(join(root, source), join(root, 'profiles/micronode/dist/bundle/b.ts'));
  expect(await isStale(root)).toBe(false);
});
