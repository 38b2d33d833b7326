import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { start, stopAll } from './disk/testing/engine-harness.ts';
import { call, sample, startStorage } from './test-bed.ts';

const roots: string[] = [];

afterEach(async () => {
  await stopAll();
  for (const root of roots.splice(0)) fs.rmSync(root, { recursive: true });
});

test('objects, bytes and what the journal wrote are told without labels', async () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'meters-'));
  roots.push(root);
  const { engine } = await start(root);
  await using bed = await startStorage({ blobs: engine });
  const value = async (name: string) => {
    const line = (await bed.metrics.exposition()).split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1));
  };
  expect(await value('journal_syncs_total')).toBe(0);
  for (let seed = 1; seed <= 3; seed += 1) await bed.handlers.put({}, call({ body: sample(1_000, seed) }));
  expect(await value('storage_objects')).toBe(3);
  expect(await value('storage_bytes')).toBe(3_000);
  expect(await value('journal_syncs_total')).toBe(3);
  const bytes = await value('journal_bytes_total');
  expect(bytes).toBeGreaterThan(3_000);
  await Promise.all([4, 5, 6, 7].map((seed) => bed.handlers.put({}, call({ body: sample(1_000, seed) }))));
  expect(await value('journal_syncs_total')).toBeLessThanOrEqual(5);
  expect(await value('journal_bytes_total')).toBeGreaterThan(bytes + 4_000);
  expect(await value('integrity_fail_total')).toBe(0);
});

test('a node in memory has no journal to tell of', async () => {
  await using bed = await startStorage();
  expect(await bed.metrics.exposition()).not.toContain('journal_');
});
