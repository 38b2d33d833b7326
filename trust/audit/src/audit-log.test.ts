import { createHash } from 'node:crypto';
import { canonicalJson } from '@ron/naming';
import { auditLimits } from '@ron/proto/audit';
import type { AuditEntry } from '@ron/service';
import {
  consistencyProof,
  encodeVerifierKey,
  openCheckpoint,
  parseVerifierKey,
  receiptCharactersMax,
  verifyConsistency,
  verifyReceipt,
} from '@ron/tlog';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AuditLog,
  createRamAuditLog,
  encodeLeaf,
  exportLog,
  parseLeaf,
  verifyEd25519,
  verifyLog,
} from './index.ts';
import { createWorld, entryOf, openLog, origin } from './testing/fixture.ts';

const engines = {
  ram: ({ env, kms }: ReturnType<typeof createWorld>, entriesMax = 100_000) =>
    createRamAuditLog({ env, kms, origin, entriesMax }),
  disk: ({ env, kms }: ReturnType<typeof createWorld>, entriesMax = 100_000) =>
    openLog(env, kms, { retention: { entriesMax } }),
} as const;

async function fill(log: AuditLog, count: number, start = 0): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, at) => log.record(entryOf(start + at))));
}

describe.each(['ram', 'disk'] as const)('a log (%s)', (name) => {
  const open = engines[name];

  test('gives entries their indexes in the order of the calls, and keeps them', async () => {
    await using log = await open(createWorld(1));
    const receipts = await Promise.all(Array.from({ length: 600 }, (_, at) => log.record(entryOf(at))));
    expect(receipts.map(({ index }) => index)).toEqual(Array.from({ length: 600 }, (_, at) => at));
    expect(log.size).toBe(600);
    for (const from of [0, 255, 256, 511, 599]) {
      const stored = await log.read(from, 600);
      expect(stored.length).toBe(Math.min(256, 600 - from));
      for (const { index, entry } of stored)
        expect(parseLeaf(entry as Uint8Array)?.fields).toEqual({ n: String(index) });
    }
    expect(await log.read(600, 700)).toEqual([]);
  });

  test('a receipt proves its entry to whoever has the key, whatever came after', async () => {
    await using log = await open(createWorld(2));
    const first = await log.record(entryOf(0));
    const early = await first.proof();
    await fill(log, 700, 1);
    const keys = log.signer.keys().map(encodeVerifierKey);
    for (const text of [early, await first.proof()]) {
      const { index, entry } = await verifyReceipt(text, { keys, verify: verifyEd25519 });
      expect([index, parseLeaf(entry)?.corr_id]).toEqual([0, 'corr-0']);
      expect(text.length).toBeLessThanOrEqual(receiptCharactersMax);
    }
  });

  test('the checkpoint is a signed note that another implementation reads', async () => {
    await using log = await open(createWorld(3));
    await fill(log, 3);
    const { text, size, root } = await log.checkpoint(3);
    const lines = text.split('\n');
    expect(lines.slice(0, 2)).toEqual([origin, '3']);
    expect(lines[2]).toBe(Buffer.from(root).toString('base64'));
    expect([lines[3], lines[5], lines.length, size]).toEqual(['', '', 6, 3]);
    const [dash, keyName, base64] = (lines[4] as string).split(' ');
    const bytes = Buffer.from(base64 as string, 'base64');
    const key = log.signer.keys()[0]?.publicKey as Uint8Array;
    const id = createHash('sha256').update(`${origin}\n`).update(Uint8Array.of(1)).update(key).digest().subarray(0, 4);
    expect([dash, keyName, bytes.length]).toEqual(['—', origin, 68]);
    expect(bytes.subarray(0, 4)).toEqual(id);
    const message = Buffer.from(`${lines.slice(0, 3).join('\n')}\n`);
    expect(verifyEd25519(key, message, new Uint8Array(bytes.subarray(4)))).toBe(true);
  });

  test('every checkpoint is the beginning of every later one', async () => {
    await using log = await open(createWorld(4));
    const heads = [await log.checkpoint()];
    for (const count of [1, 1, 254, 1, 300]) {
      await fill(log, count);
      heads.push(await log.checkpoint(log.size));
    }
    expect(heads.map(({ size }) => size)).toEqual([0, 1, 2, 256, 257, 557]);
    for (const [at, to] of heads.entries()) {
      for (const from of heads.slice(0, at)) {
        const proof = await consistencyProof(from.size, to.size, log.hashes);
        const claim = { from: from.size, to: to.size, fromRoot: from.root, toRoot: to.root, proof };
        expect(verifyConsistency(claim)).toBe(true);
      }
    }
  });

  test('signs a batch once, within the interval, and at once for whoever asks', async () => {
    const world = createWorld(5);
    await using log = await open(world);
    const before = await log.checkpoint();
    await fill(log, 100);
    await world.env.scheduler.settle(new Promise<void>((resolve) => world.env.clock.after(200, resolve)));
    const text = (await log.checkpoint()).text;
    expect(text.split('\n')[1]).toBe('100');
    expect(before.size).toBe(0);
    expect((await log.checkpoint(50)).text).toBe(text);
    await expect(log.checkpoint(101)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('old checkpoints verify after the key is rotated, and new ones have the new key', async () => {
    const world = createWorld(6);
    await using log = await open(world);
    await fill(log, 2);
    const old = await log.checkpoint(2);
    const kid = world.kms.currentKey({ tenant: 'node', purpose: 'audit', alg: 'ed25519' })?.kid as string;
    await world.kms.rotateKey(kid);
    await fill(log, 2);
    const now = await log.checkpoint(4);
    const keys = log.signer.keys();
    expect(keys).toHaveLength(2);
    expect((await openCheckpoint(old.text, keys, verifyEd25519)).signers).toEqual([keys[1]]);
    expect((await openCheckpoint(now.text, keys, verifyEd25519)).signers).toEqual([keys[0]]);
    await expect(openCheckpoint(now.text, keys.slice(1), verifyEd25519)).rejects.toThrow('no known key');
  });

  test('what is given up is noted in the log, its hashes stay, and proofs of old entries hold', async () => {
    const world = createWorld(7);
    await using log = await open(world, 512);
    for (let round = 0; round < 12; round += 1) {
      await fill(log, 128, round * 128);
      await log.checkpoint(log.size);
    }
    await world.env.scheduler.settle(new Promise<void>((resolve) => world.env.clock.after(1_000, resolve)));
    expect(log.keptFrom).toBeGreaterThanOrEqual(512);
    expect(log.size - log.keptFrom).toBeLessThanOrEqual(1_024);
    const [old] = await log.read(0, 1);
    expect(old).toMatchObject({ index: 0, entry: undefined });
    expect(await log.tile({ level: 'entries', number: 0, width: 256 })).toBeUndefined();
    expect(await log.tile({ level: 0, number: 0, width: 256 })).toHaveLength(8_192);
    const { body } = await exportLog(log);
    const report = await verifyLog({ kind: 'export', bytes: body }, { keys: log.signer.keys() });
    expect(report).toMatchObject({ ok: true, exitCode: 0, findings: [], notKept: { from: 0, to: log.keptFrom } });
  });

  test('offered entries past 8,192 waiting ones are dropped, counted, and the count becomes an entry', async () => {
    await using log = await open(createWorld(8));
    for (let at = 0; at < 8_200; at += 1) log.offer(entryOf(at));
    expect(log.dropped).toBe(8);
    await log.record(entryOf(9_000));
    await log.record(entryOf(9_001));
    const noted: string[] = [];
    for (let from = 0; from < log.size; from += 256) {
      for (const { entry } of await log.read(from, log.size)) {
        const leaf = parseLeaf(entry as Uint8Array);
        if (leaf?.op === 'audit.dropped') noted.push(leaf.fields['count'] as string);
      }
    }
    expect(noted).toEqual(['8']);
    expect(log.size).toBe(8_192 + 2 + 1);
  });

  test('records past 8,192 waiting ones are refused', async () => {
    await using log = await open(createWorld(9));
    const outcomes = await Promise.allSettled(Array.from({ length: 8_193 }, (_, at) => log.record(entryOf(at))));
    const refused = outcomes.filter((each) => each.status === 'rejected');
    expect(refused.map(({ reason }) => [reason.code, reason.details.gate])).toEqual([['unavailable', 'audit']]);
  });

  test('who waits for entries is woken by the next one, by the time, and by the close', async () => {
    const world = createWorld(10);
    const log = await open(world);
    const woken = log.grown(0, 30_000);
    await log.record(entryOf(0));
    expect(await woken).toBe(1);
    expect(await world.env.scheduler.settle(log.grown(1, 1_000))).toBe(1);
    const abort = new AbortController();
    const left = log.grown(1, 30_000, abort.signal);
    abort.abort();
    expect(await left).toBe(1);
    const last = log.grown(1, 30_000);
    await log[Symbol.asyncDispose]();
    expect(await last).toBe(1);
    expect(() => log.ready()).toThrow(expect.objectContaining({ code: 'unavailable' }));
    await expect(log.record(entryOf(1))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('tiles have the widths that the tree has, and no others', async () => {
    await using log = await open(createWorld(11));
    await fill(log, 300);
    const lengthOf = async (level: number | 'entries', number: number, width: number) =>
      (await log.tile({ level, number, width }))?.byteLength;
    expect(await lengthOf(0, 0, 256)).toBe(8_192);
    expect(await lengthOf(0, 1, 44)).toBe(44 * 32);
    expect(await lengthOf(0, 1, 45)).toBeUndefined();
    expect(await lengthOf(0, 1, 256)).toBeUndefined();
    expect(await lengthOf(1, 0, 1)).toBe(32);
    expect(await lengthOf(2, 0, 1)).toBeUndefined();
    expect(await lengthOf('entries', 1, 44)).toBeGreaterThan(44 * 100);
    expect(await lengthOf('entries', 1, 45)).toBeUndefined();
  });
});

describe('leaves', () => {
  test('are canonical JSON of at most 8 KiB, whatever the entry', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 1_000 }),
      fc.constant('\u0001'.repeat(2_000)),
      fc.constant('\ud800'),
    );
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 40 }),
        fc.dictionary(text, text, { maxKeys: 50 }),
        text,
        (resources, fields, one) => {
          const entry: AuditEntry = { ...entryOf(1), op: one, subject: one, resources, fields, reason: one };
          const bytes = encodeLeaf(entry, 1.5);
          expect(bytes.byteLength).toBeLessThanOrEqual(auditLimits.entryBytesMax);
          const leaf = parseLeaf(bytes);
          expect(canonicalJson(leaf as never)).toBe(new TextDecoder().decode(bytes));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('keep texts of 511 and 512 characters, and cut one of 513', () => {
    for (const [length, kept, clipped] of [
      [511, 511, undefined],
      [512, 512, undefined],
      [513, 512, true],
    ] as const) {
      const leaf = parseLeaf(encodeLeaf(entryOf(1, { fields: { text: 'x'.repeat(length) } }), 0));
      expect([leaf?.fields['text']?.length, leaf?.clipped]).toEqual([kept, clipped]);
    }
  });

  test('that are not of this form are none', () => {
    const leaf = JSON.parse(new TextDecoder().decode(encodeLeaf(entryOf(1), 0))) as object;
    const parsed = (value: unknown) => parseLeaf(new TextEncoder().encode(JSON.stringify(value)));
    expect(parsed(leaf)).toEqual(leaf);
    for (const bad of [null, 7, [], {}, { ...leaf, v: 2 }, { ...leaf, fields: null }, { ...leaf, fields: undefined }]) {
      expect(parsed(bad)).toBeUndefined();
    }
    for (const bytes of [[], [0x7b], [0xff, 0xff]]) expect(parseLeaf(Uint8Array.from(bytes))).toBeUndefined();
  });

  test('verifier keys are read back', async () => {
    await using log = await createRamAuditLog({ ...createWorld(12), origin });
    for (const key of log.signer.keys()) expect(parseVerifierKey(encodeVerifierKey(key))).toEqual(key);
    await expect(createRamAuditLog({ ...createWorld(12), origin: 'has space' })).rejects.toThrow(RangeError);
  });
});
