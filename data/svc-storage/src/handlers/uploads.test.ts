import { hash, hashTree } from '@ron/b3';
import { type Address, addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, call, HandClock, pieces, refusal, sample, startStorage, type TestBed } from '../test-bed.ts';

const kib64 = 65_536;

function addressOf(bytes: Uint8Array): Address {
  return addressFromHash(hash(bytes));
}

async function stored(bed: TestBed, address: string): Promise<Uint8Array> {
  return await bytesOf((await bed.handlers.get({ address }, call())).body);
}

/** Indexes of the groups that a report calls missing. */
function missingOf(report: { missing?: string }): number[] {
  const bits = Buffer.from(report.missing ?? '', 'base64url');
  return [...bits].flatMap((byte, at) =>
    [...Array(8).keys()].filter((bit) => byte & (1 << bit)).map((b) => at * 8 + b),
  );
}

describe('plain uploads', () => {
  test('append at the offset and answer 409 with it elsewhere', async () => {
    await using bed = await startStorage();
    const bytes = sample(200_000);
    const begun = await bed.handlers.upload_create({ size: bytes.byteLength }, call());
    expect(begun).toMatchObject({ offset: 0, complete: false, size: 200_000 });
    expect(begun.expires_at).toBe(bed.clock.wallMs() + bed.settings.upload_ttl_ms);
    const id = { upload_id: begun.upload_id };
    const part = await bed.handlers.upload_write({ ...id, offset: 0 }, call({ body: bytes.subarray(0, 70_000) }));
    expect(part).toMatchObject({ offset: 70_000, complete: false });
    const elsewhere = bed.handlers.upload_write({ ...id, offset: 69_999 }, call({ body: bytes.subarray(69_999) }));
    await expect(elsewhere).rejects.toMatchObject({ code: 'conflict', details: { offset: 70_000 } });
    const end = await bed.handlers.upload_write({ ...id, offset: 70_000 }, call({ body: bytes.subarray(70_000) }));
    expect(end).toMatchObject({ offset: 200_000, complete: true, address: addressOf(bytes), durability: 'memory' });
    expect(part.durability).toBeUndefined();
    expect(await bed.handlers.upload_status(id, call())).toEqual(end);
    expect(await stored(bed, end.address!)).toEqual(bytes);
    expect((await bed.handlers.usage({}, call())).uploads).toBe(0);
  });

  test('keep what arrived before a body broke off', async () => {
    await using bed = await startStorage();
    const bytes = sample(100_000);
    const { upload_id } = await bed.handlers.upload_create({ size: bytes.byteLength }, call());
    const broken = call({ body: pieces(bytes, 1_000, 42_000) });
    expect(await refusal(() => bed.handlers.upload_write({ upload_id, offset: 0 }, broken))).toBe('request_timeout');
    expect((await bed.handlers.upload_status({ upload_id }, call())).offset).toBe(42_000);
    const rest = call({ body: bytes.subarray(42_000) });
    expect((await bed.handlers.upload_write({ upload_id, offset: 42_000 }, rest)).address).toBe(addressOf(bytes));
  });

  test('refuse more bytes than announced, and bytes of another address', async () => {
    await using bed = await startStorage();
    const bytes = sample(1_000);
    const before = bed.blobs.usage().bytes;
    const first = await bed.handlers.upload_create({ size: 999 }, call());
    const longer = () => bed.handlers.upload_write({ upload_id: first.upload_id, offset: 0 }, call({ body: bytes }));
    expect(await refusal(longer)).toBe('payload_too_large');
    await bed.handlers.upload_abort({ upload_id: first.upload_id }, call());
    const second = await bed.handlers.upload_create({ size: 1_000, address: addressOf(sample(5)) }, call());
    const wrong = () => bed.handlers.upload_write({ upload_id: second.upload_id, offset: 0 }, call({ body: bytes }));
    expect(await refusal(wrong)).toBe('bad_digest');
    expect(await refusal(() => bed.handlers.upload_status({ upload_id: second.upload_id }, call()))).toBe('not_found');
    expect(bed.blobs.usage()).toMatchObject({ objects: 0, bytes: before });
  });

  test('of nothing, and of what is here already, are complete at once', async () => {
    await using bed = await startStorage();
    const empty = await bed.handlers.upload_create({ size: 0 }, call());
    expect(empty).toMatchObject({ complete: true, address: addressOf(new Uint8Array(0)) });
    const bytes = sample(80_000);
    const { address } = await bed.handlers.put({}, call({ body: bytes }));
    const again = await bed.handlers.upload_create({ size: 80_000, address }, call());
    expect(again).toMatchObject({ complete: true, offset: 80_000, address, durability: 'memory' });
  });

  test('go on where they were when begun again for the same address, size and tenant', async () => {
    await using bed = await startStorage();
    const bytes = sample(100_000);
    const request = { size: bytes.byteLength, address: addressOf(bytes) };
    const first = await bed.handlers.upload_create(request, call());
    const broken = call({ body: pieces(bytes, 1_000, 42_000) });
    const { upload_id } = first;
    expect(await refusal(() => bed.handlers.upload_write({ upload_id, offset: 0 }, broken))).toBe('request_timeout');
    const again = await bed.handlers.upload_create(request, call());
    expect(again).toEqual({ ...first, offset: 42_000 });
    const others = [
      await bed.handlers.upload_create(request, call({ tenant: 'other' })),
      await bed.handlers.upload_create({ ...request, size: 99_999 }, call()),
      await bed.handlers.upload_create({ ...request, address: addressOf(sample(5)) }, call()),
      await bed.handlers.upload_create({ size: request.size }, call()),
      await bed.handlers.upload_create({ size: request.size }, call()),
      await bed.handlers.upload_create(request, call({ body: hashTree(bytes).outboard })),
    ];
    expect(new Set([upload_id, ...others.map((other) => other.upload_id)]).size).toBe(7);
    expect(others.map(({ offset }) => offset)).toEqual([0, 0, 0, 0, 0, 0]);
    const rest = call({ body: bytes.subarray(42_000) });
    expect((await bed.handlers.upload_write({ upload_id, offset: 42_000 }, rest)).complete).toBe(true);
    expect(await stored(bed, request.address)).toEqual(bytes);
  });

  test('that expired are not gone on with', async () => {
    await using bed = await startStorage({ config: { upload_ttl_ms: 10_000, upload_sweep_ms: 60_000 } });
    const request = { size: 10, address: addressOf(sample(10)) };
    const { upload_id } = await bed.handlers.upload_create(request, call());
    await bed.handlers.upload_write({ upload_id, offset: 0 }, call({ body: sample(4) }));
    await bed.clock.pass(11_000);
    const again = await bed.handlers.upload_create(request, call());
    expect(again.offset).toBe(0);
    expect(again.upload_id).not.toBe(upload_id);
  });

  test('belong to their tenant', async () => {
    await using bed = await startStorage();
    const { upload_id } = await bed.handlers.upload_create({ size: 5 }, call({ tenant: 'a' }));
    const foreign = call({ tenant: 'b', body: sample(5) });
    expect(await refusal(() => bed.handlers.upload_status({ upload_id }, foreign))).toBe('not_found');
    expect(await refusal(() => bed.handlers.upload_write({ upload_id, offset: 0 }, foreign))).toBe('not_found');
    expect(await refusal(() => bed.handlers.upload_abort({ upload_id }, foreign))).toBe('not_found');
    expect((await bed.handlers.upload_status({ upload_id }, call({ tenant: 'a' }))).offset).toBe(0);
  });

  test('take one writer at a time', async () => {
    await using bed = await startStorage();
    const { upload_id } = await bed.handlers.upload_create({ size: 10 }, call());
    const gate = Promise.withResolvers<void>();
    const slow = async function* () {
      yield sample(4);
      await gate.promise;
      yield sample(10).subarray(4);
    };
    const first = bed.handlers.upload_write({ upload_id, offset: 0 }, call({ body: slow() }));
    await bed.clock.pass(1);
    const second = () => bed.handlers.upload_write({ upload_id, offset: 4 }, call({ body: sample(6) }));
    expect(await refusal(second)).toBe('conflict');
    gate.resolve();
    expect((await first).address).toBe(addressOf(sample(10)));
  });

  test('are bounded in number, and leave when they expire, whatever the wall clock does', async () => {
    await using bed = await startStorage({ config: { uploads_max: 2, upload_ttl_ms: 10_000, upload_sweep_ms: 1_000 } });
    const before = bed.blobs.usage().bytes;
    const { upload_id } = await bed.handlers.upload_create({ size: 100_000 }, call());
    await bed.handlers.upload_write({ upload_id, offset: 0 }, call({ body: sample(50_000) }));
    await bed.handlers.upload_create({ size: 1 }, call());
    expect(await refusal(() => bed.handlers.upload_create({ size: 1 }, call()))).toBe('insufficient_storage');
    bed.clock.jumpWall(86_400_000);
    await bed.clock.pass(9_000);
    expect((await bed.handlers.upload_status({ upload_id }, call())).offset).toBe(50_000);
    await bed.clock.pass(2_000);
    expect(await refusal(() => bed.handlers.upload_status({ upload_id }, call()))).toBe('not_found');
    expect((await bed.handlers.usage({}, call())).uploads).toBe(0);
    expect(bed.blobs.usage().bytes).toBe(before);
  });
});

describe('verified uploads', () => {
  test('take groups in any order, each proven, and say which are missing', async () => {
    await using bed = await startStorage();
    const bytes = sample(kib64 * 10 + 77);
    const { outboard, root } = hashTree(bytes);
    const address = addressFromHash(root);
    const begun = await bed.handlers.upload_create(
      { size: bytes.byteLength, address },
      call({ body: pieces(outboard, 50) }),
    );
    expect(missingOf(begun)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const { upload_id } = begun;
    const send = (first: number, last: number) =>
      bed.handlers.upload_write(
        { upload_id, offset: first * kib64 },
        call({ body: pieces(bytes.subarray(first * kib64, (last + 1) * kib64), 33_333) }),
      );
    expect(missingOf(await send(9, 10))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(missingOf(await send(0, 2))).toEqual([3, 4, 5, 6, 7, 8]);
    expect((await send(1, 3)).offset).toBe(4 * kib64);
    const end = await send(4, 8);
    expect(end).toMatchObject({ complete: true, address, offset: bytes.byteLength });
    expect(await stored(bed, address)).toEqual(bytes);
  });

  test('never keep a wrong byte', async () => {
    await using bed = await startStorage();
    const bytes = sample(kib64 * 3);
    const { outboard, root } = hashTree(bytes);
    const { upload_id } = await bed.handlers.upload_create(
      { size: bytes.byteLength, address: addressFromHash(root) },
      call({ body: outboard }),
    );
    const flipped = bytes.slice();
    flipped[kib64 * 2 - 1]! ^= 4;
    const write = (offset: number, body: AsyncIterable<Uint8Array> | Uint8Array) =>
      bed.handlers.upload_write({ upload_id, offset }, call({ body }));
    expect(await refusal(() => write(0, flipped))).toBe('bad_digest');
    expect(missingOf(await bed.handlers.upload_status({ upload_id }, call()))).toEqual([1, 2]);
    expect(await refusal(() => write(100, bytes))).toBe('bad_request');
    expect(await refusal(() => write(kib64 * 3, bytes))).toBe('bad_request');
    expect(await refusal(() => write(kib64, bytes.subarray(kib64, kib64 + 5)))).toBe('bad_request');
    const broken = pieces(bytes.subarray(kib64), 10_000, kib64 + 20_000);
    expect(await refusal(() => write(kib64, broken))).toBe('request_timeout');
    expect(missingOf(await bed.handlers.upload_status({ upload_id }, call()))).toEqual([2]);
    const tooLong = Buffer.concat([bytes.subarray(kib64 * 2), new Uint8Array(1)]);
    expect(await refusal(() => write(kib64 * 2, tooLong))).toBe('payload_too_large');
    expect((await write(kib64 * 2, bytes.subarray(kib64 * 2))).complete).toBe(true);
  });

  test('refuse a tree that does not belong to the address before any byte', async () => {
    await using bed = await startStorage();
    const bytes = sample(kib64 * 4);
    const { outboard, root } = hashTree(bytes);
    const address = addressFromHash(root);
    const create = (size: number, body: Uint8Array, announced: Address | undefined = address) =>
      bed.handlers.upload_create(announced === undefined ? { size } : { size, address: announced }, call({ body }));
    const before = bed.blobs.usage().bytes;
    const flipped = outboard.slice();
    flipped[8 + 64 * 2]! ^= 1;
    expect(await refusal(() => create(bytes.byteLength, flipped))).toBe('bad_digest');
    expect(await refusal(() => create(bytes.byteLength - 1, outboard))).toBe('bad_digest');
    expect(await refusal(() => create(bytes.byteLength, outboard.subarray(0, 8)))).toBe('bad_digest');
    const longer = new Uint8Array(outboard.byteLength + 1);
    expect(await refusal(() => create(bytes.byteLength, longer))).toBe('bad_request');
    const nowhere = () => bed.handlers.upload_create({ size: bytes.byteLength }, call({ body: outboard }));
    expect(await refusal(nowhere)).toBe('bad_request');
    expect(bed.blobs.usage().bytes).toBe(before);
    bed.settings.upload_outboard_bytes_max = outboard.byteLength - 1;
    expect(await refusal(() => create(bytes.byteLength, outboard))).toBe('insufficient_storage');
    bed.settings.upload_outboard_bytes_max += 1;
    expect(missingOf(await create(bytes.byteLength, outboard))).toEqual([0, 1, 2, 3]);
  });

  test('of nothing and of one group', async () => {
    await using bed = await startStorage();
    const nothing = hashTree(new Uint8Array(0));
    const empty = await bed.handlers.upload_create(
      { size: 0, address: addressFromHash(nothing.root) },
      call({ body: nothing.outboard }),
    );
    expect(empty.complete).toBe(true);
    const one = hashTree(sample(100));
    const { upload_id } = await bed.handlers.upload_create(
      { size: 100, address: addressFromHash(one.root) },
      call({ body: one.outboard }),
    );
    expect((await bed.handlers.upload_write({ upload_id, offset: 0 }, call({ body: sample(100) }))).complete).toBe(
      true,
    );
  });

  test('are proven again after a restart, so that only the rest is sent', async () => {
    const clock = new HandClock();
    const bytes = sample(kib64 * 5);
    const { outboard, root } = hashTree(bytes);
    const first = await startStorage({ clock });
    const { upload_id } = await first.handlers.upload_create(
      { size: bytes.byteLength, address: addressFromHash(root) },
      call({ body: outboard }),
    );
    const part = call({ body: bytes.subarray(kib64 * 3) });
    await first.handlers.upload_write({ upload_id, offset: kib64 * 3 }, part);
    await first[Symbol.asyncDispose]();
    await using second = await startStorage({ clock, blobs: first.blobs });
    expect((await second.handlers.usage({}, call())).uploads).toBe(1);
    expect(missingOf(await second.handlers.upload_status({ upload_id }, call()))).toEqual([0, 1, 2]);
    const rest = call({ body: bytes.subarray(0, kib64 * 3) });
    expect((await second.handlers.upload_write({ upload_id, offset: 0 }, rest)).complete).toBe(true);
  });
});

test('an upload that goes on after any breaks ends with the right bytes (property)', async () => {
  const step = fc.record({
    piece: fc.integer({ min: 1, max: 90_000 }),
    breakAfter: fc.integer({ min: 0, max: 200_000 }),
  });
  const scenario = fc.record({
    size: fc.integer({ min: 1, max: 300_000 }),
    verified: fc.boolean(),
    steps: fc.array(step),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ size, verified, steps }) => {
      await using bed = await startStorage();
      const bytes = sample(size);
      const { outboard, root } = hashTree(bytes);
      const address = addressFromHash(root);
      const begun = await bed.handlers.upload_create({ size, address }, call(verified ? { body: outboard } : {}));
      const { upload_id } = begun;
      let { offset, complete } = begun;
      for (const { piece, breakAfter } of [...steps, { piece: 50_000, breakAfter: Number.POSITIVE_INFINITY }]) {
        if (complete) break;
        const body = pieces(bytes.subarray(offset), piece, breakAfter);
        try {
          ({ complete } = await bed.handlers.upload_write({ upload_id, offset }, call({ body })));
        } catch (error) {
          if (!(error instanceof RonError) || error.code !== 'request_timeout') throw error;
        }
        const report = await bed.handlers.upload_status({ upload_id }, call());
        expect(report.offset).toBeGreaterThanOrEqual(offset);
        ({ offset, complete } = report);
      }
      expect(complete).toBe(true);
      expect(Buffer.compare(await stored(bed, address), bytes)).toBe(0);
    }),
    { numRuns: 40 },
  );
});
