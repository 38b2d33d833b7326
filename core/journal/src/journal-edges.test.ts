import { describe, expect, it } from 'vitest';
import { type Journal, type JournalOptions, openJournal, type RecordLocation } from './index.ts';
import { CrashDisk, type CrashDiskOptions, DiskError } from './testing/crash-disk.ts';

const folder = 'log';
const small = {
  segmentBytes: 4096,
  preallocateBytes: 2048,
  reserveBytes: 256,
  recordBytesMax: 3000,
  batchBytesMax: 2048,
};
const random = { bytes: (length: number) => new Uint8Array(length).fill(7), unit: () => 0.5 };
const segmentPath = `${folder}/00000001.log`;
const MiB = 1024 * 1024;

function open(disk: CrashDisk, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return openJournal({ env: { disk, random }, folder, ...small, ...options });
}

function flip(bytes: Uint8Array, at: number): void {
  bytes[at]! ^= 1;
}

function failing(matches: (name: string, path: string) => string | undefined): CrashDiskOptions {
  return {
    before: (_, name, path) => {
      const code = matches(name, path);
      if (code !== undefined) throw new DiskError(code);
    },
  };
}

describe('options', () => {
  it('have bounds', async () => {
    for (const options of [
      { segmentBytes: 0 },
      { segmentBytes: 1.5 },
      { segmentBytes: 2 ** 30 + 1 },
      { recordBytesMax: 2 ** 24 + 1 },
      { openSegmentsMax: -1 },
    ]) {
      await expect(open(new CrashDisk(), options)).rejects.toThrow(RangeError);
    }
  });

  it('have defaults that take a record of 1 MiB', async () => {
    const disk = new CrashDisk();
    const journal = await openJournal({ env: { disk, random }, folder });
    const place = await journal.append(1, [new Uint8Array(MiB).fill(3)]);
    expect(await journal.read(place)).toEqual(Buffer.alloc(MiB, 3));
    await journal[Symbol.asyncDispose]();
    await journal[Symbol.asyncDispose]();
  });
});

describe('descriptors', () => {
  it('are bounded: reads of other segments open them and close the oldest', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk, { openSegmentsMax: 1 });
    const places: RecordLocation[] = [];
    for (let index = 0; index < 30; index++) places.push(await journal.append(1, [new Uint8Array(900).fill(index)]));
    expect(new Set(places.map(({ segment }) => segment)).size).toBeGreaterThan(4);
    const reads = await Promise.all(places.map((place) => journal.read(place)));
    for (const [index, bytes] of reads.entries()) expect(bytes).toEqual(Buffer.alloc(900, index));
    // Two at once of one closed segment share its descriptor.
    const twice = await Promise.all([journal.read(places[0]!), journal.read(places[1]!)]);
    expect(twice).toHaveLength(2);
    disk.bytes(segmentPath)[places[0]!.offsetBytes + 40]! ^= 1;
    await journal.read(places[10]!);
    await expect(Promise.resolve(journal.read(places[0]!))).rejects.toMatchObject({ reason: 'corrupt' });
    await expect(async () => journal.read({ ...places[0]!, payloadBytes: 2 ** 20 })).rejects.toMatchObject({
      reason: 'corrupt',
    });
    const { segment, offsetBytes } = places.at(-1)!;
    const beyond = { segment, offsetBytes: offsetBytes + 100_000, payloadBytes: 10 };
    await expect(async () => journal.read(beyond)).rejects.toMatchObject({ reason: 'corrupt' });
    await journal[Symbol.asyncDispose]();
  });

  it('that run out when a segment begins refuse the append only', async () => {
    let armed = false;
    const disk = new CrashDisk(
      failing((name, path) => (armed && name === 'open' && path.endsWith('.new') ? 'EMFILE' : undefined)),
    );
    const journal = await open(disk);
    for (let index = 0; index < 5; index++) await journal.append(1, [new Uint8Array(900)]);
    armed = true;
    await expect(journal.append(1, [new Uint8Array(900)])).rejects.toMatchObject({ reason: 'full' });
    armed = false;
    await journal.append(1, [new Uint8Array(900)]);
    expect(journal.segments()).toHaveLength(2);
    await journal[Symbol.asyncDispose]();
  });
});

describe('large batches', () => {
  const large = { segmentBytes: 8 * MiB, preallocateBytes: MiB, batchBytesMax: 4 * MiB, recordBytesMax: MiB };

  it('extend the file themselves and come back', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk, large);
    const payloads = [500_000, 20_000, 10, 700_000, 15_000, 1_000_000].map((size, at) =>
      new Uint8Array(size).fill(at + 1),
    );
    const many = Array.from({ length: 120 }, () => new Uint8Array(10_000).fill(9));
    const places = await Promise.all([...payloads, ...many].map((payload) => journal.append(1, [payload])));
    await journal.append(1, [new Uint8Array(5)]);
    for (const [index, payload] of payloads.entries()) {
      expect(Buffer.from(await journal.read(places[index]!)).equals(payload)).toBe(true);
    }
    let count = 0;
    await journal.replay(async () => {
      count += 1;
    });
    expect(count).toBe(payloads.length + many.length + 1);
    await journal[Symbol.asyncDispose]();
  });

  it('that meet a full disk are cut off again', async () => {
    const disk = new CrashDisk({ capacityBytes: 1_900_000 });
    const journal = await open(disk, large);
    await journal.append(1, [new Uint8Array(900_000)]);
    await expect(journal.append(1, [new Uint8Array(MiB)])).rejects.toMatchObject({ reason: 'full' });
    await journal.append(3, [new Uint8Array(100)], { urgent: true });
    disk.options = { capacityBytes: 20 * MiB };
    await journal.append(2, [new Uint8Array(MiB)]);
    await journal[Symbol.asyncDispose]();
    const kinds: number[] = [];
    const again = await open(disk, { ...large, visit: ({ kind }) => void kinds.push(kind) });
    expect(kinds).toEqual([1, 3, 2]);
    expect(again.damage).toEqual([]);
  });
});

describe('opening', () => {
  it('refuses what is no plain file under the name of a segment', async () => {
    const disk = new CrashDisk();
    await (await open(disk))[Symbol.asyncDispose]();
    const stat = disk.stat.bind(disk);
    disk.stat = async (path) => (path === segmentPath ? { kind: 'other', sizeBytes: 0 } : stat(path));
    await expect(open(disk)).rejects.toMatchObject({ reason: 'invalid' });
  });

  it('removes unfinished segments and indexes without a segment', async () => {
    const disk = new CrashDisk();
    await (await open(disk))[Symbol.asyncDispose]();
    for (const name of ['00000009.new', '00000009.idx']) await disk.open(`${folder}/${name}`, 'create');
    const foreign = `${folder}/notes.txt`;
    await disk.open(foreign, 'create');
    await (await open(disk))[Symbol.asyncDispose]();
    expect(disk.paths()).toEqual([segmentPath, foreign]);
  });

  it('does not trust an index that is damaged, foreign, cut short or unreadable', async () => {
    const disk = new CrashDisk();
    const keptBytes = () => 4;
    const journal = await open(disk, { keptBytes });
    for (let index = 0; index < 3; index++) await journal.append(1, [new Uint8Array(500).fill(index)]);
    await journal.rotate();
    await journal[Symbol.asyncDispose]();
    await expect(journal.rotate()).rejects.toMatchObject({ reason: 'closed' });
    const path = `${folder}/00000001.idx`;
    const good = disk.bytes(path).slice();
    const damages: ((bytes: Uint8Array) => void)[] = [
      (bytes) => flip(bytes, 0),
      (bytes) => flip(bytes, 4),
      (bytes) => flip(bytes, 30),
      (bytes) => flip(bytes, bytes.byteLength - 1),
      () => {
        disk.options = failing((name, at) => (name === 'read' && at === path ? 'EIO' : undefined));
      },
    ];
    for (const damage of damages) {
      disk.bytes(path).set(good);
      damage(disk.bytes(path));
      const lengths: number[] = [];
      const again = await open(disk, { keptBytes, visit: ({ payload }) => void lengths.push(payload.byteLength) });
      expect(lengths).toEqual([500, 500, 500]);
      await again[Symbol.asyncDispose]();
      disk.options = {};
      // It was made anew.
      expect(Buffer.from(disk.bytes(path)).equals(good)).toBe(true);
    }
    await (await disk.open(path, 'readwrite')).truncate(5);
    await (await open(disk, { keptBytes }))[Symbol.asyncDispose]();
    expect(Buffer.from(disk.bytes(path)).equals(good)).toBe(true);
  });

  it('makes no index for a damaged segment, and a full disk for one does no harm', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk);
    const place = await journal.append(1, [new Uint8Array(500)]);
    await journal.append(1, [new Uint8Array(500)]);
    await journal.rotate();
    await journal[Symbol.asyncDispose]();
    disk.bytes(segmentPath)[place.offsetBytes + 50]! ^= 1;
    for (let round = 0; round < 2; round++) {
      const again = await open(disk, { keptBytes: () => 4 });
      expect(again.damage.map(({ kind }) => kind)).toEqual(['record']);
      await again[Symbol.asyncDispose]();
    }
    disk.bytes(segmentPath)[place.offsetBytes + 50]! ^= 1;
    disk.options = failing((name, path) => (name === 'open' && path.endsWith('00000001.new') ? 'ENOSPC' : undefined));
    await (await open(disk, { keptBytes: () => 4 }))[Symbol.asyncDispose]();
    expect(disk.paths().some((path) => path.endsWith('.idx'))).toBe(false);
  });

  it('reports damage at the end of a sealed segment as acknowledged', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk);
    await journal.append(1, [new Uint8Array(500)]);
    const last = await journal.append(1, [new Uint8Array(500)]);
    await journal.rotate();
    await journal[Symbol.asyncDispose]();
    disk.bytes(segmentPath)[last.offsetBytes + 50]! ^= 1;
    expect((await open(disk)).damage.map(({ kind }) => kind)).toEqual(['record']);
  });

  it('finds the next whole record behind several bad ones that no single read holds', async () => {
    const disk = new CrashDisk();
    const large = { segmentBytes: 8 * MiB, preallocateBytes: MiB, batchBytesMax: MiB, recordBytesMax: MiB };
    const journal = await open(disk, large);
    const places: RecordLocation[] = [];
    for (let kind = 1; kind <= 6; kind++) places.push(await journal.append(kind, [new Uint8Array(900_000).fill(kind)]));
    await journal[Symbol.asyncDispose]();
    flip(disk.bytes(segmentPath), places[0]!.offsetBytes + 2);
    for (const { offsetBytes } of places.slice(1, 5)) flip(disk.bytes(segmentPath), offsetBytes + 1000);
    const kinds: number[] = [];
    const again = await open(disk, { ...large, visit: ({ kind }) => void kinds.push(kind) });
    expect(kinds).toEqual([6]);
    const { offsetBytes: endBytes } = places[5]!;
    expect(again.damage).toEqual([{ segment: 1, startBytes: 64, endBytes, kind: 'record' }]);
  });

  it('closes a gap that a torn write left, so that it is not taken for rot later', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk);
    const places = await Promise.all([1, 2, 3].map((kind) => journal.append(kind, [new Uint8Array(400).fill(kind)])));
    disk.bytes(segmentPath).fill(0, places[1]!.offsetBytes, places[2]!.offsetBytes);
    const kinds: number[] = [];
    const again = await open(disk, { visit: ({ kind }) => void kinds.push(kind) });
    expect(kinds).toEqual([1, 3]);
    expect(again.damage.map(({ kind }) => kind)).toEqual(['last-write']);
    await again.append(4, []);
    await again[Symbol.asyncDispose]();
    kinds.length = 0;
    const later = await open(disk, { visit: ({ kind }) => void kinds.push(kind) });
    expect(kinds).toEqual([1, 3, 4]);
    expect(later.damage).toEqual([]);
    await expect(later.replaySegment(77, () => undefined)).rejects.toMatchObject({ reason: 'unknown' });
    await expect(later.dropSegment(77)).rejects.toMatchObject({ reason: 'unknown' });
  });

  it('goes on after a segment whose end is all that is missing', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk);
    await journal.append(1, [new Uint8Array(400)]);
    const cut = await journal.append(2, [new Uint8Array(400).fill(1)]);
    await (await disk.open(segmentPath, 'readwrite')).truncate(cut.offsetBytes + 100);
    const again = await open(disk);
    expect(again.damage.map(({ kind }) => kind)).toEqual(['tail']);
    const place = await again.append(3, [new Uint8Array(10)]);
    expect(place.offsetBytes).toBe(cut.offsetBytes);
    await again[Symbol.asyncDispose]();
  });
});

it('a rotation that fails ends the journal', async () => {
  let armed = false;
  const disk = new CrashDisk(failing((name) => (armed && name === 'rename' ? 'EIO' : undefined)));
  const journal = await open(disk);
  armed = true;
  await expect(journal.rotate()).rejects.toMatchObject({ reason: 'failed' });
  await expect(journal.rotate()).rejects.toMatchObject({ reason: 'failed' });
  await expect(journal.append(1, [])).rejects.toMatchObject({ reason: 'failed' });
  await journal[Symbol.asyncDispose]();
});
