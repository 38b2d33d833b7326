import { openJournal } from '@ron/journal';
import type { SimEnv } from '@ron/kernel/sim';
import type { Kms } from '@ron/kms';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { encodeBase64, encodeBundle, sameHash, treeHasher } from '@ron/tlog';
import { describe, expect, test } from 'vitest';
import { createTail } from './handlers/tail.ts';
import { type AuditLog, createReceipt, exportLog, parseLeaf, verifyEd25519, verifyLog } from './index.ts';
import { openLogSigner } from './signer.ts';
import { listTiles } from './store/disk-files.ts';
import { bytesOf, createWorld, entryOf, openLog, origin, putBytes } from './testing/fixture.ts';

async function fill(log: AuditLog, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, at) => log.record(entryOf(log.size + at))));
}
const pass = (env: SimEnv, ms: number) =>
  env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(ms, resolve)), 2 * ms);
const folderOf = (env: SimEnv) => ({ kind: 'folder', disk: env.disk, folder: 'audit' }) as const;

describe('a key', () => {
  /** A kms that behaves as the given one but for one method. */
  const withMethod = (kms: Kms, name: keyof Kms, replace: (...given: never[]) => unknown): Kms =>
    new Proxy(kms, {
      get(target, property) {
        const value = property === name ? replace : (Reflect.get(target, property) as unknown);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const head = { size: 0, root: treeHasher.emptyRoot };

  test('that is rotated between its choice and its use is chosen again, three times at most', async () => {
    const { kms } = createWorld(1);
    let conflicts = 2;
    const racing = withMethod(kms, 'sign', (kid: string, bytes: Uint8Array) => {
      conflicts -= 1;
      if (conflicts >= 0) throw new RonError('conflict', 'that version signs no more');
      return kms.sign(kid, bytes);
    });
    const signer = await openLogSigner(racing, origin);
    expect((await signer.sign(head)).split('\n')[0]).toBe(origin);
    conflicts = 3;
    await expect(signer.sign(head)).rejects.toMatchObject({ code: 'conflict' });
  });

  test('that fails otherwise is not tried again, and one that there is not says so', async () => {
    const { kms } = createWorld(2);
    let tries = 0;
    const failing = withMethod(kms, 'sign', () => {
      tries += 1;
      throw new RonError('unavailable', 'no');
    });
    await expect((await openLogSigner(failing, origin)).sign(head)).rejects.toMatchObject({ code: 'unavailable' });
    expect(tries).toBe(1);
    let gone = false;
    const losing = withMethod(kms, 'currentKey', (filter: never) => (gone ? undefined : kms.currentKey(filter)));
    const signer = await openLogSigner(losing, origin);
    gone = true;
    await expect(signer.sign(head)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/key/),
    });
    expect(() => signer.witnessKey()).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  test('or signature of another length verifies nothing', () => {
    const [key, signature] = [new Uint8Array(32), new Uint8Array(64)];
    for (const [a, b] of [[key, signature] as const, [key.slice(1), signature], [key, signature.slice(1)]]) {
      expect(verifyEd25519(a as Uint8Array, new Uint8Array(1), b as Uint8Array)).toBe(false);
    }
  });
});

describe('a disk', () => {
  test('that is full at the close keeps the entries, and the next start signs for them', async () => {
    const { env, kms } = createWorld(3);
    const log = await openLog(env, kms, { publishEveryMs: 60_000 });
    await fill(log, 5);
    env.machineDisk.faults.failNth('open', 1, 'ENOSPC');
    await log[Symbol.asyncDispose]();
    await using again = await openLog(env, kms);
    expect([again.failure, again.size, (await again.checkpoint()).size]).toEqual([undefined, 5, 5]);
  });

  test('that neither writes a file nor removes what is left of it ends writing', async () => {
    const { env, kms } = createWorld(4);
    await using log = await openLog(env, kms);
    await fill(log, 3);
    env.machineDisk.faults.failNth('open', 1, 'ENOSPC');
    env.machineDisk.faults.failNth('remove', 2, 'EIO');
    expect((await log.checkpoint()).size).toBe(0);
    expect(log.failure).toContain('EIO');
    await expect(log.record(entryOf(1))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('that loses a hash tile under a running log gives no proof from it', async () => {
    const { env, kms } = createWorld(5);
    await using log = await openLog(env, kms);
    await fill(log, 600);
    await pass(env, 1_000);
    await env.disk.remove('audit/tile/0/001');
    await expect(createReceipt(log, 300)).rejects.toMatchObject({ code: 'integrity', details: { index: 256 } });
    await expect(createReceipt(log, 600)).rejects.toMatchObject({ code: 'not_found' });
    await createReceipt(log, 599);
  });

  test('lists its tiles in order, past a thousand too', async () => {
    const { env } = createWorld(6);
    for (const path of ['0/x001/000', '0/x001/001', '0/999', '0/000', '0/x002/x000/000', '0/001.p/7', '0/junk']) {
      const file = `audit/tile/${path}`;
      await env.disk.makeDirectory(file.slice(0, file.lastIndexOf('/')));
      await putBytes(env.disk, file, Uint8Array.of(1));
    }
    expect(await listTiles(env.disk, 'audit', 0)).toEqual([0, 999, 1_000, 1_001, 2_000_000]);
  });
});

describe('a queue', () => {
  test('that dropped entries says how many, also when the log is closed at once', async () => {
    const { env, kms } = createWorld(14);
    const log = await openLog(env, kms);
    for (let at = 0; at < 8_195; at += 1) log.offer(entryOf(at));
    await log[Symbol.asyncDispose]();
    await using again = await openLog(env, kms);
    const [last] = await again.read(again.size - 1, again.size);
    expect(parseLeaf(last?.entry as Uint8Array)).toMatchObject({ op: 'audit.dropped', fields: { count: '3' } });
  });

  test('behind a write that failed is refused whole, and nothing of it is in the log of the next start', async () => {
    const { env, kms } = createWorld(15);
    const log = await openLog(env, kms);
    await fill(log, 3);
    env.machineDisk.faults.failNth('write', 1);
    const outcomes = await Promise.allSettled(Array.from({ length: 600 }, (_, at) => log.record(entryOf(at))));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    await log[Symbol.asyncDispose]();
    await using again = await openLog(env, kms);
    expect([again.failure, again.size]).toEqual([undefined, 3]);
  });
});

test('more waiting readers than the log holds are refused', async () => {
  const { env, kms } = createWorld(33);
  await using log = await openLog(env, kms);
  const abort = new AbortController();
  const waiting = Array.from({ length: 1_024 }, () => log.grown(0, 30_000, abort.signal));
  await expect(log.grown(0, 30_000)).rejects.toMatchObject({ code: 'unavailable' });
  abort.abort();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set([0]));
  expect(await log.grown(0, 0)).toBe(0);
});

describe('what retention meets', () => {
  test('a bundle that it cannot read is evidence, and stays', async () => {
    const { env, kms } = createWorld(7);
    {
      await using log = await openLog(env, kms);
      await fill(log, 600);
    }
    const bundle = await bytesOf(env.disk, 'audit/tile/entries/000');
    await putBytes(env.disk, 'audit/tile/entries/000', bundle.slice(0, -1));
    await using log = await openLog(env, kms, { retention: { daysMax: 1 } });
    await pass(env, 3 * 86_400_000);
    expect(log.keptFrom).toBe(0);
  });

  test('a tail tells what is not kept by its hash', async () => {
    const { env, kms } = createWorld(32);
    await using log = await openLog(env, kms, { retention: { entriesMax: 256 } });
    await fill(log, 600);
    await pass(env, 1_000);
    const { entries, next } = await createTail(log)({ from: 0, limit: 2 }, {} as Call);
    const [first] = await log.read(0, 1);
    expect(entries).toMatchObject([
      { index: 0, entry: null, leaf_hash: encodeBase64(first?.leafHash as Uint8Array) },
      { index: 1, entry: null },
    ]);
    expect(next).toBe(2);
  });

  test('an export that it overtakes ends with a word, not with holes', async () => {
    const { env, kms } = createWorld(8);
    await using log = await openLog(env, kms, { retention: { entriesMax: 512 } });
    await fill(log, 400);
    const { body } = await exportLog(log);
    await body.next();
    await fill(log, 900);
    await pass(env, 1_000);
    expect(log.keptFrom).toBeGreaterThan(0);
    await expect(body.next()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a journal', () => {
  test.each([
    ['too short for an index', new Uint8Array(7)],
    ['without entries', new Uint8Array(8)],
    ['that is no bundle', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 3, 255, 255)],
  ])('with a record %s stops the log, and whoever checks is told', async (_, payload) => {
    const { env, kms } = createWorld(9);
    const log = await openLog(env, kms);
    await fill(log, 3);
    await log[Symbol.asyncDispose]();
    {
      await using journal = await openJournal({ env, folder: 'audit/journal', visit: () => undefined });
      await journal.append(1, [payload]);
    }
    const report = await verifyLog(folderOf(env), { keys: log.signer.keys() });
    expect(report).toMatchObject({ ok: false, findings: [{ kind: 'deleted', index: 3 }] });
    await using again = await openLog(env, kms);
    expect(again.failure).toContain('none of entries');
  });
});

describe('a folder with less or other than a log has', () => {
  async function closed(seed: number, count = 600) {
    const { env, kms } = createWorld(seed);
    const log = await openLog(env, kms);
    await fill(log, count);
    await log[Symbol.asyncDispose]();
    const verify = () => verifyLog(folderOf(env), { keys: log.signer.keys() });
    return { env, kms, verify };
  }

  test('no checkpoint, or one of no form', async () => {
    const { env, verify } = await closed(10);
    await env.disk.remove('audit/checkpoint');
    expect((await verify()).findings).toMatchObject([{ kind: 'signature', detail: 'there is no checkpoint' }]);
    await putBytes(env.disk, 'audit/checkpoint', Uint8Array.of(0xff, 0xfe));
    expect((await verify()).findings).toMatchObject([{ kind: 'signature' }]);
  });

  test('a retention note of another form is none, and does not stop the check', async () => {
    const { env, verify } = await closed(11);
    const entry = new TextEncoder().encode('{"at":1,"op":"audit.retention","subject":"node","v":1}');
    const bundle = encodeBundle(Array.from({ length: 256 }, () => entry));
    const tile = await bytesOf(env.disk, 'audit/tile/0/000');
    expect(sameHash(tile.subarray(0, 32), treeHasher.leaf(entry))).toBe(false);
    await putBytes(env.disk, 'audit/tile/entries/000', bundle);
    expect((await verify()).findings[0]).toMatchObject({ kind: 'edited', index: 0 });
  });

  test('a bundle in the middle is told at the start, with its index', async () => {
    const { env, kms } = await closed(12, 900);
    await env.disk.remove('audit/tile/entries/001');
    const told: string[] = [];
    await using _log = await openLog(env, kms, { onDamage: (detail) => void told.push(detail) });
    expect(told).toEqual([expect.stringMatching(/^entry bundles before index 512/)]);
  });

  test('half an entry at the end of a bundle', async () => {
    const { env, verify } = await closed(13);
    const bundle = await bytesOf(env.disk, 'audit/tile/entries/000');
    await putBytes(env.disk, 'audit/tile/entries/000', Uint8Array.from([...bundle, 0]));
    expect((await verify()).findings).toMatchObject([{ kind: 'extra', index: 256 }]);
    await putBytes(env.disk, 'audit/tile/entries/000', bundle.slice(0, -5));
    expect((await verify()).findings).toMatchObject([{ kind: 'edited', index: 255 }]);
  });
});
