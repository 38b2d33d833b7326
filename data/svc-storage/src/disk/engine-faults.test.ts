import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hashTree } from '@ron/b3';
import type { Disk, File } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { afterEach, describe, expect, it } from 'vitest';
import { content, folder, overriding, put, readAll, start, stop, stopAll } from './testing/engine-harness.ts';

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

describe('errors of the disk', () => {
  function failing(disk: Disk, fails: (name: string, file: string) => string | undefined): Disk {
    const check = (name: string, file: string) => {
      const code = fails(name, file);
      if (code !== undefined) throw Object.assign(new Error(code), { code });
    };
    return overriding(disk, {
      open: async (file, mode) => {
        const opened = await disk.open(file, mode);
        return new Proxy(opened, {
          get: (target, name) => {
            const value = target[name as keyof File];
            if (typeof value !== 'function') return value;
            const call = value.bind(target) as (...values: unknown[]) => unknown;
            if (name === 'readSync') {
              return (...values: unknown[]) => {
                check(String(name), file);
                return call(...values);
              };
            }
            return async (...values: unknown[]) => {
              check(String(name), file);
              return call(...values);
            };
          },
        });
      },
    });
  }

  for (const [where, size] of [
    ['journal', 100],
    ['temporary', 300_000],
  ] as const) {
    it(`a failed sync in ${where} is never acknowledged and ends writing`, async () => {
      const root = newRoot();
      let armed = false;
      const { engine } = await start(root, {}, (disk) =>
        failing(disk, (name, file) => (armed && name === 'sync' && file.includes(where) ? 'EIO' : undefined)),
      );
      const kept = (await put(engine, content(50))).object.address;
      armed = true;
      await expect(put(engine, content(size, 5))).rejects.toMatchObject({ code: 'unavailable' });
      armed = false;
      await expect(engine.create(1)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(engine.setState(kept, 'trash', 1)).rejects.toMatchObject({ code: 'unavailable' });
      expect(engine.gates()).toContainEqual(expect.objectContaining({ gate: 'blobs', ok: false }));
      expect(await readAll(engine, kept)).toHaveLength(50);
      await stop(engine);
      const again = await start(root);
      expect(await readAll(again.engine, kept)).toHaveLength(50);
      expect(again.corrupt).toEqual([]);
    });
  }

  it('a full disk refuses the write only', async () => {
    let armed = false;
    const { engine } = await start(newRoot(), {}, (disk) =>
      failing(disk, (name, file) => (armed && name === 'write' && file.includes('temporary') ? 'ENOSPC' : undefined)),
    );
    armed = true;
    await expect(put(engine, content(3_000_000))).rejects.toMatchObject({ code: 'insufficient_storage' });
    armed = false;
    expect(await put(engine, content(3_000_000))).toMatchObject({ stored: true });
    expect(engine.usage().bytes).toBe(3_000_000);
  });

  it('a bad sector costs its object, a lack of descriptors costs nothing', async () => {
    const root = newRoot();
    let code: string | undefined;
    const { engine, corrupt } = await start(root, { hotBytesMax: 1 }, (disk) =>
      failing(disk, (name, file) => (name.startsWith('read') && file.includes('objects/') ? code : undefined)),
    );
    const bytes = content(200_000);
    const { address } = (await put(engine, bytes)).object;
    await stop(engine);
    const again = await start(root, { hotBytesMax: 1 }, (disk) =>
      failing(disk, (name, file) => (name.startsWith('read') && file.includes('objects/') ? code : undefined)),
    );
    code = 'EMFILE';
    await expect(readAll(again.engine, address)).rejects.toMatchObject({ code: 'unavailable' });
    code = 'EIO';
    await expect(readAll(again.engine, address)).rejects.toMatchObject({ code: 'integrity' });
    code = undefined;
    expect(again.corrupt).toEqual([address]);
    expect(corrupt).toEqual([]);
    expect(await put(again.engine, bytes)).toMatchObject({ stored: true });
    expect((await readAll(again.engine, address)).equals(bytes)).toBe(true);
  });
});

describe('damage', () => {
  it('a flipped bit anywhere is never served, and costs at most one object', async () => {
    const origin = newRoot();
    const first = await start(origin, { segmentBytes: 100_000 });
    const stored = new Map<Address, Buffer>();
    for (const size of [100, 3000, 40_000, 65_536, 65_537, 250_000, 500, 60_000, 700]) {
      const bytes = content(size, size);
      stored.set((await put(first.engine, bytes)).object.address, bytes);
    }
    await stop(first.engine);
    const paths = [...files(origin, 'journal'), ...files(origin, 'objects')].map((file) => path.relative(origin, file));
    expect(new Set(paths.map((file) => path.extname(file)))).toEqual(new Set(['.log', '.idx', '']));
    let caught = 0;
    for (let round = 0; round < 40; round++) {
      const root = newRoot();
      fs.cpSync(path.join(origin, folder), path.join(root, folder), { recursive: true });
      const victim = path.join(root, paths[round % paths.length] as string);
      const bytes = fs.readFileSync(victim);
      const used = victim.endsWith('.log') ? Math.min(bytes.byteLength, 100_000) : bytes.byteLength;
      const at = Math.floor((round * 0.61803398875 * used) % used);
      bytes[at]! ^= 1 << (round % 8);
      fs.writeFileSync(victim, bytes);
      const { engine, corrupt } = await start(root);
      let missing = 0;
      for (const [address, expected] of stored) {
        const read = await Promise.resolve()
          .then(() => readAll(engine, address))
          .catch((error: { code: string }) => error.code);
        if (typeof read === 'string') missing += 1;
        else expect(read.equals(expected), `${victim} byte ${at}`).toBe(true);
      }
      expect(missing, `${victim} byte ${at}`).toBeLessThanOrEqual(1);
      expect(corrupt.length, `${victim} byte ${at}`).toBe(missing);
      caught += missing;
      await stop(engine);
      if (round % 5 > 0) {
        fs.rmSync(root, { recursive: true });
        roots.splice(roots.indexOf(root), 1);
        continue;
      }
      // The verdict outlives a restart, and good bytes lift it.
      const again = (await start(root)).engine;
      for (const expected of stored.values()) await put(again, expected);
      for (const [address, expected] of stored) expect((await readAll(again, address)).equals(expected)).toBe(true);
      expect(again.usage()).toMatchObject({ objects: stored.size, quarantined: 0 });
      await stop(again);
      fs.rmSync(root, { recursive: true });
      roots.splice(roots.indexOf(root), 1);
    }
    expect(caught).toBeGreaterThan(12);
  });

  it('a damaged tail is no damage of the object: it is made anew', async () => {
    const root = newRoot();
    const bytes = content(300_000);
    const first = await start(root);
    const { address } = (await put(first.engine, bytes)).object;
    await stop(first.engine);
    const file = files(root, 'objects')[0] as string;
    const good = fs.readFileSync(file);
    const tail = good.byteLength - bytes.byteLength;
    for (const at of [0, 40, 170, 300, tail - 110, tail - 60, tail - 1]) {
      const bad = Buffer.from(good);
      bad[bytes.byteLength + at]! ^= 16;
      fs.writeFileSync(file, at === 40 ? bad.subarray(0, bad.byteLength - 7) : bad);
      const { engine, corrupt } = await start(root, { hotBytesMax: 1 });
      expect(Buffer.from(await engine.outboard(address)).equals(hashTree(bytes).outboard), `tail byte ${at}`).toBe(
        true,
      );
      expect((await readAll(engine, address)).equals(bytes), `tail byte ${at}`).toBe(true);
      expect(corrupt).toEqual([]);
      await stop(engine);
      expect(fs.readFileSync(file).equals(good), `tail byte ${at}`).toBe(true);
    }
  });

  it('removes what a crash left, and reports objects whose file is gone', async () => {
    const root = newRoot();
    const { engine } = await start(root);
    const { address } = (await put(engine, content(100_000))).object;
    await stop(engine);
    fs.rmSync(files(root, 'objects')[0] as string);
    fs.writeFileSync(path.join(root, folder, 'temporary', '1'), 'half');
    fs.mkdirSync(path.join(root, folder, 'objects', '00'), { recursive: true });
    fs.writeFileSync(path.join(root, folder, 'objects', '00', '00'.repeat(32)), 'no record');
    const again = await start(root);
    expect(again.corrupt).toEqual([address]);
    expect(again.engine.stat(address)?.state).toBe('quarantined');
    expect([...files(root, 'objects'), ...files(root, 'temporary')]).toEqual([]);
    await again.engine.purge(address);
    expect(again.engine.usage()).toMatchObject({ objects: 0, bytes: 0, quarantined: 0 });
  });
});

describe('verify looks at what is stored', () => {
  /** Flips a bit of the only place in the engine's files where `needle` is. */
  function flip(root: string, under: string, needle: Buffer, at: number): void {
    for (const file of files(root, under)) {
      const found = fs.readFileSync(file).indexOf(needle);
      if (found < 0) continue;
      const handle = fs.openSync(file, 'r+');
      const byte = Buffer.from([needle[at]! ^ 4]);
      fs.writeSync(handle, byte, 0, 1, found + at);
      fs.closeSync(handle);
      return;
    }
    throw new Error('the bytes are nowhere');
  }

  it.each([
    ['journal', 1_000, 500],
    ['objects', 700_000, 650_000],
  ] as const)('and finds damage in the %s of an object that is held in RAM', async (under, size, at) => {
    const root = newRoot();
    const { engine, corrupt } = await start(root);
    const bytes = content(size);
    const { address } = (await put(engine, bytes)).object;
    for (let round = 0; round < 3; round++) expect((await readAll(engine, address)).equals(bytes)).toBe(true);
    await engine.verify!(address, 0, size);
    const from = at - 100;
    flip(root, under, bytes.subarray(from, from + 200), 100);
    expect((await readAll(engine, address)).equals(bytes)).toBe(true);
    await expect(engine.verify!(address, 0, size)).rejects.toMatchObject({ code: 'integrity' });
    expect(corrupt).toEqual([address]);
    expect(engine.stat(address)?.state).toBe('quarantined');
    expect(await put(engine, bytes)).toMatchObject({ stored: true });
    await engine.verify!(address, 0, size);
  });

  it('and puts a damaged tree right', async () => {
    const root = newRoot();
    const { engine, corrupt } = await start(root);
    const bytes = content(700_000);
    const { address } = (await put(engine, bytes)).object;
    const { outboard } = hashTree(bytes);
    const tree = Buffer.from(outboard).subarray(8);
    flip(root, 'objects', tree, 70);
    await engine.verify!(address, 0, 700_000);
    expect(corrupt).toEqual([]);
    expect(fs.readFileSync(files(root, 'objects')[0]!).includes(tree)).toBe(true);
  });

  it('but a purge meanwhile is no damage', async () => {
    const { engine, corrupt } = await start(newRoot());
    const { address } = (await put(engine, content(1_000))).object;
    await engine.setState(address, 'trash', 1);
    const verifying = engine.verify!(address, 0, 1_000);
    const purging = engine.purge(address);
    await verifying.catch((error: { code: string }) => expect(error.code).toBe('not_found'));
    await purging;
    expect(corrupt).toEqual([]);
    expect(engine.usage()).toMatchObject({ objects: 0, bytes: 0, quarantined: 0 });
  });
});
