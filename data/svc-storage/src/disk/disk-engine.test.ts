import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hashTree, verifyOutboard } from '@ron/b3';
import type { Disk } from '@ron/kernel';
import { type Address, addressFromHash } from '@ron/naming';
import { ResidentBody } from '@ron/proto/stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { BlobEngine } from '../engine.ts';
import { collect, content, folder, overriding, put, readAll, start, stop, stopAll } from './testing/engine-harness.ts';

const roots: string[] = [];

function newRoot(): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'disk-engine-'));
  roots.push(root);
  return root;
}

afterEach(async () => {
  await stopAll();
  for (const root of roots.splice(0)) fs.rmSync(root, { recursive: true });
});

function files(root: string, under: string): string[] {
  const base = path.join(root, folder, under);
  return fs
    .readdirSync(base, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

const KiB = 1024;
const sizes = [0, 1, 1000, 65_535, 65_536, 65_537, 131_072, 512 * KiB, 512 * KiB + 1, 1_500_000];

describe('objects', () => {
  it('come back whole and in ranges, also from another start', async () => {
    const root = newRoot();
    const first = await start(root);
    const stored = new Map<Address, Buffer>();
    for (const size of sizes) {
      const bytes = content(size, size + 1);
      const { object, stored: fresh } = await put(first.engine, bytes);
      expect(object.address).toBe(addressFromHash(hashTree(bytes).root));
      expect(fresh).toBe(true);
      stored.set(object.address, bytes);
    }
    const check = async (engine: BlobEngine) => {
      for (const [address, bytes] of stored) {
        expect((await readAll(engine, address)).equals(bytes)).toBe(true);
        for (const [from, to] of [
          [0.1, 0.9],
          [0.5, 0.51],
          [0.99, 1],
        ] as const) {
          const at = Math.floor(bytes.byteLength * from);
          const end = Math.floor(bytes.byteLength * to);
          expect((await collect(engine.read(address, at, end - at))).equals(bytes.subarray(at, end))).toBe(true);
        }
        verifyOutboard({ root: Buffer.from(address.slice(3), 'hex'), outboard: await engine.outboard(address), bytes });
      }
    };
    await check(first.engine);
    expect(first.engine.usage()).toMatchObject({
      objects: sizes.length,
      bytes: sizes.reduce((sum, size) => sum + size),
    });
    await stop(first.engine);
    const second = await start(root);
    await check(second.engine);
    expect(second.corrupt).toEqual([]);
    expect(second.engine.usage()).toMatchObject({ objects: sizes.length });
  });

  it('answers from memory without waiting once the bytes were verified', async () => {
    const root = newRoot();
    const { engine } = await start(root);
    const small = (await put(engine, content(1000))).object.address;
    const large = (await put(engine, content(300_000))).object.address;
    expect(engine.read(small, 10, 20)).toBeInstanceOf(ResidentBody);
    await readAll(engine, large);
    expect(engine.read(large, 0, 300_000)).toBeInstanceOf(ResidentBody);
    await stop(engine);
    const again = await start(root);
    expect(again.engine.read(small, 0, 1000)).toBeInstanceOf(ResidentBody);
  });

  it('are stored once, however many put them at the same time', async () => {
    const root = newRoot();
    const { engine } = await start(root);
    for (const size of [500, 200_000]) {
      const bytes = content(size);
      const results = await Promise.all(Array.from({ length: 8 }, () => put(engine, bytes)));
      expect(results.filter(({ stored }) => stored)).toHaveLength(1);
    }
    expect(engine.usage()).toMatchObject({ objects: 2, bytes: 200_500 });
    expect(files(root, 'objects')).toHaveLength(1);
    expect(files(root, 'temporary')).toHaveLength(0);
  });

  it('with another digest than announced leave nothing', async () => {
    const root = newRoot();
    const { engine } = await start(root);
    const other = addressFromHash(new Uint8Array(32));
    for (const size of [10, 200_000]) {
      await expect(put(engine, content(size), 10_000, other)).rejects.toMatchObject({ code: 'bad_digest' });
    }
    const writer = await engine.create(undefined);
    await writer.write(content(200_000));
    await writer.abort();
    expect(engine.usage()).toMatchObject({ objects: 0, bytes: 0 });
    expect([...files(root, 'objects'), ...files(root, 'temporary')]).toEqual([]);
  });

  it('keep state, pins and purges over a restart', async () => {
    const root = newRoot();
    const { engine } = await start(root);
    const [live, trash, gone] = await Promise.all(
      [100, 200_000, 300_000].map(async (size) => (await put(engine, content(size))).object.address),
    );
    await engine.setPin(live!, 'name:a', true);
    await engine.setPin(live!, 'name:b', true);
    await engine.setPin(live!, 'name:a', false);
    await engine.setState(trash!, 'trash', 77);
    await engine.setState(gone!, 'trash', 78);
    await expect(engine.purge(live!)).rejects.toMatchObject({ code: 'conflict' });
    const purging = engine.purge(gone!);
    expect(engine.stat(gone!)).toBeUndefined();
    await purging;
    await stop(engine);
    const again = (await start(root)).engine;
    expect(again.pins(live!)).toEqual(['name:b']);
    expect(again.stat(trash!)).toMatchObject({ state: 'trash', stateMs: 77 });
    expect(again.stat(gone!)).toBeUndefined();
    expect(() => again.read(gone!, 0, 1)).toThrow(expect.objectContaining({ code: 'not_found' }));
    expect(files(root, 'objects')).toHaveLength(1);
    expect(await put(again, content(200_000))).toMatchObject({ stored: true, object: { state: 'live' } });
    expect(await put(again, content(300_000))).toMatchObject({ stored: true });
    expect(again.usage()).toMatchObject({ objects: 3, trashObjects: 0, trashBytes: 0 });
  });
});

describe('limits', () => {
  it('refuses past the budgets, open writers included', async () => {
    const { engine } = await start(newRoot(), { bytesMax: 1000, objectsMax: 3, objectBytesMax: 900 });
    await expect(engine.create(901)).rejects.toMatchObject({ code: 'payload_too_large' });
    const held = await engine.create(600);
    await expect(engine.create(401)).rejects.toMatchObject({ code: 'insufficient_storage' });
    const growing = await engine.create(undefined);
    await expect(growing.write(content(401))).rejects.toMatchObject({ code: 'insufficient_storage' });
    await growing.abort();
    await held.abort();
    for (const seed of [1, 2, 3]) await put(engine, content(10, seed));
    await expect(engine.create(1)).rejects.toMatchObject({ code: 'insufficient_storage' });
    expect(engine.usage()).toMatchObject({ bytes: 30, objects: 3 });
  });

  it('keeps the reserve of the file system', async () => {
    let free = 10_000_000;
    const wrap = (disk: Disk): Disk => overriding(disk, { freeBytes: async () => free });
    const { engine } = await start(newRoot(), { reserveBytes: 1_000_000 }, wrap);
    const { object } = await put(engine, content(100));
    free = 1_000_000;
    const writer = await engine.create(undefined);
    const fill = async () => {
      for (let index = 0; index < 200; index++) await writer.write(content(100_000, index));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'insufficient_storage' });
    await writer.abort();
    expect(engine.gates()).toContainEqual(expect.objectContaining({ gate: 'blob_space', ok: false }));
    await engine.setState(object.address, 'trash', 1);
    await engine.purge(object.address);
    expect(engine.usage().objects).toBe(0);
  });

  it('belongs to one process', async () => {
    const root = newRoot();
    await start(root);
    await expect(start(root)).rejects.toThrow(/in use by another process/);
  });

  it('refuses links in its folder', async () => {
    const root = newRoot();
    fs.mkdirSync(path.join(root, 'elsewhere'));
    fs.mkdirSync(path.join(root, folder));
    fs.symlinkSync(path.join(root, 'elsewhere'), path.join(root, folder, 'objects'));
    await expect(start(root)).rejects.toThrow(/link/);
  });
});

describe('uploads', () => {
  const id = 'ab'.repeat(16);
  const meta = { tenant: 't', createdMs: 1, expiresMs: 2 };

  it('go on after a restart and become objects without a copy', async () => {
    const root = newRoot();
    const first = (await start(root)).engine;
    const bytes = content(400_000);
    const staging = await first.stagings.create(id, bytes.byteLength, meta);
    await staging.write(0, bytes.subarray(0, 150_000));
    await staging.sync();
    await staging.write(150_000, bytes.subarray(150_000, 200_000));
    await expect(staging.commit(undefined)).rejects.toMatchObject({ code: 'conflict' });
    await stop(first);
    const second = (await start(root)).engine;
    expect(await second.stagings.list()).toEqual([id]);
    expect(second.usage().bytes).toBe(400_000);
    const again = await second.stagings.open(id);
    expect(again).toMatchObject({ id, sizeBytes: 400_000, contiguousBytes: 150_000, meta });
    await again!.write(150_000, bytes.subarray(150_000));
    expect(again!.contiguousBytes).toBe(400_000);
    const { object, stored } = await again!.commit(addressFromHash(hashTree(bytes).root));
    expect(stored).toBe(true);
    expect((await readAll(second, object.address)).equals(bytes)).toBe(true);
    expect(await second.stagings.open(id)).toBeUndefined();
    expect(files(root, 'stagings')).toEqual([]);
    expect(second.usage().bytes).toBe(400_000);
  });

  it('take pieces in any order, keep the outboard, and refuse wrong bytes', async () => {
    const root = newRoot();
    const { engine } = await start(root);
    const bytes = content(200_000);
    const { root: hash, outboard } = hashTree(bytes);
    const address = addressFromHash(hash);
    const staging = await engine.stagings.create(id, bytes.byteLength, { ...meta, address, outboard });
    await staging.write(131_072, bytes.subarray(131_072));
    expect(staging.contiguousBytes).toBe(0);
    await staging.write(0, bytes.subarray(0, 131_072));
    expect(staging.contiguousBytes).toBe(200_000);
    expect((await engine.stagings.open(id))?.meta.outboard).toEqual(outboard);
    expect(Buffer.from(await staging.read(1000, 2000)).equals(bytes.subarray(1000, 3000))).toBe(true);
    const other = addressFromHash(new Uint8Array(32));
    await expect(staging.commit(other)).rejects.toMatchObject({ code: 'bad_digest' });
    expect(await staging.commit(address)).toMatchObject({ stored: true, object: { address } });
    const small = await engine.stagings.create('cd'.repeat(16), 10, meta);
    await small.write(0, content(10));
    expect(await small.commit(undefined)).toMatchObject({ stored: true });
    const removed = await engine.stagings.create(id, 10, meta);
    await removed.remove();
    expect(await engine.stagings.list()).toEqual([]);
    expect(engine.usage()).toMatchObject({ objects: 2, bytes: 200_010 });
  });
});

describe('objects of a few groups in the journal', () => {
  const sizes = [65_536, 65_537, 524_288, 524_289, 1_048_575, 1_048_576];

  it.each(sizes)('%i bytes are there after a restart, with their tree, and any part of them', async (size) => {
    const root = newRoot();
    const config = { journalBytesMax: 2 ** 20, hotBytesMax: 1 };
    const first = (await start(root, config)).engine;
    const bytes = content(size);
    // Pieces of a network are Buffers, whose memory is somebody else's afterwards.
    const wire = Buffer.from(bytes);
    await using writer = await first.create(undefined);
    for (let at = 0; at < size; at += 99_991) {
      const piece = Buffer.from(wire.subarray(at, at + 99_991));
      await writer.write(piece);
      piece.fill(0);
    }
    const { object } = await writer.commit(undefined);
    expect(files(root, 'objects')).toEqual([]);
    await stop(first);
    const { engine } = await start(root, config);
    expect((await readAll(engine, object.address)).equals(bytes)).toBe(true);
    const { root: hash, outboard } = hashTree(bytes);
    expect(addressFromHash(hash)).toBe(object.address);
    expect(Buffer.compare(await engine.outboard(object.address), outboard)).toBe(0);
    for (const from of [0, 1, 65_000, size - 1]) {
      const part = await collect(engine.read(object.address, from, Math.min(70_000, size - from)));
      expect(part.equals(bytes.subarray(from, from + 70_000))).toBe(true);
    }
    await engine.verify!(object.address, 0, size);
  });

  it('are not changed by what is put after them', async () => {
    const { engine } = await start(newRoot(), { journalBytesMax: 2 ** 20 });
    for (const size of sizes) {
      const bytes = content(size, size);
      const { address } = (await put(engine, bytes)).object;
      for (const other of sizes) await put(engine, content(other, size + 1));
      expect((await readAll(engine, address)).equals(bytes)).toBe(true);
    }
  });

  it('have files of their own one byte above, and stay where they are when the border moves', async () => {
    const root = newRoot();
    const first = (await start(root, { journalBytesMax: 2 ** 20 })).engine;
    const [inside, above] = [content(2 ** 20, 1), content(2 ** 20 + 1, 2)];
    const addresses = [(await put(first, inside)).object.address, (await put(first, above)).object.address];
    expect(files(root, 'objects')).toHaveLength(1);
    await stop(first);
    for (const journalBytesMax of [100, 2 ** 20]) {
      const { engine } = await start(root, { journalBytesMax, hotBytesMax: 1 });
      expect((await readAll(engine, addresses[0]!)).equals(inside)).toBe(true);
      expect((await readAll(engine, addresses[1]!)).equals(above)).toBe(true);
      expect(Buffer.compare(await engine.outboard(addresses[0]!), hashTree(inside).outboard)).toBe(0);
      await stop(engine);
    }
  });

  it('one durable put costs one sync', async () => {
    const { engine } = await start(newRoot(), { journalBytesMax: 2 ** 20 });
    await put(engine, content(2 ** 20));
    expect(engine.journalCounts!().syncs).toBe(1);
    await Promise.all(Array.from({ length: 32 }, (_, seed) => put(engine, content(300_000, seed + 1))));
    expect(engine.journalCounts!().syncs).toBeLessThan(12);
  });
});

describe('compaction', () => {
  it('gives the space of dead records back and keeps all that lives', async () => {
    const root = newRoot();
    const config = { segmentBytes: 100_000, compactBytesPerSecond: 2 ** 40, hotBytesMax: 1 };
    const { engine } = await start(root, config);
    const stored: [Address, Buffer][] = [];
    for (let index = 0; index < 60; index++) {
      const bytes = content(10_000, index);
      stored.push([(await put(engine, bytes)).object.address, bytes]);
    }
    await engine.setPin(stored[0]![0], 'holder', true);
    await engine.setState(stored[5]![0], 'trash', 5);
    const before = files(root, 'journal').reduce((sum, file) => sum + fs.statSync(file).size, 0);
    const keeps = (index: number) => index % 5 === 0;
    for (const [index, [address]] of stored.entries()) {
      if (keeps(index)) continue;
      await engine.setState(address, 'trash', 1);
      await engine.purge(address);
    }
    await stop(engine);
    // What a stop interrupted is taken up by the next start.
    for (let round = 0; round < 3; round++) {
      const again = (await start(root, config)).engine;
      await (await again.stagings.create('ef'.repeat(16), 1, { tenant: '', createdMs: 0, expiresMs: 0 })).remove();
      for (const [index, [address, bytes]] of stored.entries()) {
        if (keeps(index)) expect((await readAll(again, address)).equals(bytes)).toBe(true);
        else expect(again.stat(address)).toBeUndefined();
      }
      expect(again.pins(stored[0]![0])).toEqual(['holder']);
      expect(again.stat(stored[5]![0])).toMatchObject({ state: 'trash', stateMs: 5 });
      await stop(again);
    }
    const after = files(root, 'journal').filter((file) => file.endsWith('.log'));
    const logBytes = after.reduce((sum, file) => sum + Math.min(fs.statSync(file).size, 120_000), 0);
    expect(logBytes).toBeLessThan(before / 2);
  });
});
