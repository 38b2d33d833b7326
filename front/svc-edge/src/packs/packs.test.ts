import { createInlineWork } from '@ron/kernel/real';
import type { Call } from '@ron/proto/contract';
import { ResidentBody } from '@ron/proto/stream';
import { describe, expect, test } from 'vitest';
import { flipped, gather, objectOf, ScriptedSource, testEnv } from '../fixtures/objects.ts';
import { GroupCache } from '../groups/group-cache.ts';
import { CachedObjects } from '../objects/cached-objects.ts';
import { createPackExport } from '../operations/pack-export.ts';
import { createPackImport } from '../operations/pack-import.ts';
import { encodePackTable, packHeadBytes, packObjectsMax, packRowBytes } from './pack-format.ts';
import { readPack } from './read-pack.ts';

const MiB = 1024 * 1024;
const work = createInlineWork();
const objects = [objectOf(0), objectOf(1, 5), objectOf(65_536, 2), objectOf(65_537, 3), objectOf(500_000, 4)];
const addresses = objects.map(({ address }) => address);
const call = { context: { signal: new AbortController().signal } } as unknown as Call;

function cacheOver(...sources: ScriptedSource[]) {
  const cache = new GroupCache({ env: testEnv(), sources, bytesMax: 16 * MiB });
  return { cache, objects: new CachedObjects(cache) };
}

async function packOf(wanted = addresses): Promise<Uint8Array> {
  const { output, body } = await createPackExport(cacheOver(new ScriptedSource('origin', objects)).objects)(
    { addresses: wanted },
    call,
  );
  const bytes = await gather(body);
  expect(bytes.byteLength).toBe(output.pack_size);
  expect(output.objects).toBe(new Set(wanted).size);
  return bytes;
}

function importInto(target: CachedObjects, bytes: Uint8Array, packBytesMax = 64 * MiB) {
  const importing = createPackImport({ objects: target, work, packBytesMax: () => packBytesMax });
  return importing({}, { ...call, body: new ResidentBody(bytes), bodyBytes: bytes.byteLength });
}

describe('packs', () => {
  test('what is exported is imported, and then there without any source', async () => {
    const { cache, objects: target } = cacheOver(new ScriptedSource('empty'));
    const bytes = objects.reduce((sum, object) => sum + object.bytes.byteLength, 0);
    expect(await importInto(target, await packOf())).toEqual({ objects: objects.length, bytes });
    for (const object of objects) {
      const { body, hit } = await cache.open(object.address, { start: 0 });
      expect(hit).toBe(true);
      expect(Buffer.compare(await gather(body), object.bytes)).toBe(0);
    }
  });

  test('an address that is named twice is packed once', async () => {
    expect((await packOf([addresses[1]!, addresses[1]!])).byteLength).toBe(packHeadBytes + packRowBytes + 1);
  });

  test('the example of the specification', async () => {
    const text = Buffer.from('524f4e5041434b3101000000', 'hex');
    const root = Buffer.from('2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213', 'hex');
    const pack = Buffer.concat([text, root, Buffer.from('010000000000000000', 'hex')]);
    const table = encodePackTable([{ address: `b3:${root.toString('hex')}`, sizeBytes: 1 }]);
    expect(Buffer.compare(table, pack.subarray(0, -1))).toBe(0);
    const found: string[] = [];
    for await (const { proof, groups } of readPack(new ResidentBody(pack), work)) {
      found.push(proof.address);
      for await (const bytes of groups()) found.push(Buffer.from(bytes).toString('hex'));
    }
    expect(found).toEqual([`b3:${root.toString('hex')}`, '00']);
  });

  test('any flipped byte of a pack is refused, and nothing wrong is kept', async () => {
    const pack = await packOf([addresses[1]!, addresses[3]!]);
    // Everywhere in the head, the table and the outboard; some places of the content.
    const table = packHeadBytes + 2 * packRowBytes;
    const places = [...Array.from({ length: table + 1 + 64 }, (_, at) => at), table + 66, pack.byteLength - 1];
    for (const at of places) {
      const { cache, objects: target } = cacheOver(new ScriptedSource('empty'));
      const code = expect.stringMatching(/^(bad_digest|bad_request|payload_too_large)$/);
      await expect(importInto(target, flipped(pack, at)), `byte ${at}`).rejects.toMatchObject({ code });
      for (const { address, bytes } of objects) {
        for (let index = 0; index < 2; index += 1) {
          const kept = cache.ram.group(address, index);
          if (kept === undefined) continue;
          expect(Buffer.compare(kept.bytes, bytes.subarray(index * 65_536, (index + 1) * 65_536))).toBe(0);
        }
      }
    }
  });

  test('a pack that is cut anywhere, or goes on, is refused', async () => {
    const pack = await packOf([addresses[1]!, addresses[3]!]);
    for (const end of [0, 1, packHeadBytes, packHeadBytes + 39, packHeadBytes + 80, pack.byteLength - 1]) {
      const { objects: target } = cacheOver(new ScriptedSource('empty'));
      await expect(importInto(target, pack.subarray(0, end))).rejects.toMatchObject({ code: 'bad_digest' });
    }
    const longer = new Uint8Array(pack.byteLength + 1);
    longer.set(pack);
    const { cache, objects: target } = cacheOver(new ScriptedSource('empty'));
    await expect(importInto(target, longer)).rejects.toMatchObject({ code: 'bad_digest' });
    expect(cache.peek(addresses[1]!, { start: 0 })).toBeDefined();
  });

  test.each([0, packObjectsMax + 1])('%i objects are no pack', async (count) => {
    const pack = (await packOf([addresses[1]!])).slice();
    new DataView(pack.buffer).setUint32(8, count, true);
    const { objects: target } = cacheOver(new ScriptedSource('empty'));
    await expect(importInto(target, pack)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('its size has a limit, whether announced or not', async () => {
    const pack = await packOf([addresses[3]!]);
    const { objects: target } = cacheOver(new ScriptedSource('empty'));
    expect(await importInto(target, pack, pack.byteLength)).toMatchObject({ objects: 1 });
    const tooLarge = { code: 'payload_too_large', details: { limit: pack.byteLength - 1 } };
    await expect(importInto(target, pack, pack.byteLength - 1)).rejects.toMatchObject(tooLarge);
    const importing = createPackImport({ objects: target, work, packBytesMax: () => pack.byteLength - 1 });
    const unannounced = importing({}, { ...call, body: new ResidentBody(pack), bodyBytes: undefined });
    await expect(unannounced).rejects.toMatchObject(tooLarge);
  });

  test('one that breaks off leaves no proof that stands in the way of what a source has', async () => {
    const object = objects[4]!;
    const source = new ScriptedSource('origin', [object]);
    const { cache, objects: target } = cacheOver(source);
    const pack = await packOf([object.address]);
    await expect(importInto(target, pack.subarray(0, -1))).rejects.toMatchObject({ code: 'bad_digest' });
    for (let reads = 0; reads < 3; reads += 1) await gather((await cache.open(object.address, { start: 0 })).body);
    expect(source.asked.filter((what) => what === 'outboard')).toHaveLength(1);
  });

  test('an object that is not had is refused before the first byte', async () => {
    const { objects: empty } = cacheOver(new ScriptedSource('empty'));
    await expect(createPackExport(empty)({ addresses }, call)).rejects.toMatchObject({ code: 'not_found' });
  });
});
