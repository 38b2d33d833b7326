import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpResponse } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import type { ByteStream } from '@ron/proto/stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Exchange } from '../fixtures/raw-origin.ts';
import { bodyOf, requestOf } from '../fixtures/serve.ts';
import { type EdgeRig, startEdge, textOf } from '../fixtures/start-edge.ts';
import type { BodyTier } from './body-tier.ts';
import { type DiskBodies, openDiskBodies } from './disk-bodies.ts';
import type { WholeBody } from './whole-body.ts';

let root: string;
let tier: DiskBodies;
const open = (bytesMax = 1024 * 1024) => openDiskBodies({ ...createRealEnv({ root }), folder: 'bodies', bytesMax });
const files = async () => (await readdir(join(root, 'bodies'))).filter((name) => name.endsWith('.body'));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'edge-'));
  tier = await open();
});
afterEach(async () => {
  await tier[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const readOf = async (body: WholeBody, first?: number, last?: number) =>
  Buffer.from(await textOf(body.read(first, last)), 'latin1');

describe('bodies on disk', () => {
  test('any pieces, any range: the same bytes', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.nat(),
      async (lengths, a, b) => {
        const whole = bytesOf(lengths.reduce((sum, length) => sum + length, 0));
        const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length, 0));
        const pieces = ends.map((end, i) => whole.subarray(ends[i - 1] ?? 0, end));
        const body = (await tier.take(pieces))!;
        expect(body).toMatchObject({ state: 'complete', bytes: whole.byteLength, total: whole.byteLength });
        expect((await readOf(body)).equals(whole)).toBe(true);
        const first = whole.byteLength === 0 ? 0 : a % whole.byteLength;
        const last = first + (b % 150_000);
        expect((await readOf(body, first, last)).equals(whole.subarray(first, last + 1))).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 15 });
  });

  test('a flipped bit anywhere ends the reading with an error, before a byte of its block is out', async () => {
    const whole = bytesOf(200_000);
    for (const place of [0, 65_535, 65_536, 199_999]) {
      const body = (await tier.take([whole]))!;
      const [name = ''] = (await files()).sort().slice(-1);
      const path = join(root, 'bodies', name);
      const bytes = await readFile(path);
      bytes[place]! ^= 1;
      await writeFile(path, bytes);
      await expect(readOf(body, place, place)).rejects.toMatchObject({ code: 'EIO' });
      expect(body.state).toBe('broken');
    }
  });

  test('a file that was cut off is an error', async () => {
    const body = (await tier.take([bytesOf(70_000)]))!;
    const [name = ''] = await files();
    await writeFile(join(root, 'bodies', name), bytesOf(69_999));
    await expect(readOf(body)).rejects.toMatchObject({ code: 'EIO' });
  });

  test('the place is free when the last one lets go', async () => {
    const body = (await tier.take([bytesOf(10)]))!;
    body.retain?.();
    body.retain?.();
    body.release?.();
    expect(await files()).toHaveLength(1);
    body.release?.();
    await tier.settled();
    expect(await files()).toEqual([]);
  });

  test('leftovers go at start, other files stay, and a second process is refused', async () => {
    await expect(open()).rejects.toMatchObject({ code: 'EBUSY' });
    await tier[Symbol.asyncDispose]();
    await writeFile(join(root, 'bodies', '00000000000a.body'), 'x');
    await writeFile(join(root, 'bodies', 'notes.txt'), 'x');
    tier = await open();
    expect(await files()).toEqual([]);
    expect(await readdir(join(root, 'bodies'))).toContain('notes.txt');
  });

  test('a disk that fails only makes the cache smaller', async () => {
    await rm(join(root, 'bodies'), { recursive: true });
    expect(await tier.take([bytesOf(10)])).toBeUndefined();
  });
});

const textIn = async (response: HttpResponse) => Buffer.from(await bodyOf(response)).toString('latin1');

describe('a cache with a disk', () => {
  let edge: EdgeRig;
  const size = 60_000;
  const start = async (bytesMax: number, below: BodyTier = tier) => {
    edge = await startEdge({ tier: below, bytesMax, bodyBytesMax: bytesMax });
    edge.origin.script = (exchange) => {
      const body = exchange.target.padEnd(size, '.');
      exchange.answer(200, { 'Cache-Control': 'max-age=60', ETag: '"a"' }, body);
    };
  };
  afterEach(() => edge[Symbol.asyncDispose]());
  const wordOf = async (target: string) => {
    const { headers, body } = await edge.ask(target);
    expect(body).toBe(target.padEnd(size, '.'));
    return headers['x-cache'];
  };
  const fill = async (count: number, times: number) => {
    for (let i = 0; i < count; i++) for (let time = 0; time < times; time++) await wordOf(`/${i}`);
    await tier.settled();
  };

  test('what was asked for again is a hit from disk when memory has let go of it', async () => {
    await start(3 * size);
    await fill(8, 2);
    expect(edge.cache.usage.disk_bytes).toBeGreaterThan(3 * size);
    expect(edge.cache.usage.bytes).toBeLessThanOrEqual(3 * size);
    const fetched = edge.origin.requests.length;
    for (let i = 0; i < 8; i++) expect(await wordOf(`/${i}`)).toBe('HIT');
    expect(edge.origin.requests).toHaveLength(fetched);
    const part = await edge.ask('/0', { headers: { range: 'bytes=1-3' } });
    expect([part.status, part.body]).toEqual([206, '0..']);
  });

  test('a scan leaves the disk alone', async () => {
    await start(3 * size);
    await fill(8, 1);
    expect(edge.cache.usage).toMatchObject({ disk_bytes: 0 });
    expect(edge.cache.usage.evictions.ram).toBeGreaterThan(0);
    expect(await files()).toEqual([]);
  });

  test('often asked for, it comes back into memory', async () => {
    await start(3 * size);
    await fill(6, 2);
    expect(edge.cache.usage.disk_bytes).toBeGreaterThan(0);
    for (let time = 0; time < 6; time++) expect(await wordOf('/0')).toBe('HIT');
    // It has pushed another one out.
    await tier.settled();
    await rm(join(root, 'bodies'), { recursive: true });
    expect(await wordOf('/0')).toBe('HIT');
  });

  test('the budget of the disk holds, and files of what left are gone', async () => {
    await tier[Symbol.asyncDispose]();
    tier = await open(2.5 * size);
    await start(2 * size);
    await fill(10, 2);
    expect((await files()).length * size).toBeLessThanOrEqual(2.5 * size);
    expect(edge.cache.usage.disk_bytes).toBeLessThanOrEqual(2.5 * size);
    expect(edge.cache.usage.evictions.disk).toBeGreaterThan(0);
  });

  test('purge reaches the disk', async () => {
    await start(2 * size);
    await fill(6, 2);
    expect(edge.cache.usage.disk_bytes).toBeGreaterThan(0);
    const { entries } = edge.cache.usage;
    expect(edge.cache.purge({ all: true })).toBe(entries);
    expect(edge.cache.usage).toMatchObject({ entries: 0, disk_bytes: 0, bytes: 0 });
    await tier.settled();
    expect(await files()).toEqual([]);
  });

  test.each([
    [undefined, '/0'.padEnd(size, '.')],
    ['bytes=0-9', '/0........'],
    ['bytes=0-1,59990-', '\r\n\r\n/0\r\n--'],
  ])('a purge takes nothing from who is being answered already: %s', async (range, expected) => {
    await start(2 * size);
    await fill(6, 2);
    const ask = (target: string) =>
      edge.cache.handle(requestOf(target, { host: 'n', ...(range === undefined ? {} : { range }) }));
    const [read, left] = [await ask('/0'), await ask('/1')];
    edge.cache.purge({ all: true });
    await tier.settled();
    expect(await files()).toHaveLength(2);
    const body = await textIn(read);
    expect(body.length).toBe(Number(read.headers['content-length']));
    expect(body).toContain(expected);
    await (left.body as ByteStream)[Symbol.asyncIterator]().return?.();
    await tier.settled();
    expect(await files()).toEqual([]);
  });

  describe('of what gets to the disk while the origin is asked about it', () => {
    /** The origin is asked about `/0`, which then lies on disk. */
    const askMeanwhile = async () => {
      const arrival = Promise.withResolvers<void>();
      const moves: Promise<unknown>[] = [];
      const take: BodyTier['take'] = (pieces) => {
        const move = arrival.promise.then(() => tier.take(pieces));
        moves.push(move);
        return move;
      };
      await start(2 * size, { bytesMax: tier.bytesMax, take });
      await fill(2, 2);
      edge.clock.advance(61);
      let held: Exchange | undefined;
      edge.origin.script = (exchange) => {
        held = exchange;
      };
      const asked = Promise.resolve(edge.cache.handle(requestOf('/0', { host: 'n' })));
      await edge.origin.heard(edge.origin.requests.length + 1);
      arrival.resolve();
      await Promise.all(moves);
      expect(edge.cache.usage.disk_bytes).toBe(size);
      edge.origin.script = (exchange) => exchange.answer(200, {}, 'anew');
      return { asked, held: held! };
    };

    test('a 304 that forbids to keep it is answered with it', async () => {
      const { asked, held } = await askMeanwhile();
      held.answer(304, { ETag: '"a"', 'Cache-Control': 'no-store' });
      const reply = await asked;
      expect([reply.status, await textIn(reply)]).toEqual([200, '/0'.padEnd(size, '.')]);
      await tier.settled();
      expect(await files()).toEqual([]);
    });

    test.each([
      [304, 200, 'anew'],
      [503, 503, ''],
    ])('what a purge has taken is no answer to its %i', async (status, told, body) => {
      const { asked, held } = await askMeanwhile();
      edge.cache.purge({ all: true });
      held.answer(status, { ETag: '"a"' });
      const reply = await asked;
      expect([reply.status, await textIn(reply)]).toEqual([told, body]);
    });
  });

  test('changed bytes never reach a client: its response breaks off, the next is fetched anew', async () => {
    await start(2 * size);
    await fill(6, 2);
    expect((await files()).length).toBeGreaterThan(0);
    for (const name of await files()) {
      const bytes = await readFile(join(root, 'bodies', name));
      bytes[5]! ^= 1;
      await writeFile(join(root, 'bodies', name), bytes);
    }
    let broken = 0;
    for (let i = 0; i < 6; i++) {
      // On a connection of its own: on one that was used before, a client may take this for its normal end and ask again.
      const heard = await edge.converse(`GET /${i} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n`);
      const [, body = ''] = heard.split('\r\n\r\n');
      expect(`/${i}`.padEnd(size, '.').startsWith(body)).toBe(true);
      if (body.length < size) broken++;
    }
    expect(broken).toBeGreaterThan(0);
    for (let i = 0; i < 6; i++) await wordOf(`/${i}`);
  });
});
