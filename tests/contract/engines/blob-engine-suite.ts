import { hashTree } from '@ron/b3';
import { type Address, addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobEngine } from '@ron/svc-storage/service';
import { describe, expect, test } from 'vitest';
import { addressOf, bytesOf, put, refusal, sample } from './blob-calls.ts';
import { blobEngineProperties } from './blob-engine-properties.ts';

export interface BlobEngineLimits {
  readonly bytesMax: number;
  readonly objectsMax: number;
  readonly objectBytesMax: number;
}

/** Opens an empty engine; disposing of the engine is the test's part. */
export type OpenBlobEngine = (limits: BlobEngineLimits) => Promise<BlobEngine>;

const kib64 = 65_536;
const mib = 1_048_576;
const roomy: BlobEngineLimits = { bytesMax: 64 * mib, objectsMax: 10_000, objectBytesMax: 16 * mib };

/** What every implementation of `BlobEngine` must do. */
export function blobEngineSuite(name: string, open: OpenBlobEngine): void {
  describe(`blob engine: ${name}`, () => {
    storing(open);
    reading(open);
    states(open);
    limits(open);
    stagings(open);
    blobEngineProperties(() => open(roomy));
  });
}

function storing(open: OpenBlobEngine): void {
  const sizes = [0, 1, kib64 - 1, kib64, kib64 + 1, 2 * kib64, mib - 1, mib, mib + 1, 3 * mib + 5];
  test.each(sizes)('stores %i bytes under the address of their content, however they arrive', async (size) => {
    await using engine = await open(roomy);
    const bytes = sample(size);
    const tree = hashTree(bytes);
    const { object, stored } = await put(engine, bytes, { split: 50_021, announced: size % 2 === 0 });
    expect(stored).toBe(true);
    expect(object).toMatchObject({ address: addressFromHash(tree.root), sizeBytes: size, state: 'live' });
    expect(engine.stat(object.address)).toEqual(object);
    expect(Buffer.compare(await bytesOf(engine, object.address), bytes)).toBe(0);
    expect(Buffer.compare(await engine.outboard(object.address), tree.outboard)).toBe(0);
    expect((await put(engine, bytes, { split: size + 1, announced: size % 2 !== 0 })).stored).toBe(false);
    expect(engine.usage().objects).toBe(1);
  });

  test('stores equal bytes once, also when they arrive at once', async () => {
    await using engine = await open(roomy);
    const bytes = sample(200_000);
    await put(engine, bytes);
    const used = engine.usage().bytes;
    await using other = await open(roomy);
    const results = await Promise.all(Array.from({ length: 20 }, () => put(other, bytes, { split: 30_000 })));
    expect(results.filter(({ stored }) => stored)).toHaveLength(1);
    expect(other.usage()).toMatchObject({ objects: 1, bytes: used });
  });

  test('keeps nothing of what was aborted, left alone or had another address', async () => {
    await using engine = await open(roomy);
    const before = engine.usage();
    for (const size of [10, kib64, 300_000]) {
      const aborted = await engine.create(undefined);
      await aborted.write(sample(size));
      await aborted.abort();
      {
        await using left = await engine.create(size);
        await left.write(sample(size).subarray(1));
      }
      const wrong = addressOf(sample(size + 1));
      expect(await refusal(put(engine, sample(size), { expected: wrong }))).toBe('bad_digest');
      expect(engine.stat(wrong)).toBeUndefined();
      expect(engine.stat(addressOf(sample(size)))).toBeUndefined();
    }
    expect(engine.usage()).toEqual(before);
    await put(engine, sample(10), { expected: addressOf(sample(10)) });
  });

  test('counts what open writes hold', async () => {
    await using engine = await open(roomy);
    const writer = await engine.create(2 * mib);
    await writer.write(sample(2 * mib));
    expect(engine.usage()).toMatchObject({ objects: 0 });
    expect(engine.usage().bytes).toBeGreaterThanOrEqual(2 * mib);
    await writer.abort();
    expect(engine.usage().bytes).toBe(0);
  });
}

function reading(open: OpenBlobEngine): void {
  test('reads ranges at every border', async () => {
    await using engine = await open(roomy);
    const bytes = sample(3 * mib + 5);
    const { object } = await put(engine, bytes);
    const edges = [0, 1, kib64 - 1, kib64, kib64 + 1, mib - 1, mib, mib + 1, 2 * mib + kib64, 3 * mib, 3 * mib + 5];
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge >= start)) {
        const read = await bytesOf(engine, object.address, start, end - start);
        expect(Buffer.compare(read, bytes.subarray(start, end)), `${start} to ${end}`).toBe(0);
      }
    }
  });

  test('gives many readers of one object their own bytes', async () => {
    await using engine = await open(roomy);
    const bytes = sample(mib + 17);
    const { object } = await put(engine, bytes);
    const starts = Array.from({ length: 40 }, (_, index) => index * 25_000);
    const reads = await Promise.all(starts.map((start) => bytesOf(engine, object.address, start, 70_000)));
    reads.forEach((read, index) => {
      expect(Buffer.compare(read, bytes.subarray(starts[index]!, starts[index]! + 70_000))).toBe(0);
    });
  });

  test.each([0, 1, kib64, kib64 + 1, mib, 3 * mib + 5])('finds %i good bytes good, wherever it looks', async (size) => {
    await using engine = await open(roomy);
    const bytes = sample(size);
    const { address } = (await put(engine, bytes)).object;
    await bytesOf(engine, address);
    for (const start of [0, 1, kib64, size - 1].filter((each) => each >= 0 && each <= size)) {
      for (const length of [0, 1, kib64, size - start].filter((each) => start + each <= size)) {
        await engine.verify?.(address, start, length);
      }
    }
    expect(engine.usage().quarantined).toBe(0);
    expect(Buffer.compare(await bytesOf(engine, address), bytes)).toBe(0);
    const unknown = engine.verify?.(addressOf(sample(77)), 0, 0);
    if (unknown !== undefined) expect(await refusal(unknown)).toBe('not_found');
  });

  test('what it says is in memory is what a read gives, at every border, and nothing of what cannot be read', async () => {
    await using engine = await open(roomy);
    for (const size of [0, 1, kib64 + 1, mib, mib + 1]) {
      const bytes = sample(size);
      const { address } = (await put(engine, bytes)).object;
      await bytesOf(engine, address);
      for (const start of [0, 1, kib64, mib - 1].filter((at) => at < size)) {
        for (const length of [0, 1, size - start]) {
          const resident = engine.resident?.(address, start, length);
          if (resident === undefined) continue;
          expect(Buffer.compare(resident, bytes.subarray(start, start + length))).toBe(0);
        }
      }
      await engine.setState(address, 'trash', 1);
      await engine.purge(address);
      expect(engine.resident?.(address, 0, 0)).toBeUndefined();
    }
    expect(engine.resident?.(addressOf(sample(77)), 0, 1)).toBeUndefined();
  });

  test('knows nothing of what it does not have', async () => {
    await using engine = await open(roomy);
    const address = addressOf(sample(77));
    expect(engine.stat(address)).toBeUndefined();
    expect(engine.pins(address)).toEqual([]);
    expect(await refusal(bytesOf(engine, address, 0, 1))).toBe('not_found');
    expect(await refusal(engine.outboard(address))).toBe('not_found');
    expect(await refusal(engine.setState(address, 'trash', 1))).toBe('not_found');
    expect(await refusal(engine.setPin(address, 'holder', true))).toBe('not_found');
    await engine.setPin(address, 'holder', false);
    expect([...engine.entries()]).toEqual([]);
    expect(engine.gates().every(({ ok }) => ok)).toBe(true);
  });
}

function states(open: OpenBlobEngine): void {
  test.each([100, 200_000])('moves %i bytes to the trash and back, and purges them', async (size) => {
    await using engine = await open(roomy);
    const empty = engine.usage();
    const bytes = sample(size);
    const { address } = (await put(engine, bytes)).object;
    expect(await refusal(engine.purge(address))).toBe('conflict');
    const moving = engine.setState(address, 'trash', 1_234);
    expect(engine.stat(address)).toMatchObject({ state: 'trash', stateMs: 1_234 });
    await moving;
    expect(engine.usage()).toMatchObject({ objects: 1, trashObjects: 1, trashBytes: size });
    expect(Buffer.compare(await bytesOf(engine, address), bytes)).toBe(0);
    await engine.setState(address, 'live', 1_300);
    expect(engine.stat(address)).toMatchObject({ state: 'live', stateMs: 1_300 });
    await engine.setState(address, 'trash', 1_400);
    expect((await put(engine, bytes)).stored).toBe(true);
    expect(engine.stat(address)?.state).toBe('live');
    expect(engine.usage()).toMatchObject({ objects: 1, trashObjects: 0, trashBytes: 0 });
    await engine.setState(address, 'trash', 1_500);
    const purging = engine.purge(address);
    expect(engine.stat(address)).toBeUndefined();
    const again = put(engine, bytes);
    await purging;
    expect((await again).stored).toBe(true);
    expect(Buffer.compare(await bytesOf(engine, address), bytes)).toBe(0);
    await engine.setState(address, 'trash', 1_600);
    await engine.purge(address);
    expect(engine.usage()).toEqual(empty);
  });

  test('keeps pins by holder until they are released or the object is purged', async () => {
    await using engine = await open(roomy);
    const { address } = (await put(engine, sample(10))).object;
    const before = engine.usage().bytes;
    await engine.setPin(address, 'a', true);
    await engine.setPin(address, 'b', true);
    await engine.setPin(address, 'a', true);
    expect([...engine.pins(address)].sort()).toEqual(['a', 'b']);
    await engine.setPin(address, 'a', false);
    await engine.setPin(address, 'a', false);
    await engine.setState(address, 'trash', 5);
    expect(engine.pins(address)).toEqual(['b']);
    await engine.purge(address);
    expect(engine.pins(address)).toEqual([]);
    await put(engine, sample(10));
    expect(engine.pins(address)).toEqual([]);
    expect(engine.usage().bytes).toBe(before);
  });

  test('walks over everything that stays, whatever comes and goes meanwhile', async () => {
    await using engine = await open(roomy);
    const all: Address[] = [];
    for (let seed = 1; seed <= 30; seed += 1) all.push((await put(engine, sample(50, seed))).object.address);
    const removed = new Set(all.filter((_, index) => index % 3 === 0));
    const seen: Address[] = [];
    let turn = 0;
    for (const { address } of engine.entries()) {
      seen.push(address);
      const victim = [...removed][turn];
      turn += 1;
      if (victim !== undefined) {
        await engine.setState(victim, 'trash', 1);
        await engine.purge(victim);
        await put(engine, sample(60, turn));
      }
    }
    expect(new Set(seen).size).toBe(seen.length);
    const stayed = all.filter((address) => !removed.has(address));
    expect(seen.filter((address) => stayed.includes(address))).toEqual(stayed);
  });
}

function limits(open: OpenBlobEngine): void {
  test('refuses objects past their ceiling, announced or not', async () => {
    await using engine = await open({ ...roomy, objectBytesMax: 100_000 });
    for (const announced of [true, false]) {
      await put(engine, sample(99_999), { announced, split: 7_000 });
      await put(engine, sample(100_000), { announced, split: 7_000 });
      const past = put(engine, sample(100_001), { announced, split: 7_000 });
      expect(await refusal(past)).toBe('payload_too_large');
    }
    expect(engine.usage().objects).toBe(2);
  });

  test('refuses at the byte budget, not before, and gives space back', async () => {
    const three = [sample(300_000, 1), sample(300_000, 2), sample(300_000, 3)];
    let needed = 0;
    {
      await using measured = await open(roomy);
      for (const bytes of three) await put(measured, bytes);
      needed = measured.usage().bytes;
    }
    for (const spare of [-1, 0, 1]) {
      await using engine = await open({ ...roomy, bytesMax: needed + spare, objectBytesMax: 300_000 });
      const first = (await put(engine, three[0]!)).object.address;
      await put(engine, three[1]!);
      const before = engine.usage();
      if (spare < 0) {
        expect(await refusal(put(engine, three[2]!))).toBe('insufficient_storage');
        expect(engine.usage()).toEqual(before);
        await engine.setState(first, 'trash', 1);
        await engine.purge(first);
      }
      expect((await put(engine, three[2]!)).stored).toBe(true);
      expect(engine.usage().bytes).toBeLessThanOrEqual(engine.usage().bytesMax);
    }
  });

  test('never passes the byte budget with writers of unknown length', async () => {
    await using engine = await open({ ...roomy, bytesMax: 4 * mib, objectBytesMax: 2 * mib });
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async (_, seed) => {
        const writer = await engine.create(undefined);
        try {
          for (let step = 0; step < 16; step += 1) {
            await writer.write(sample(kib64, seed * 100 + step + 1));
            expect(engine.usage().bytes).toBeLessThanOrEqual(4 * mib);
          }
          await writer.commit(undefined);
          return 'stored';
        } catch (error) {
          await writer.abort();
          return error instanceof RonError ? error.code : Promise.reject(error);
        }
      }),
    );
    expect(new Set(outcomes)).toEqual(new Set(['stored', 'insufficient_storage']));
    expect(engine.usage().objects).toBe(outcomes.filter((outcome) => outcome === 'stored').length);
  });

  test('refuses at the number of objects, trash included', async () => {
    await using engine = await open({ ...roomy, objectsMax: 3 });
    const first = (await put(engine, sample(5, 1))).object.address;
    await put(engine, sample(5, 2));
    await put(engine, sample(5, 3));
    expect(await refusal(put(engine, sample(5, 4)))).toBe('insufficient_storage');
    await engine.setState(first, 'trash', 1);
    expect(await refusal(put(engine, sample(5, 4)))).toBe('insufficient_storage');
    await engine.purge(first);
    expect((await put(engine, sample(5, 4))).stored).toBe(true);
  });
}

function stagings(open: OpenBlobEngine): void {
  const meta = { tenant: 't', createdMs: 1, expiresMs: 2 };
  const id = (digit: number) => String(digit).repeat(32);

  test.each([0, 1, kib64, 3 * mib + 5])('an upload of %i bytes becomes an object', async (size) => {
    await using engine = await open(roomy);
    const before = engine.usage().bytes;
    const bytes = sample(size);
    const staging = await engine.stagings.create(id(1), size, { ...meta, address: addressOf(bytes) });
    expect(staging).toMatchObject({ id: id(1), sizeBytes: size, meta: { tenant: 't', expiresMs: 2 } });
    for (let at = 0; at < size; at += 100_003) {
      expect(staging.contiguousBytes).toBe(at);
      await staging.write(at, bytes.subarray(at, at + 100_003));
    }
    await staging.sync();
    expect(staging.contiguousBytes).toBe(size);
    const reopened = await engine.stagings.open(id(1));
    expect(reopened?.meta.address).toBe(addressOf(bytes));
    expect(Buffer.compare(await reopened!.read(0, size), bytes)).toBe(0);
    expect(await engine.stagings.list()).toEqual([id(1)]);
    const { object, stored } = await staging.commit(addressOf(bytes));
    expect(stored).toBe(true);
    expect(object).toMatchObject({ address: addressOf(bytes), sizeBytes: size });
    expect(Buffer.compare(await bytesOf(engine, object.address), bytes)).toBe(0);
    expect(Buffer.compare(await engine.outboard(object.address), hashTree(bytes).outboard)).toBe(0);
    expect(await engine.stagings.list()).toEqual([]);
    expect(await engine.stagings.open(id(1))).toBeUndefined();
    await engine.setState(object.address, 'trash', 1);
    await engine.purge(object.address);
    expect(engine.usage().bytes).toBe(before);
  });

  test('an upload may be written in any order', async () => {
    await using engine = await open(roomy);
    const bytes = sample(5 * kib64 + 9);
    const staging = await engine.stagings.create(id(2), bytes.byteLength, meta);
    for (const group of [5, 2, 0, 4, 1, 3, 2]) {
      await staging.write(group * kib64, bytes.subarray(group * kib64, (group + 1) * kib64));
      expect(
        Buffer.compare(await staging.read(group * kib64, 9), bytes.subarray(group * kib64, group * kib64 + 9)),
      ).toBe(0);
    }
    expect((await staging.commit(undefined)).object.address).toBe(addressOf(bytes));
  });

  test('an upload of what is there stores nothing more, and one with wrong bytes nothing at all', async () => {
    await using engine = await open(roomy);
    const bytes = sample(150_000);
    await put(engine, bytes);
    const before = engine.usage();
    const same = await engine.stagings.create(id(3), bytes.byteLength, meta);
    await same.write(0, bytes);
    expect((await same.commit(undefined)).stored).toBe(false);
    const wrong = await engine.stagings.create(id(4), bytes.byteLength, meta);
    await wrong.write(0, sample(150_000, 9));
    expect(await refusal(wrong.commit(addressOf(bytes)))).toBe('bad_digest');
    await wrong.remove();
    expect(await engine.stagings.list()).toEqual([]);
    expect(engine.usage()).toEqual(before);
  });

  test('uploads are within the limits of objects, and removing one gives its space back', async () => {
    await using engine = await open({ ...roomy, bytesMax: 4 * mib, objectBytesMax: mib });
    const before = engine.usage();
    expect(await refusal(engine.stagings.create(id(5), mib + 1, meta))).toBe('payload_too_large');
    const staging = await engine.stagings.create(id(6), mib, meta);
    expect(await refusal(engine.stagings.create(id(6), 1, meta))).toBe('conflict');
    await staging.write(0, sample(mib));
    expect(engine.usage().bytes).toBeGreaterThanOrEqual(mib);
    await staging.remove();
    await staging.remove();
    expect(engine.usage()).toEqual(before);
  });
}
