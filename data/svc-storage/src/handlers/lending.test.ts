import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { hash, hashTree } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { type ByteStream, lenderOf } from '@ron/proto/stream';
import { afterEach, expect, test } from 'vitest';
import { start, stopAll } from '../disk/testing/engine-harness.ts';
import { pieceBytes } from '../piece-pool.ts';
import { bytesOf, call, sample, startStorage } from '../test-bed.ts';

const roots: string[] = [];

afterEach(async () => {
  await stopAll();
  for (const root of roots.splice(0)) fs.rmSync(root, { recursive: true });
});

async function diskBed() {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'lending-'));
  roots.push(root);
  const { engine } = await start(root);
  return await startStorage({ blobs: engine });
}

const bytes = sample(5_000_000);
const address = addressFromHash(hash(bytes));

async function readGivingBack(body: ByteStream): Promise<{ read: Buffer; buffers: number; sizes: number[] }> {
  const copies: Buffer[] = [];
  const buffers = new Set<ArrayBufferLike>();
  for await (const piece of body) {
    copies.push(Buffer.from(piece));
    buffers.add(piece.buffer);
    lenderOf(body)?.giveBack(piece);
  }
  return { read: Buffer.concat(copies), buffers: buffers.size, sizes: copies.map(({ byteLength }) => byteLength) };
}

test.each([0, 1, 65_536, 700_001])(
  'a large body from %i on lies in a few buffers when they are given back',
  async (from) => {
    await using bed = await diskBed();
    await bed.handlers.put({}, call({ body: bytes }));
    const { body } = await bed.handlers.get({ address, start: from }, call());
    const { read, buffers } = await readGivingBack(body);
    expect(read.equals(bytes.subarray(from))).toBe(true);
    expect(buffers).toBeLessThanOrEqual(3);
  },
);

test('pieces that are not given back stay as they were', async () => {
  await using bed = await diskBed();
  await bed.handlers.put({}, call({ body: bytes }));
  const kept = bytesOf((await bed.handlers.get({ address }, call())).body);
  const others = [1, 2, 3].map(async () => readGivingBack((await bed.handlers.get({ address }, call())).body));
  expect(Buffer.compare(await kept, bytes)).toBe(0);
  for (const other of others) expect((await other).read.equals(bytes)).toBe(true);
});

test.each(['disk', 'memory'])(
  'a slice of an object on %s comes in large pieces, of which few buffers are used',
  async (where) => {
    await using bed = where === 'disk' ? await diskBed() : await startStorage();
    await bed.handlers.put({}, call({ body: bytes }));
    const reply = await bed.handlers.slice({ address, start: 70_000, length: 4_000_000 }, call());
    const whole = await bytesOf(reply.body);
    expect(whole.byteLength).toBe(reply.output.slice_size);
    const { outboard } = hashTree(bytes);
    const again = await bed.handlers.slice({ address, start: 70_000, length: 4_000_000 }, call());
    const { read, buffers, sizes } = await readGivingBack(again.body);
    expect(read.equals(whole)).toBe(true);
    expect(buffers).toBeLessThanOrEqual(3);
    expect(sizes.slice(0, -1).every((size) => size === pieceBytes)).toBe(true);
    // The header, the root's parent node, and the first group that the range touches are where they belong.
    expect(read.subarray(0, 72).equals(outboard.subarray(0, 72))).toBe(true);
    expect(read.includes(bytes.subarray(65_536, 131_072))).toBe(true);
  },
);

test('a reader that leaves a slice early leaves nothing behind', async () => {
  await using bed = await diskBed();
  await bed.handlers.put({}, call({ body: bytes }));
  const { body } = await bed.handlers.slice({ address }, call());
  for await (const piece of body) {
    expect(piece.byteLength).toBe(pieceBytes);
    break;
  }
  expect((await readGivingBack((await bed.handlers.get({ address }, call())).body)).read.equals(bytes)).toBe(true);
});
