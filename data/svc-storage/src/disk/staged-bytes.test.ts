import type { Disk, File } from '@ron/kernel';
import { createInlineWork } from '@ron/kernel/real';
import { expect, it } from 'vitest';
import { PiecePool, pieceBytes } from '../piece-pool.ts';
import { StagedBytes } from './staged-bytes.ts';
import { content } from './testing/engine-harness.ts';

const bytes = content(4 * pieceBytes);

/** Turns of the promises that lie between a call and the file. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

function bed() {
  const held: (() => void)[] = [];
  const safe: number[] = [];
  let syncFails = false;
  const file = {
    write: () => new Promise<void>((resolve) => held.push(resolve)),
    sync: async () => {
      if (syncFails) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    },
    close: async () => undefined,
  } as unknown as File;
  const disk = { open: async () => file } as unknown as Disk;
  const onSafe = async (count: number) => void safe.push(count);
  const parts = { disk, work: createInlineWork(), pool: new PiecePool(4), syncEveryBytes: pieceBytes, onSafe };
  const staged = new StagedBytes(parts, 'x', bytes.byteLength, 0);
  const failSyncs = () => {
    syncFails = true;
  };
  return { staged, held, safe, failSyncs };
}

it('a sync beside the writes vouches only for those that had ended before it began', async () => {
  const { staged, held, safe } = bed();
  await staged.write(0, bytes.subarray(0, pieceBytes + 1));
  await settle();
  expect(staged.contiguousBytes).toBe(pieceBytes + 1);
  // The first piece is still being written when the sync returns.
  expect(safe).toEqual([]);
  held.shift()!();
  await settle();
  await staged.write(pieceBytes + 1, bytes.subarray(pieceBytes + 1, 2 * pieceBytes + 1));
  await settle();
  expect(safe).toEqual([pieceBytes]);
});

it('after a failed sync only what an earlier one covered is said to be there', async () => {
  const { staged, held, failSyncs } = bed();
  for (let piece = 0; piece < 2; piece += 1) {
    await staged.write(piece * pieceBytes, bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes));
    await settle();
    held.shift()?.();
    await settle();
  }
  failSyncs();
  const syncing = staged.sync();
  const failed = expect(syncing).rejects.toThrow('EIO');
  await settle();
  held.shift()?.();
  await failed;
  expect(staged.contiguousBytes).toBeLessThanOrEqual(pieceBytes);
});
