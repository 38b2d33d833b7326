import { Frontier, inclusionProof, verifyInclusion } from '@ron/tlog';
import { expect, test } from 'vitest';
import { treeHasher } from './hashing.ts';
import { verifyLog } from './index.ts';
import { LogTree } from './log-tree.ts';
import { bytesOf, createWorld, entryOf, filesOf, openLog, putBytes } from './testing/fixture.ts';

const leafOf = (at: number) => treeHasher.leaf(new TextEncoder().encode(String(at)));

test('a tree of three levels of tiles is restored from its tiles, whichever upper ones are missing', async () => {
  const size = 65_536 + 3 * 256;
  const stored = new Map<string, Uint8Array>();
  const readTile = async (level: number, number: number) => stored.get(`${level}/${number}`);
  const tree = new LogTree(readTile);
  const frontier = new Frontier(treeHasher);
  for (let at = 0; at < size; at += 1) {
    const leaf = leafOf(at);
    tree.append(leaf);
    frontier.append(leaf);
  }
  const tiles = tree.unstored(size);
  expect(tiles.filter(({ level }) => level === 1).map(({ number }) => number)).toEqual([0]);
  for (const { level, number, bytes } of tiles) stored.set(`${level}/${number}`, bytes);
  tree.stored(tiles);
  expect(tree.unstored(size)).toEqual([]);
  const root = frontier.root();
  for (const gone of [[], ['1/0']]) {
    for (const key of gone) stored.delete(key);
    const again = await LogTree.restore(readTile, size / 256);
    expect([again.size, again.root()]).toEqual([size, root]);
    expect(again.unstored(size).map(({ level, number }) => `${level}/${number}`)).toEqual(gone.toSorted());
    for (const index of [0, 65_535, 65_536, size - 1]) {
      const proof = await inclusionProof(index, size, again.hashes);
      expect(verifyInclusion({ index, size, leafHash: leafOf(index), proof, root })).toBe(true);
    }
  }
  stored.delete('0/258');
  await expect(LogTree.restore(readTile, size / 256)).rejects.toMatchObject({ code: 'integrity' });
});

test('a changed upper tile is found, and a missing last one made again', async () => {
  const { env, kms } = createWorld(30);
  const log = await openLog(env, kms, { segmentBytes: 4 * 1024 * 1024, preallocateBytes: 1024 * 1024 });
  for (let at = 0; at < 66_000; at += 6_000) {
    await Promise.all(Array.from({ length: 6_000 }, (_, more) => log.record(entryOf(at + more))));
  }
  const keys = log.signer.keys();
  const text = await (await log.record(entryOf(1))).proof();
  expect(text.length).toBeLessThan(8_192);
  await log[Symbol.asyncDispose]();
  const path = 'audit/tile/1/000';
  const bytes = await bytesOf(env.disk, path);
  const check = () => verifyLog({ kind: 'folder', disk: env.disk, folder: 'audit' }, { keys });
  const flipped = bytes.slice();
  flipped[3 * 32 + 1] = (flipped[3 * 32 + 1] as number) ^ 4;
  await putBytes(env.disk, path, flipped);
  expect((await check()).findings).toMatchObject([{ kind: 'edited', index: 768, to: 1_024 }]);
  await putBytes(env.disk, path, undefined);
  expect(await check()).toMatchObject({ ok: true, size: 66_001, warnings: [{ kind: 'unfinished', index: 0 }] });
  const again = await openLog(env, kms);
  expect([again.failure, again.size]).toEqual([undefined, 66_001]);
  await Promise.all(Array.from({ length: 256 }, () => again.record(entryOf(1))));
  await again[Symbol.asyncDispose]();
  expect((await filesOf(env.disk, 'audit/tile/1')).get(path)).toEqual(bytes);
});
