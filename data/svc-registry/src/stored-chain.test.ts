import { createRamTable } from '@ron/journal';
import { verifyWithNode } from '@ron/policy';
import type { SnapshotHead } from '@ron/proto/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { headKey, idKey, type RegistryRow, registryTableLimits, snapshotKey } from './rows.ts';
import { checkStoredChain } from './stored-chain.ts';
import { ann, type Bed, bob, startRegistry } from './testing/test-bed.ts';
import { nextOf, signedBy } from './testing/test-signer.ts';

let bed: Bed;
beforeAll(async () => {
  bed = await startRegistry();
  for (const id of ['node/two', 'node/three']) await bed.change([{ set: { id, kind: 'micronode' } }]);
});
afterAll(() => bed[Symbol.asyncDispose]());

/** The rows of three snapshots, with these in place of theirs. */
async function check(changed: Readonly<Record<string, RegistryRow | undefined>>): Promise<void> {
  const table = createRamTable<RegistryRow>(registryTableLimits);
  const rows = new Map<string, RegistryRow | undefined>(bed.table.entries());
  for (const [key, row] of Object.entries(changed)) rows.set(key, row);
  await table.transact(() => ({ changes: [...rows], result: undefined }));
  checkStoredChain({ table, blake3: bed.blake3, verify: verifyWithNode });
}

test('a store as it was left holds, also without the snapshots that are not kept any more', async () => {
  await check({});
  await check({ [snapshotKey(2)]: undefined });
});

test('a snapshot that was lost with its id, changed, exchanged or is not the head stops the start', async () => {
  const first = bed.first;
  const forged = nextOf(first, bed.blake3, { issued_at: first.issued_at + 1 });
  const [text, id] = [signedBy(forged, ann, bob), bed.idOf(forged)];
  const head = bed.table.get(headKey) as SnapshotHead;
  const newest = await bed.held();
  const cases: readonly Readonly<Record<string, RegistryRow | undefined>>[] = [
    { [snapshotKey(2)]: undefined, [idKey(2)]: undefined },
    { [snapshotKey(2)]: text },
    { [snapshotKey(2)]: text, [idKey(2)]: id },
    { [snapshotKey(3)]: undefined },
    { [headKey]: { ...head, id } },
    { [headKey]: { ...head, version: 2 } },
    // Signed by too few: the bytes, and so the id, are those that were committed.
    { [snapshotKey(3)]: signedBy(newest, ann) },
  ];
  for (const [index, changed] of cases.entries()) {
    await expect(check(changed), `case ${index}`).rejects.toThrow(/does not hold|too few/);
  }
});
