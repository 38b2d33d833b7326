import { expect, test } from 'vitest';
import { createRamStore } from './ram-store.ts';

test('a log in memory takes as many leaves as it may hold hashes of, and not one more', async () => {
  await using store = createRamStore(10);
  const entries = (count: number) => Array.from({ length: count }, () => new Uint8Array(1));
  await store.append(0, entries(9), false);
  await store.append(9, entries(1), false);
  await expect(store.append(10, entries(1), true)).rejects.toMatchObject({ name: 'StoreError', reason: 'full' });
  await store.makeRoom(1);
});
