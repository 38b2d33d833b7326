import { hash, hashTree, verifyOutboard, verifySlice } from '@ron/b3';
import { type Address, addressFromHash, encodeManifest, hashFromAddress } from '@ron/naming';
import { ResidentBody } from '@ron/proto/stream';
import { describe, expect, test } from 'vitest';
import { bytesOf, call, pieces, refusal, sample, startStorage, type TestBed } from '../test-bed.ts';

const kib64 = 65_536;

function addressOf(bytes: Uint8Array): Address {
  return addressFromHash(hash(bytes));
}

async function store(bed: TestBed, bytes: Uint8Array): Promise<Address> {
  return (await bed.handlers.put({}, call({ body: bytes }))).address as Address;
}

describe('put', () => {
  test.each([0, 1, kib64 - 1, kib64, kib64 + 1, 3_000_001])('stores %i bytes under their address', async (size) => {
    await using bed = await startStorage();
    const bytes = sample(size);
    const first = await bed.handlers.put({}, call({ body: pieces(bytes, 10_007) }));
    expect(first).toEqual({ address: addressOf(bytes), size, stored: true, durability: 'memory' });
    expect((await bed.handlers.put({}, call({ body: bytes }))).stored).toBe(false);
    const { body } = await bed.handlers.get({ address: first.address }, call());
    expect(Buffer.compare(await bytesOf(body), bytes)).toBe(0);
  });

  test('with an address that is here only hashes what comes', async () => {
    await using bed = await startStorage();
    const bytes = sample(200_000);
    const address = await store(bed, bytes);
    const used = bed.blobs.usage().bytes;
    let most = 0;
    const watching = async function* () {
      for await (const piece of pieces(bytes, 4_096)) {
        yield piece;
        most = Math.max(most, bed.blobs.usage().bytes);
      }
    };
    expect((await bed.handlers.put({ address }, call({ body: watching() }))).stored).toBe(false);
    expect(most).toBe(used);
    expect(await refusal(() => bed.handlers.put({ address }, call({ body: sample(5) })))).toBe('bad_digest');
  });

  test('leaves nothing after a wrong address, a broken body or a wrong length', async () => {
    await using bed = await startStorage();
    const bytes = sample(150_000);
    const before = bed.blobs.usage();
    const wrong = addressOf(sample(3));
    expect(await refusal(() => bed.handlers.put({ address: wrong }, call({ body: bytes })))).toBe('bad_digest');
    const broken = () => bed.handlers.put({}, call({ body: pieces(bytes, 1_000, 120_000) }));
    expect(await refusal(broken)).toBe('request_timeout');
    expect(await refusal(() => bed.handlers.put({ size: 7 }, call({ body: bytes })))).toBe('bad_request');
    expect(bed.blobs.usage()).toEqual(before);
  });

  test('refuses at the object limit, announced or not', async () => {
    await using bed = await startStorage({ config: { object_bytes_max: 1_000 } });
    const put = (size: number, bodyBytes?: number) =>
      bed.handlers.put(
        {},
        call({ body: pieces(sample(size), 300), ...(bodyBytes === undefined ? {} : { bodyBytes }) }),
      );
    expect((await put(999)).size).toBe(999);
    expect((await put(1_000, 1_000)).size).toBe(1_000);
    expect(await refusal(() => put(1_001))).toBe('payload_too_large');
    let read = false;
    const untouched = async function* () {
      read = true;
      yield new Uint8Array(1);
    };
    const early = () => bed.handlers.put({}, call({ body: untouched(), bodyBytes: 1_001 }));
    expect(await refusal(early)).toBe('payload_too_large');
    expect(read).toBe(false);
    bed.settings.object_bytes_max = 2_000;
    expect((await put(1_001)).size).toBe(1_001);
  });
});

describe('get', () => {
  test('answers spans, and cuts what reaches past the end', async () => {
    await using bed = await startStorage();
    const bytes = sample(2_500_000);
    const address = await store(bed, bytes);
    const spans = [
      [0, 1],
      [kib64 - 1, 2],
      [1_048_575, 2],
      [2_499_999, 1],
      [1, 2_499_998],
      [2_000_000, 9_000_000],
      [5, 0],
    ] as const;
    for (const [start, length] of spans) {
      const { output, body } = await bed.handlers.get({ address, start, length }, call());
      const expected = bytes.subarray(start, start + length);
      expect(output).toEqual({ address, size: bytes.byteLength, start, length: expected.byteLength });
      expect(Buffer.compare(await bytesOf(body), expected)).toBe(0);
    }
  });

  test('is synchronous and resident inside one piece of memory', async () => {
    await using bed = await startStorage();
    const address = await store(bed, sample(100_000));
    const reply = bed.handlers.get({ address, start: 10, length: 90_000 }, call());
    expect(reply).not.toBeInstanceOf(Promise);
    expect((await reply).body).toBeInstanceOf(ResidentBody);
  });

  test('refuses starts past the end and unknown addresses', async () => {
    await using bed = await startStorage();
    const address = await store(bed, sample(10));
    const empty = await store(bed, new Uint8Array(0));
    for (const start of [10, 11, Number.MAX_SAFE_INTEGER]) {
      expect(await refusal(() => bed.handlers.get({ address, start }, call()))).toBe('range_not_satisfiable');
    }
    expect(await refusal(() => bed.handlers.get({ address: empty, start: 1 }, call()))).toBe('range_not_satisfiable');
    expect((await bed.handlers.get({ address: empty, start: 0 }, call())).output.length).toBe(0);
    expect(await refusal(() => bed.handlers.get({ address: addressOf(sample(9)) }, call()))).toBe('not_found');
  });
});

describe('slice and outboard', () => {
  test('prove themselves against the address alone', async () => {
    await using bed = await startStorage();
    const bytes = sample(700_003);
    const address = await store(bed, bytes);
    const root = hashFromAddress(address);
    for (const [start, length] of [
      [0, 1],
      [100_000, 300_000],
      [700_002, 1],
      [0, 700_003],
    ] as const) {
      const { output, body } = await bed.handlers.slice({ address, start, length }, call());
      const slice = await bytesOf(body);
      expect(slice.byteLength).toBe(output.slice_size);
      const proven = await bytesOf(verifySlice(pieces(slice, 9_999), { root, start, length }));
      expect(Buffer.compare(proven, bytes.subarray(start, start + length))).toBe(0);
    }
    const reply = await bed.handlers.outboard({ address }, call());
    const outboard = await bytesOf(reply.body);
    expect(outboard).toEqual(hashTree(bytes).outboard);
    expect(reply.output).toEqual({ address, size: bytes.byteLength, outboard_size: outboard.byteLength });
    expect(verifyOutboard({ root, outboard, bytes }).size).toBe(bytes.byteLength);
  });

  test('of one byte and of nothing', async () => {
    await using bed = await startStorage();
    for (const bytes of [new Uint8Array(0), sample(1)]) {
      const address = await store(bed, bytes);
      const { output, body } = await bed.handlers.slice({ address }, call());
      expect(output.slice_size).toBe(8 + bytes.byteLength);
      expect((await bytesOf(body)).byteLength).toBe(output.slice_size);
      expect((await bytesOf((await bed.handlers.outboard({ address }, call())).body)).byteLength).toBe(8);
    }
  });
});

describe('has, stat, usage', () => {
  test('tell what is here', async () => {
    await using bed = await startStorage();
    const here = await store(bed, sample(12));
    const gone = addressOf(sample(13));
    expect(await bed.handlers.has({ addresses: [gone, here] }, call())).toEqual({ present: [here], missing: [gone] });
    const described = await bed.handlers.stat({ address: here }, call());
    expect(described).toMatchObject({ address: here, size: 12, state: 'live', durability: 'memory' });
    expect(described.created_at).toBe(bed.clock.wallMs());
    expect(await refusal(() => bed.handlers.stat({ address: gone }, call()))).toBe('not_found');
    const usage = await bed.handlers.usage({}, call());
    expect(usage).toMatchObject({ objects: 1, trash_objects: 0, quarantined: 0, uploads: 0, durability: 'memory' });
    expect(usage.bytes).toBeGreaterThan(12);
    expect(await bed.metrics.exposition()).toContain('storage_objects 1');
  });
});

describe('why', () => {
  test('names every holder', async () => {
    await using bed = await startStorage();
    const file = await store(bed, sample(40));
    const entry = { path: 'a.txt', address: file, size: 40, mime: 'text/plain' };
    const site = await store(bed, encodeManifest([entry]));
    bed.index.names.set('docs', file);
    bed.index.names.set('site', site);
    bed.mailbox.messages.set('inbox/01JD0000000000000000000001', file);
    await bed.handlers.pin({ address: file, holder: 'keeper' }, call());
    const fresh = await bed.handlers.why({ address: file }, call());
    expect(fresh.holders.map(({ kind }) => kind)).toContain('recent');
    await bed.clock.pass(bed.settings.grace_ms + 1);
    expect(await bed.handlers.why({ address: file }, call())).toEqual({
      address: file,
      present: true,
      state: 'live',
      holders: [
        { kind: 'name', id: 'docs' },
        { kind: 'manifest', id: site },
        { kind: 'message', id: 'inbox/01JD0000000000000000000001' },
        { kind: 'pin', id: 'keeper' },
      ],
    });
    await bed.handlers.unpin({ address: file, holder: 'keeper' }, call());
    bed.index.names.clear();
    bed.mailbox.messages.clear();
    expect((await bed.handlers.why({ address: file }, call())).holders).toEqual([]);
    const unknown = addressOf(sample(99));
    expect(await bed.handlers.why({ address: unknown }, call())).toMatchObject({ present: false, state: 'absent' });
  });
});

describe('damage', () => {
  /** Flips a bit of what lies in memory, through the view that a read gives out. */
  function damage(bed: TestBed, address: Address, at: number): void {
    const { bytes } = bed.blobs.read(address, at, 1) as ResidentBody;
    bytes[0]! ^= 1;
  }

  test('is found by a scrub at its pace, quarantined, listed, and healed by a good put', async () => {
    await using bed = await startStorage();
    const good = await store(bed, sample(300_000, 1));
    const bad = await store(bed, sample(300_000, 2));
    const small = await store(bed, sample(100, 3));
    damage(bed, bad, 70_000);
    damage(bed, small, 99);
    const started = await bed.handlers.scrub({ action: 'start', bytes_per_second: 100_000 }, call());
    expect(started.running).toBe(true);
    await bed.clock.pass(1_000);
    const halfway = await bed.handlers.scrub({ action: 'status' }, call());
    expect(halfway).toMatchObject({ running: true, total_bytes: 600_100, checked_bytes: 300_000, bad: [] });
    expect(halfway.eta_ms).toBe(3_001);
    await bed.clock.pass(10_000);
    const done = await bed.handlers.scrub({ action: 'status' }, call());
    expect(done).toMatchObject({ running: false, checked_objects: 3, bad: [bad, small] });
    expect(done.eta_ms).toBeUndefined();
    expect(bed.corrupt).toEqual([bad, small]);
    expect(bed.told.filter((each) => each.startsWith('-'))).toEqual([`-${bad}`, `-${small}`]);
    expect(bed.metrics.read('integrity_fail_total')).toBe(2);
    expect((await bed.handlers.quarantined({}, call())).addresses).toEqual([bad, small].sort());
    expect(await refusal(() => bed.handlers.get({ address: bad }, call()))).toBe('integrity');
    expect((await bed.handlers.stat({ address: bad }, call())).state).toBe('quarantined');
    expect((await bed.handlers.has({ addresses: [bad, good] }, call())).missing).toEqual([bad]);

    expect((await bed.handlers.put({ address: bad }, call({ body: sample(300_000, 2) }))).stored).toBe(true);
    expect(await bytesOf((await bed.handlers.get({ address: bad }, call())).body)).toEqual(sample(300_000, 2));
    expect((await bed.handlers.quarantined({}, call())).addresses).toEqual([small]);
  });

  /** Reads as a disk does: group by group, each verified before it leaves. */
  function readInGroups({ blobs }: TestBed): void {
    const read = blobs.read.bind(blobs);
    blobs.read = async function* (address, start, length) {
      for (let at = start; at < start + length; ) {
        const until = Math.min(start + length, (Math.floor(at / kib64) + 1) * kib64);
        await blobs.verify!(address, at, until - at);
        yield* read(address, at, until - at);
        at = until;
      }
    };
  }

  test('in the first group is a plain refusal, later it breaks the body off; both count', async () => {
    await using bed = await startStorage();
    const bytes = sample(200_000);
    const address = await store(bed, bytes);
    const other = await store(bed, sample(200_000, 2));
    damage(bed, address, 140_000);
    damage(bed, other, 10);
    readInGroups(bed);
    const whole = await bed.handlers.get({ address, start: 70_000, length: 10_000 }, call());
    expect(whole.body).toBeInstanceOf(ResidentBody);
    expect(Buffer.compare(await bytesOf(whole.body), bytes.subarray(70_000, 80_000))).toBe(0);
    expect(await refusal(() => bed.handlers.get({ address: other }, call()))).toBe('integrity');
    expect(bed.metrics.read('integrity_fail_total')).toBe(1);
    const { body } = await bed.handlers.get({ address, start: 1_000 }, call());
    const arrived: Uint8Array[] = [];
    const reading = async () => {
      for await (const piece of body) arrived.push(piece);
    };
    expect(await refusal(reading)).toBe('integrity');
    expect(Buffer.compare(Buffer.concat(arrived), bytes.subarray(1_000, 2 * kib64))).toBe(0);
    expect(bed.metrics.read('integrity_fail_total')).toBe(2);
    expect(bed.corrupt).toEqual([other, address]);
  });

  test('a scrub stops when told to and when the service ends', async () => {
    const bed = await startStorage();
    await store(bed, sample(3_000_000));
    await bed.handlers.scrub({ action: 'start', bytes_per_second: 65_536 }, call());
    await bed.clock.pass(10);
    expect((await bed.handlers.scrub({ action: 'stop' }, call())).running).toBe(false);
    await bed.handlers.scrub({ action: 'start', bytes_per_second: 65_536 }, call());
    await bed[Symbol.asyncDispose]();
    expect((await bed.handlers.scrub({ action: 'status' }, call())).running).toBe(false);
  });

  test('pages of quarantined objects follow each other', async () => {
    await using bed = await startStorage();
    const bad: Address[] = [];
    for (let seed = 1; seed <= 1_003; seed += 1) bad.push(await store(bed, sample(16, seed)));
    for (const address of bad) damage(bed, address, 3);
    await bed.handlers.scrub({ action: 'start', bytes_per_second: 1_000_000 }, call());
    while ((await bed.handlers.scrub({ action: 'status' }, call())).running) await bed.clock.pass(100);
    const first = await bed.handlers.quarantined({}, call());
    expect(first.addresses).toHaveLength(1_000);
    const second = await bed.handlers.quarantined({ cursor: first.cursor! }, call());
    expect(second.cursor).toBeUndefined();
    expect([...first.addresses, ...second.addresses]).toEqual(bad.sort());
  });
});
