import { Readable } from 'node:stream';
import type { SimEnv } from '@ron/kernel/sim';
import type { Kms } from '@ron/kms';
import { canonicalJson } from '@ron/naming';
import { encodeVerifierKey } from '@ron/tlog';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AuditLog, exportLog, type VerifyReport, verifyLog } from './index.ts';
import { createWorld, entryOf, filesOf, openLog, putBytes } from './testing/fixture.ts';

const entries = 700;
let env: SimEnv;
let kms: Kms;
let keys: readonly string[];
let files: ReadonlyMap<string, Uint8Array>;
let exported: readonly string[];
let earlier: string;

async function exportText(log: AuditLog, range?: { from?: number; to?: number }): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await exportLog(log, range)).body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

beforeAll(async () => {
  ({ env, kms } = createWorld(77));
  const log = await openLog(env, kms);
  for (let at = 0; at < entries; at += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, more) => log.record(entryOf(at + more))));
    if (at === 300) earlier = (await log.checkpoint(350)).text;
  }
  await log.checkpoint(entries);
  exported = (await exportText(log)).split('\n').slice(0, -1);
  keys = log.signer.keys().map(encodeVerifierKey);
  await log[Symbol.asyncDispose]();
  files = await filesOf(env.disk, 'audit');
});

const verifyFolder = (knownCheckpoint?: string) =>
  verifyLog({ kind: 'folder', disk: env.disk, folder: 'audit' }, { keys, knownCheckpoint });
async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 1_000) yield new Uint8Array(bytes.subarray(at, at + 1_000));
}
const verifyText = (text: string, knownCheckpoint?: string) =>
  verifyLog({ kind: 'export', bytes: bytesOf(text) }, { keys, knownCheckpoint });
const verifyLines = (lines: readonly string[]) => verifyText(lines.map((line) => `${line}\n`).join(''));
const kindsOf = ({ findings }: VerifyReport) => findings.map(({ kind, index }) => `${kind} ${index}`);
const leafHashOf = (line: string) => (JSON.parse(line) as { leaf_hash: string }).leaf_hash;
const reported = ({ findings, warnings }: VerifyReport) => findings.length + warnings.length;

/** A seeded choice: the same bytes at every run. */
function* choice(length: number, count: number): Generator<number> {
  let state = 12_345;
  for (let at = 0; at < Math.min(count, length); at += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    yield count >= length ? at : state % length;
  }
}

/** With one file changed; put back afterwards. */
async function withFile<T>(path: string, bytes: Uint8Array | undefined, check: () => Promise<T>): Promise<T> {
  await putBytes(env.disk, path, bytes);
  try {
    return await check();
  } finally {
    await putBytes(env.disk, path, files.get(path));
  }
}

/** Of a journal file, the bytes that hold something: what follows is space that was taken ahead. */
function usedBytes(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

describe('a folder', () => {
  test('that nobody touched has no findings, and is left as it was', async () => {
    expect(await verifyFolder()).toMatchObject({
      ok: true,
      exitCode: 0,
      origin: 'node.example/audit',
      size: entries,
      from: 0,
      to: entries,
      findings: [],
      warnings: [],
      notKept: undefined,
    });
    expect(await filesOf(env.disk, 'audit')).toEqual(files);
    expect(await verifyFolder(earlier)).toMatchObject({ ok: true, warnings: [] });
  });

  test('a flipped bit in any file is reported with an index', async () => {
    const kinds = new Set<string>();
    for (const [path, bytes] of files) {
      for (const at of choice(usedBytes(bytes), path.includes('checkpoint') ? 60 : 12)) {
        const changed = bytes.slice();
        changed[at] = (changed[at] as number) ^ (1 << (at & 7));
        const report = await withFile(path, changed, () => verifyFolder());
        expect(reported(report), `${path} byte ${at}`).toBeGreaterThan(0);
        // The mark of an orderly close holds no entry: without it the end looks like that of a crash.
        if (report.ok)
          expect(report.warnings, `${path} byte ${at}`).toMatchObject([{ kind: 'unfinished', index: entries }]);
        for (const { kind, index } of report.findings) {
          kinds.add(`${path.split('/')[1]} ${kind}`);
          expect(index).toBeLessThanOrEqual(entries);
        }
      }
    }
    expect(kinds).toContain('tile edited');
    expect(kinds).toContain('checkpoint signature');
  });

  test('an edited entry is named, and no other', async () => {
    const path = 'audit/tile/entries/001';
    const text = Buffer.from(files.get(path) as Uint8Array).toString('latin1');
    const at = text.indexOf('"corr-300"') + 3;
    const changed = (files.get(path) as Uint8Array).slice();
    changed[at] = (changed[at] as number) ^ 1;
    expect(kindsOf(await withFile(path, changed, () => verifyFolder()))).toEqual(['edited 300']);
  });

  test('a file that is gone is reported', async () => {
    for (const path of files.keys()) {
      const report = await withFile(path, undefined, () => verifyFolder());
      expect(reported(report), path).toBeGreaterThan(0);
      expect(report.ok, path).toBe(false);
    }
  });

  test('a file that is cut is reported', async () => {
    for (const [path, bytes] of files) {
      for (const keep of [0, 0.5, 0.999]) {
        const report = await withFile(path, bytes.slice(0, Math.floor(usedBytes(bytes) * keep)), () => verifyFolder());
        expect(report.ok, `${path} cut to ${keep}`).toBe(false);
      }
    }
  });

  test('two files in each other’s place are reported', async () => {
    const [a, b] = ['audit/tile/entries/000', 'audit/tile/entries/001'];
    const report = await withFile(a, files.get(b), () => withFile(b, files.get(a), () => verifyFolder()));
    expect(report.ok).toBe(false);
    expect(report.findings[0]).toMatchObject({ kind: 'reordered', index: 0 });
    const [c, d] = ['audit/tile/0/000', 'audit/tile/0/001'];
    const hashes = await withFile(c, files.get(d), () => withFile(d, files.get(c), () => verifyFolder()));
    expect(hashes.ok).toBe(false);
  });

  test('what nobody put there is reported', async () => {
    for (const path of ['audit/notes', 'audit/tile/0/009', 'audit/tile/1/000', 'audit/tile/entries/009']) {
      await env.disk.makeDirectory(path.slice(0, path.lastIndexOf('/')));
      const report = await withFile(path, new Uint8Array(8_192), () => verifyFolder());
      expect(reported(report), path).toBeGreaterThan(0);
    }
  });

  test('an older state of it is a truncation to whoever knows a newer checkpoint', async () => {
    const world = createWorld(78);
    const log = await openLog(world.env, kms);
    for (let at = 0; at < 100; at += 1) await log.record(entryOf(at));
    await log[Symbol.asyncDispose]();
    const older = await filesOf(world.env.disk, 'audit');
    const again = await openLog(world.env, kms);
    for (let at = 100; at < 150; at += 1) await again.record(entryOf(at));
    const { text } = await again.checkpoint(150);
    await again[Symbol.asyncDispose]();
    for (const path of (await filesOf(world.env.disk, 'audit')).keys()) await world.env.disk.remove(path);
    for (const [path, bytes] of older) await putBytes(world.env.disk, path, bytes);
    const source = { kind: 'folder', disk: world.env.disk, folder: 'audit' } as const;
    expect(await verifyLog(source, { keys })).toMatchObject({ ok: true });
    expect(kindsOf(await verifyLog(source, { keys, knownCheckpoint: text }))).toEqual(['truncated 100']);
    // The same key, another history: not the log that the known checkpoint is of.
    expect(kindsOf(await verifyLog(source, { keys, knownCheckpoint: earlier }))).toEqual(['truncated 100']);
  });

  test('another key signed nothing here', async () => {
    const other = await openLog(createWorld(79).env, createWorld(79).kms);
    const report = await verifyLog({ kind: 'folder', disk: env.disk, folder: 'audit' }, { keys: other.signer.keys() });
    expect(report.findings.map(({ kind }) => kind)).toEqual(['signature', 'signature']);
    await using stranger = await openLog(createWorld(78).env, kms, { origin: 'other.example/audit' });
    const { text: known } = await stranger.checkpoint();
    const [own, theirs] = [keys, stranger.signer.keys()];
    const source = { kind: 'folder', disk: env.disk, folder: 'audit' } as const;
    const compared = await verifyLog(source, { keys: [...own, ...theirs], knownCheckpoint: known });
    expect(compared.findings).toMatchObject([{ kind: 'signature', detail: expect.stringContaining('another log') }]);
    await other[Symbol.asyncDispose]();
  });
});

describe('an export', () => {
  const whole = () => exported.map((line) => `${line}\n`).join('');

  test('that nobody touched has no findings', async () => {
    expect(await verifyText(whole(), earlier)).toMatchObject({
      ok: true,
      size: entries,
      from: 0,
      to: entries,
      warnings: [],
    });
    expect(exported).toHaveLength(entries + 1);
  });

  test('a flipped bit anywhere is reported', async () => {
    const world = createWorld(80);
    await using log = await openLog(world.env, kms);
    for (let at = 0; at < 6; at += 1) await log.record(entryOf(at));
    const bytes = Buffer.from(await exportText(log, { from: 1, to: 5 }));
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ (1 << (at % 7));
      const source = { kind: 'export', bytes: Readable.from([changed]) } as const;
      const report = await verifyLog(source, { keys: log.signer.keys() });
      expect(report.exitCode, `byte ${at}`).toBe(1);
      expect(report.findings.length).toBeGreaterThan(0);
    }
  });

  test('lines that are gone, swapped, doubled, added or cut off are named', async () => {
    const without = (at: number) => exported.toSpliced(at, 1);
    expect(kindsOf(await verifyLines(without(301)))).toEqual(['deleted 300']);
    expect(kindsOf(await verifyLines(without(1)))).toEqual(['deleted 0']);
    expect(kindsOf(await verifyLines(without(entries)))).toEqual([`truncated ${entries - 1}`]);
    expect(kindsOf(await verifyLines(exported.slice(0, 401)))).toEqual(['truncated 400']);
    const swapped = exported.with(10, exported[11] as string).with(11, exported[10] as string);
    expect(kindsOf(await verifyLines(swapped))).toEqual(['reordered 9']);
    expect(kindsOf(await verifyLines(exported.toSpliced(10, 0, exported[9] as string)))).toEqual(['extra 8']);
    const added = (exported[entries] as string).replace(`"index":${entries - 1}`, `"index":${entries}`);
    expect(kindsOf(await verifyLines([...exported, added]))).toEqual([`extra ${entries}`]);
    expect(kindsOf(await verifyLines([]))).toContain('malformed 0');
    const moved = exported.toSpliced(10, 3).toSpliced(20, 0, exported[11] as string);
    expect(kindsOf(await verifyLines(moved))).toEqual(['deleted 9', 'reordered 10', 'deleted 11']);
    const endless = await verifyText(`${exported[0]}\n${'x'.repeat(200_000)}`);
    expect(kindsOf(endless)).toContain('malformed 0');
    const otherKeys = (exported[0] as string).replace(/"keys":\["[^"]*"\]/, '"keys":["none"]');
    expect(kindsOf(await verifyLines(exported.with(0, otherKeys)))).toEqual(['malformed 0']);
    expect(kindsOf(await verifyLines(exported.slice(1)))).toContain('malformed 0');
  });

  test('an entry edited with its hash is told by the root, one without by its index', async () => {
    const line = JSON.parse(exported[43] as string) as { entry: { subject: string }; leaf_hash: string; index: number };
    const edited = (exported[43] as string).replace('user/alice', 'user/mallo');
    expect(kindsOf(await verifyLines(exported.with(43, edited)))).toEqual([`edited ${line.index}`]);
    const { leaf_hash: other } = JSON.parse(exported[44] as string) as { leaf_hash: string };
    const forged = (exported[43] as string).replace(line.leaf_hash, other);
    expect((await verifyLines(exported.with(43, forged))).ok).toBe(false);
    const nulled = (exported[43] as string).replace(/"entry":\{.*\},"index"/, '"entry":null,"index"');
    expect(kindsOf(await verifyLines(exported.with(43, nulled)))).toEqual(['deleted 42']);
    const bare = nulled.replace(line.leaf_hash, other);
    expect(kindsOf(await verifyLines(exported.with(43, bare)))).toContain('deleted 42');
  });

  test.each([
    [0, 1],
    [1, 2],
    [255, 257],
    [256, 512],
    [300, 700],
    [699, 700],
    [700, 700],
    [0, 0],
  ])('of [%i, %i) is checked against the same checkpoint', async (from, to) => {
    await using log = await openLog(env, kms);
    const text = await exportText(log, { from, to });
    expect(await verifyText(text)).toMatchObject({ ok: true, from, to, size: entries });
    const lines = text.split('\n').slice(0, -1);
    if (to === from) return;
    const edited = lines.with(1, (lines[1] as string).replace('user/alice', 'user/mallo'));
    expect(kindsOf(await verifyLines(edited))).toEqual([`edited ${from}`]);
    const head = JSON.parse(lines[0] as string) as { before: string[]; after: string[] };
    for (const hash of [...head.before, ...head.after]) {
      const first = hash.startsWith('A') ? 'B' : 'A';
      const forged = lines.with(0, (lines[0] as string).replace(hash, first + hash.slice(1)));
      expect(kindsOf(await verifyLines(forged))).toEqual(['root 0']);
    }
  });

  test('that claims more entries than its checkpoint signs is told, wherever it says that it begins', async () => {
    const head = JSON.parse(exported[0] as string) as { after: string[] };
    const added = (exported[entries] as string).replace(`"index":${entries - 1}`, `"index":${entries}`);
    const longer = canonicalJson({ ...head, to: entries + 1 });
    expect(kindsOf(await verifyLines([longer, ...exported.slice(1), added]))).toEqual([`extra ${entries}`]);
    const size = 2 ** 40;
    const beyond = { ...head, from: size, to: size + 1, before: [leafHashOf(added)] };
    const line = added.replace(`"index":${entries}`, `"index":${size}`);
    expect(kindsOf(await verifyLines([canonicalJson(beyond), line]))).toContain(`extra ${entries}`);
    const backwards = { ...head, from: 2, to: 1, before: [leafHashOf(added)] };
    expect(kindsOf(await verifyLines([canonicalJson(backwards)]))).toContain('malformed 1');
  });

  test('of a range that is not there is refused', async () => {
    await using log = await openLog(env, kms);
    for (const range of [{ from: 2, to: 1 }, { to: entries + 1 }, { from: entries + 1 }]) {
      await expect(exportLog(log, range)).rejects.toMatchObject({ code: 'bad_request' });
    }
  });
});
