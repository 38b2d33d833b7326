import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Journal, JournalError, type JournalOptions, type JournalRecord, openJournal } from './index.ts';
import { CrashDisk, DiskError } from './testing/crash-disk.ts';

const folder = 'log';
const small = {
  segmentBytes: 4096,
  preallocateBytes: 2048,
  reserveBytes: 256,
  recordBytesMax: 3000,
  batchBytesMax: 2048,
};
let salt = 0;
const random = { bytes: (length: number) => new Uint8Array(length).fill(++salt % 251), unit: () => 0.5 };

function open(disk: CrashDisk, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return openJournal({ env: { disk, random }, folder, ...small, ...options });
}

async function contents(disk: CrashDisk, options: Partial<JournalOptions> = {}) {
  const found = new Map<number, string>();
  const visit = (record: JournalRecord) => {
    found.set(record.sequence, `${record.kind}:${Buffer.from(record.payload).toString('hex')}`);
  };
  const journal = await open(disk, { visit, ...options });
  return { journal, found };
}

const text = (kind: number, payload: Uint8Array) => `${kind}:${Buffer.from(payload).toString('hex')}`;
const bytesOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + seed) % 256);

/** A repeatable stream of numbers in [0, 1). */
function draws(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

describe('appending and reading', () => {
  it('gives back what was appended, in order, also from another start', async () => {
    const disk = new CrashDisk();
    await using journal = await open(disk);
    const expected = new Map<number, string>();
    for (let index = 0; index < 60; index++) {
      const payload = bytesOf(index * 11, index);
      const half = payload.byteLength >> 1;
      const location = await journal.append(1 + index, [payload.subarray(0, half), payload.subarray(half)]);
      expected.set(location.sequence, text(1 + index, payload));
      expect(Buffer.from(await journal.read(location)).equals(payload)).toBe(true);
    }
    expect(journal.segments().length).toBeGreaterThan(3);
    await journal[Symbol.asyncDispose]();
    const again = await contents(disk);
    expect(again.found).toEqual(expected);
    expect(again.journal.damage).toEqual([]);
    await again.journal[Symbol.asyncDispose]();
    expect((await contents(disk)).found).toEqual(expected);
  });

  it('shares one sync between the appends that gather while another runs', async () => {
    let syncs = 0;
    const disk = new CrashDisk({ before: (_, name) => void (name === 'sync' && syncs++) });
    await using journal = await open(disk, { segmentBytes: 65_536, preallocateBytes: 65_536 });
    syncs = 0;
    const locations = await Promise.all(Array.from({ length: 50 }, (_, at) => journal.append(1, [bytesOf(20, at)])));
    expect(syncs).toBeLessThanOrEqual(2);
    expect(new Set(locations.map(({ offsetBytes }) => offsetBytes)).size).toBe(50);
  });

  it('refuses what it cannot take', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk, { queueBytesMax: 2000 });
    await expect(journal.append(0, [])).rejects.toMatchObject({ reason: 'invalid' });
    await expect(journal.append(40_000, [])).rejects.toMatchObject({ reason: 'invalid' });
    await expect(journal.append(1, [bytesOf(3001, 0)])).rejects.toMatchObject({ reason: 'invalid' });
    const first = journal.append(1, [bytesOf(1500, 0)]);
    await expect(journal.append(1, [bytesOf(1500, 0)])).rejects.toMatchObject({ reason: 'busy' });
    await first;
    await journal[Symbol.asyncDispose]();
    await expect(journal.append(1, [])).rejects.toMatchObject({ reason: 'closed' });
    await expect(async () => journal.read({ segment: 99, offsetBytes: 64, payloadBytes: 1 })).rejects.toThrow(
      JournalError,
    );
  });

  it('replays sealed segments from their index without touching payloads', async () => {
    const disk = new CrashDisk();
    const keptBytes = () => 8;
    await using journal = await open(disk, { keptBytes });
    for (let index = 0; index < 30; index++) await journal.append(2, [bytesOf(700, index)]);
    await journal.rotate();
    await journal[Symbol.asyncDispose]();
    let logBytes = 0;
    disk.options = { before: (_, name, path) => void (name === 'read' && path.endsWith('.log') && logBytes++) };
    const lengths: number[] = [];
    const again = await open(disk, { keptBytes, visit: ({ payload }) => void lengths.push(payload.byteLength) });
    expect(lengths).toEqual(Array.from({ length: 30 }, () => 8));
    // One read for each header, two for the last, empty segment.
    expect(logBytes).toBeLessThanOrEqual(again.segments().length + 4);
    await again[Symbol.asyncDispose]();
  });

  it('drops sealed segments for good and never reuses their sequence numbers', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk);
    const { sequence } = await journal.append(1, [bytesOf(100, 1)]);
    await expect(journal.dropSegment(1)).rejects.toMatchObject({ reason: 'invalid' });
    await journal.rotate();
    await journal.dropSegment(1);
    const { journal: again, found } = await contents(disk.crash(draws(3)));
    expect(found.size).toBe(0);
    expect((await again.append(1, [])).sequence).toBeGreaterThan(sequence);
  });
});

describe('damage', () => {
  async function filled() {
    const disk = new CrashDisk();
    const journal = await open(disk, { segmentBytes: 65_536 });
    const locations = [];
    for (let index = 0; index < 20; index++) locations.push(await journal.append(7, [bytesOf(90, index)]));
    await journal[Symbol.asyncDispose]();
    return { disk, locations };
  }

  it('any flipped bit costs at most the record that it hit, and is reported', async () => {
    const { disk, locations } = await filled();
    const path = disk.paths()[0] as string;
    const end = (locations.at(-1)?.offsetBytes ?? 0) + 108;
    for (let at = 0; at < end; at += 7) {
      const image = disk.crash(draws(1));
      (image.bytes(path) as Uint8Array)[at]! ^= 1 << (at % 8);
      const { journal, found } = await contents(image, { segmentBytes: 65_536 });
      const hit = locations.find(({ offsetBytes }) => at >= offsetBytes && at < offsetBytes + 108);
      for (const [index, { sequence }] of locations.entries()) {
        const expected = sequence === hit?.sequence ? undefined : text(7, bytesOf(90, index));
        expect(found.get(sequence), `byte ${at}`).toBe(expected);
      }
      const kinds = journal.damage.map(({ kind }) => kind);
      expect(kinds, `byte ${at}`).toEqual([hit === undefined ? 'header' : 'record']);
      await journal[Symbol.asyncDispose]();
    }
  });

  it('reports a point read of damaged bytes as corrupt', async () => {
    const { disk, locations } = await filled();
    const journal = await open(disk);
    const place = locations[4]!;
    disk.bytes(disk.paths()[0] as string)[place.offsetBytes + 30]! ^= 4;
    expect(() => journal.read(place)).toThrow(JournalError);
    expect(() => journal.read({ ...place, payloadBytes: 80 })).toThrow(JournalError);
    expect(await journal.read(locations[5]!)).toHaveLength(90);
  });

  it('is not fooled by a record inside a payload', async () => {
    const disk = new CrashDisk();
    const journal = await open(disk, { segmentBytes: 65_536 });
    await journal.append(1, [bytesOf(10, 0)]);
    // The attacker stores what another journal wrote: right form, right sequence, another salt.
    const other = new CrashDisk();
    const foreign = await open(other);
    for (let index = 0; index < 9; index++) await foreign.append(5, [bytesOf(10, index)]);
    const forged = other.bytes(other.paths()[0] as string).slice(64, 64 + 9 * 28);
    const host = await journal.append(2, [forged]);
    const after = await journal.append(3, [bytesOf(5, 5)]);
    await journal[Symbol.asyncDispose]();
    disk.bytes(disk.paths()[0] as string)[host.offsetBytes + 16]! ^= 1;
    const { found } = await contents(disk, { segmentBytes: 65_536 });
    expect([...found.keys()]).toEqual([1, after.sequence]);
  });

  it('survives bad indexes and whole bad headers', async () => {
    const disk = new CrashDisk();
    const keptBytes = () => 3000;
    const journal = await open(disk, { keptBytes });
    const expected = new Map<number, string>();
    for (let index = 0; index < 12; index++) {
      const { sequence, segment } = await journal.append(7, [bytesOf(900, index)]);
      if (segment !== 2) expected.set(sequence, text(7, bytesOf(900, index)));
    }
    await journal[Symbol.asyncDispose]();
    const index = disk.paths().find((path) => path.endsWith('.idx')) as string;
    disk.bytes(index)[40]! ^= 1;
    const header = disk.bytes(`${folder}/00000002.log`);
    header.fill(0, 0, 64);
    const again = await contents(disk, { keptBytes });
    expect(again.found).toEqual(expected);
    expect(again.journal.damage.map(({ kind, segment }) => `${kind} ${segment}`)).toEqual(['segment 2']);
  });
});

describe('errors of the system', () => {
  for (const operation of ['write', 'sync']) {
    it(`a failed ${operation} rejects all that wait, and is never tried again`, async () => {
      let armed = false;
      let calls = 0;
      const before = (_: number, name: string) => {
        if (!armed || name !== operation) return;
        calls += 1;
        throw new DiskError('EIO');
      };
      const reasons: string[] = [];
      const disk = new CrashDisk({ before });
      const journal = await open(disk, { onFailed: ({ message }) => void reasons.push(message) });
      const kept = await journal.append(1, [bytesOf(50, 1)]);
      armed = true;
      const results = await Promise.allSettled([1, 2, 3].map((at) => journal.append(1, [bytesOf(1000, at)])));
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      armed = false;
      await expect(journal.append(1, [])).rejects.toMatchObject({ reason: 'failed' });
      expect(calls).toBe(1);
      expect(reasons).toHaveLength(1);
      expect(journal.failed?.reason).toBe('failed');
      expect(await journal.read(kept)).toHaveLength(50);
      await journal[Symbol.asyncDispose]();
    });
  }

  it('a full disk refuses appends, keeps room for urgent ones, and heals', async () => {
    const disk = new CrashDisk({ capacityBytes: 5000 });
    const journal = await open(disk);
    let stored = 0;
    const fill = async () => {
      for (;;) await journal.append(1, [bytesOf(400, stored)]).then(() => (stored += 1));
    };
    await expect(fill()).rejects.toMatchObject({ reason: 'full' });
    expect(journal.failed).toBeUndefined();
    await journal.append(2, [bytesOf(100, 0)], { urgent: true });
    disk.options = { capacityBytes: 50_000 };
    await journal.append(1, [bytesOf(400, 0)]);
    await journal[Symbol.asyncDispose]();
    expect((await contents(disk)).found.size).toBe(stored + 2);
  });
});

describe('crashes', () => {
  /** Appends with up to four at a time until the disk dies; returns what was promised. */
  async function workload(disk: CrashDisk, unit: () => number): Promise<Map<number, string>> {
    const promised = new Map<number, string>();
    const journal = await open(disk, { keptBytes: () => 3000 });
    for (let round = 0; round < 8; round++) {
      const appends = Array.from({ length: 1 + Math.floor(unit() * 4) }, async () => {
        const payload = bytesOf(Math.floor(unit() * 900), round);
        const { sequence } = await journal.append(3, [payload]);
        promised.set(sequence, text(3, payload));
      });
      const results = await Promise.allSettled(appends);
      if (results.some(({ status }) => status === 'rejected')) break;
    }
    return promised;
  }

  async function losses(seed: number, operation: number, syncIsNoop: boolean) {
    const disk = new CrashDisk({
      syncIsNoop,
      before: (count) => {
        if (count >= operation) throw new DiskError('EIO');
      },
    });
    const unit = draws(seed);
    const promised = await workload(disk, unit).catch(() => new Map<number, string>());
    const ended = disk.operations < operation;
    const image = disk.crash(unit);
    const { journal, found } = await contents(image, { keptBytes: () => 3000 });
    const lost = [...promised].filter(([sequence, value]) => found.get(sequence) !== value);
    const alarms = journal.damage.filter(({ kind }) => kind !== 'tail' && kind !== 'last-write');
    // It goes on, and a second start finds the same and the new record.
    const { sequence } = await journal.append(9, [bytesOf(9, 9)]);
    const later = await contents(image.crash(unit), { keptBytes: () => 3000 });
    alarms.push(...later.journal.damage.filter(({ kind }) => kind === 'record' || kind === 'segment'));
    const second = later.found;
    found.set(sequence, text(9, bytesOf(9, 9)));
    return { lost, alarms, ended, same: [...second].sort().join() === [...found].sort().join() };
  }

  it('keeps every promise when the power fails at any operation', async () => {
    for (let operation = 12; ; operation++) {
      let over = true;
      for (let seed = 1; seed <= 4; seed++) {
        const result = await losses(seed * 7919 + operation, operation, false);
        expect(result.lost, `seed ${seed}, operation ${operation}`).toEqual([]);
        expect(result.alarms, `seed ${seed}, operation ${operation}`).toEqual([]);
        expect(result.same, `seed ${seed}, operation ${operation}`).toBe(true);
        over &&= result.ended;
      }
      if (over) break;
    }
  });

  it('keeps them for random crash points', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1 }), fc.integer({ min: 1, max: 120 }), async (seed, operation) => {
        const result = await losses(seed, operation, false);
        expect(result).toMatchObject({ lost: [], alarms: [], same: true });
      }),
      { numRuns: 60 },
    );
  });

  it('canary: a disk whose sync does nothing is caught', async () => {
    let caught = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const result = await losses(seed, 40, true).catch(() => ({ lost: ['the journal did not even open'] }));
      if (result.lost.length > 0) caught += 1;
    }
    expect(caught).toBeGreaterThan(0);
  });
});
