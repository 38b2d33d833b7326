import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hash, hashTree } from '@ron/b3';
import type { Disk, File } from '@ron/kernel';
import { addressFromHash } from '@ron/naming';
import { afterEach, expect, test } from 'vitest';
import { overriding, start, stop, stopAll } from '../disk/testing/engine-harness.ts';
import { bytesOf, call, HandClock, pieces, refusal, sample, startStorage } from '../test-bed.ts';

const roots: string[] = [];

afterEach(async () => {
  await stopAll();
  for (const root of roots.splice(0)) fs.rmSync(root, { recursive: true });
});

function newRoot(): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'upload-restart-'));
  roots.push(root);
  return root;
}

const bytes = sample(1_500_000);
const address = addressFromHash(hash(bytes));
const size = bytes.byteLength;

/** A node's life: engine and service begin and end together. */
async function life<T>(
  root: string,
  clock: HandClock,
  live: (bed: Awaited<ReturnType<typeof startStorage>>) => Promise<T>,
  wrap?: (disk: Disk) => Disk,
): Promise<T> {
  const { engine } = await start(root, {}, wrap);
  const bed = await startStorage({ blobs: engine, clock });
  try {
    return await live(bed);
  } finally {
    await bed[Symbol.asyncDispose]();
    await stop(engine);
  }
}

test('a plain upload goes on after a restart where it was, and completes', async () => {
  const [root, clock] = [newRoot(), new HandClock()];
  const upload_id = await life(root, clock, async ({ handlers }) => {
    const begun = await handlers.upload_create({ size, address }, call());
    const broken = call({ body: pieces(bytes, 50_000, 700_000) });
    expect(await refusal(() => handlers.upload_write({ upload_id: begun.upload_id, offset: 0 }, broken))).toBe(
      'request_timeout',
    );
    return begun.upload_id;
  });
  await life(root, clock, async ({ handlers, blobs }) => {
    expect(await handlers.upload_status({ upload_id }, call())).toMatchObject({ offset: 700_000, complete: false });
    expect(await refusal(() => handlers.upload_write({ upload_id, offset: 0 }, call({ body: bytes })))).toBe(
      'conflict',
    );
    const rest = call({ body: bytes.subarray(700_000) });
    const done = await handlers.upload_write({ upload_id, offset: 700_000 }, rest);
    expect(done).toMatchObject({ complete: true, address });
    expect(Buffer.compare(await bytesOf((await handlers.get({ address }, call())).body), bytes)).toBe(0);
    expect(await blobs.stagings.list()).toEqual([]);
  });
});

test('a verified upload goes on after a restart with the groups that are missing', async () => {
  const [root, clock] = [newRoot(), new HandClock()];
  const { outboard } = hashTree(bytes);
  const group = (index: number) => bytes.subarray(index * 65_536, (index + 1) * 65_536);
  const upload_id = await life(root, clock, async ({ handlers }) => {
    const begun = await handlers.upload_create({ size, address }, call({ body: outboard }));
    const id = { upload_id: begun.upload_id };
    await handlers.upload_write({ ...id, offset: 0 }, call({ body: group(0) }));
    await handlers.upload_write({ ...id, offset: 3 * 65_536 }, call({ body: group(3) }));
    return begun.upload_id;
  });
  await life(root, clock, async ({ handlers }) => {
    const status = await handlers.upload_status({ upload_id }, call());
    expect(status).toMatchObject({ offset: 65_536, complete: false });
    // Of 23 groups, 0 and 3 are there.
    expect([...Buffer.from(status.missing!, 'base64url')]).toEqual([0b1111_0110, 0xff, 0b0111_1111]);
    await handlers.upload_write({ upload_id, offset: 65_536 }, call({ body: bytes.subarray(65_536, 3 * 65_536) }));
    const rest = call({ body: bytes.subarray(4 * 65_536) });
    expect(await handlers.upload_write({ upload_id, offset: 4 * 65_536 }, rest)).toMatchObject({ complete: true });
    expect(Buffer.compare(await bytesOf((await handlers.get({ address }, call())).body), bytes)).toBe(0);
  });
});

test('whoever lost the id of a verified upload gets it back by beginning again, also after a restart', async () => {
  const [root, clock] = [newRoot(), new HandClock()];
  const { outboard } = hashTree(bytes);
  const create = (bed: { handlers: Awaited<ReturnType<typeof startStorage>>['handlers'] }, tenant = '') =>
    bed.handlers.upload_create({ size, address }, call({ body: outboard, tenant }));
  const upload_id = await life(root, clock, async (bed) => {
    const begun = await create(bed);
    const body = bytes.subarray(0, 2 * 65_536);
    const written = await bed.handlers.upload_write({ upload_id: begun.upload_id, offset: 0 }, call({ body }));
    expect(await create(bed)).toEqual(written);
    return begun.upload_id;
  });
  await life(root, clock, async (bed) => {
    expect(await create(bed)).toMatchObject({ upload_id, offset: 2 * 65_536 });
    // Another tenant's, and a plain one, are uploads of their own.
    expect((await create(bed, 'other')).upload_id).not.toBe(upload_id);
    expect((await bed.handlers.upload_create({ size, address }, call())).upload_id).not.toBe(upload_id);
    await bed.clock.pass(bed.settings.upload_ttl_ms + 1);
    expect((await create(bed)).upload_id).not.toBe(upload_id);
  });
});

test('whoever begins a plain upload of an announced address again goes on where it broke', async () => {
  const [root, clock] = [newRoot(), new HandClock()];
  await life(root, clock, async ({ handlers }) => {
    const begun = await handlers.upload_create({ size, address }, call());
    await handlers.upload_write({ upload_id: begun.upload_id, offset: 0 }, call({ body: bytes.subarray(0, 700_000) }));
    const again = await handlers.upload_create({ size, address }, call());
    expect(again).toMatchObject({ upload_id: begun.upload_id, offset: 700_000, complete: false });
    // Without an address nothing says that it is the same object.
    expect((await handlers.upload_create({ size }, call())).upload_id).not.toBe(begun.upload_id);
    const rest = call({ body: bytes.subarray(700_000) });
    expect(await handlers.upload_write({ upload_id: begun.upload_id, offset: 700_000 }, rest)).toMatchObject({
      complete: true,
    });
  });
});

/** Counts syncs by the kind of file, or fails them. */
function watching(disk: Disk, onCall: (name: string, file: string) => void): Disk {
  return overriding(disk, {
    open: async (file, mode) => {
      const opened = await disk.open(file, mode);
      return new Proxy(opened, {
        get: (target, name) => {
          const value = target[name as keyof File];
          if (typeof value !== 'function') return value;
          const run = value.bind(target) as (...values: unknown[]) => unknown;
          if (name === 'readSync') return run;
          return async (...values: unknown[]) => {
            onCall(String(name), file);
            return run(...values);
          };
        },
      });
    },
  });
}

test('an upload that completes is synced once, with what completes it', async () => {
  const syncs: string[] = [];
  const count = (disk: Disk) =>
    watching(disk, (name, file) => {
      if (name === 'sync' && file.includes('stagings')) syncs.push(file.split('.').at(-1)!);
    });
  await life(
    newRoot(),
    new HandClock(),
    async ({ handlers }) => {
      const { upload_id } = await handlers.upload_create({ size, address }, call());
      syncs.length = 0;
      await handlers.upload_write({ upload_id, offset: 0 }, call({ body: pieces(bytes, 60_000) }));
    },
    count,
  );
  expect(syncs.sort()).toEqual(['data', 'meta']);
});

test('groups that a full disk lost are asked for again', async () => {
  const { outboard } = hashTree(bytes);
  let full = false;
  const failing = (disk: Disk) =>
    watching(disk, (name, file) => {
      if (full && name === 'write' && file.endsWith('.data'))
        throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    });
  await life(
    newRoot(),
    new HandClock(),
    async ({ handlers }) => {
      const { upload_id } = await handlers.upload_create({ size, address }, call({ body: outboard }));
      await handlers.upload_write({ upload_id, offset: 0 }, call({ body: bytes.subarray(0, 65_536) }));
      full = true;
      const lost = call({ body: bytes.subarray(65_536) });
      expect(await refusal(() => handlers.upload_write({ upload_id, offset: 65_536 }, lost))).toBe(
        'insufficient_storage',
      );
      full = false;
      expect(await handlers.upload_status({ upload_id }, call())).toMatchObject({ offset: 65_536, complete: false });
      const rest = call({ body: bytes.subarray(65_536) });
      expect(await handlers.upload_write({ upload_id, offset: 65_536 }, rest)).toMatchObject({ complete: true });
      expect(Buffer.compare(await bytesOf((await handlers.get({ address }, call())).body), bytes)).toBe(0);
    },
    failing,
  );
});
