import { createRamTable, openTable, type Table } from '@ron/journal';
import { createMetrics } from '@ron/kernel';
import { type auditContract, auditLimits } from '@ron/proto/audit';
import type { Call, Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import {
  encodeNote,
  encodeVerifierKey,
  parseBase64,
  parseNote,
  parseSignatureLines,
  parseVerifierKey,
  verifyConsistency,
  verifyCosignature,
  verifyInclusion,
  verifyReceipt,
} from '@ron/tlog';
import { beforeEach, describe, expect, test } from 'vitest';
import { type AuditLog, createRamAuditLog, verifyEd25519, verifyLog } from './index.ts';
import { type AuditConfig, audit, type CosignedRecord } from './service.ts';
import { bytesOf, createWorld, entryOf, openLog, putBytes } from './testing/fixture.ts';

type AuditHandlers = Handlers<typeof auditContract>;
const call = { context: { signal: new AbortController().signal } } as Call;

interface Node {
  readonly log: AuditLog;
  readonly handlers: AuditHandlers;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly cosigned: Table<CosignedRecord>;
  readonly gates: () => readonly { gate: string; ok: boolean; reason?: string }[];
  readonly witnessed: string[];
}

async function startNode(
  name: string,
  seed = 1,
  cosigned: Table<CosignedRecord> = createRamTable({ entriesMax: 4 }),
): Promise<Node> {
  const { env, kms } = createWorld(seed);
  const log = await createRamAuditLog({ env, kms, origin: name });
  return startWith(log, env, cosigned);
}

async function startWith(log: AuditLog, env: object, cosigned: Table<CosignedRecord>): Promise<Node> {
  const metrics = createMetrics();
  const witnessed: string[] = [];
  const config = { current: () => ({ witnessed_keys: witnessed }) satisfies AuditConfig };
  const running = await audit.start({ config, engines: { log, cosigned }, env, metrics } as never);
  const gates = running.gates as Node['gates'];
  return { log, handlers: running.handlers as AuditHandlers, metrics, cosigned, gates, witnessed };
}

async function fill(log: AuditLog, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, at) => log.record(entryOf(at))));
}
async function refusal(work: () => unknown): Promise<readonly [string, unknown]> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RonError) return [error.code, error.details?.['reason']];
    throw error;
  }
  return ['accepted', undefined];
}
const textOf = async (body: AsyncIterable<Uint8Array>) => {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
};
const hashesOf = (proof: readonly string[]) => proof.map((hash) => parseBase64(hash) as Uint8Array);

let node: Node;
beforeEach(async () => {
  node = await startNode('node.example/audit');
});

describe('reading', () => {
  test('a checkpoint, its key, and proofs are what an outsider needs', async () => {
    const { log, handlers } = node;
    await fill(log, 300);
    const { output, body } = await handlers.checkpoint({}, call);
    const text = await textOf(body);
    expect(output).toEqual({
      content_type: 'text/plain; charset=utf-8',
      cache_control: 'no-store',
      content_length: Buffer.byteLength(text),
    });
    const { origin, keys, witness_key: witnessKey } = await handlers.key({}, call);
    expect([origin, parseVerifierKey(witnessKey).type]).toEqual(['node.example/audit', 'cosignature']);
    const inclusion = await handlers.inclusion({ index: 17 }, call);
    const claim = {
      index: 17,
      size: 300,
      leafHash: parseBase64(inclusion.leaf_hash) as Uint8Array,
      root: parseBase64(text.split('\n')[2] as string) as Uint8Array,
      proof: hashesOf(inclusion.proof),
    };
    expect(verifyInclusion(claim)).toBe(true);
    const receipt = await verifyReceipt(inclusion.receipt, { keys, verify: verifyEd25519 });
    expect([receipt.index, receipt.checkpoint.size]).toEqual([17, 300]);
    const smaller = await handlers.inclusion({ index: 17, size: 18 }, call);
    expect([smaller.size, smaller.proof.length]).toEqual([18, 2]);
    const consistency = await handlers.consistency({ from: 18 }, call);
    expect(consistency.from_root).toBe(smaller.root);
    expect(
      verifyConsistency({
        from: 18,
        to: 300,
        fromRoot: parseBase64(consistency.from_root) as Uint8Array,
        toRoot: claim.root,
        proof: hashesOf(consistency.proof),
      }),
    ).toBe(true);
  });

  test('what is not there is refused', async () => {
    const { log, handlers } = node;
    await fill(log, 3);
    expect((await refusal(() => handlers.inclusion({ index: 3 }, call)))[0]).toBe('not_found');
    expect((await refusal(() => handlers.inclusion({ index: 2, size: 4 }, call)))[0]).toBe('not_found');
    expect((await refusal(() => handlers.inclusion({ index: 2, size: 2 }, call)))[0]).toBe('not_found');
    expect((await refusal(() => handlers.inclusion({ index: 2, size: 3 }, call)))[0]).toBe('accepted');
    expect((await refusal(() => handlers.consistency({ from: 3, to: 2 }, call)))[0]).toBe('bad_request');
    expect((await refusal(() => handlers.consistency({ from: 3, to: 4 }, call)))[0]).toBe('not_found');
    expect((await refusal(() => handlers.export({ from: 4 }, call)))[0]).toBe('bad_request');
    expect((await refusal(() => handlers.checkpoint({ cosigned: true }, call)))[0]).toBe('not_found');
    for (const [path, code] of [
      ['0/000.p/3', 'accepted'],
      ['0/000.p/4', 'not_found'],
      ['0/000', 'not_found'],
      ['../checkpoint', 'bad_request'],
      ['entries/000.p/3', 'accepted'],
    ] as const) {
      expect((await refusal(() => handlers.tile({ path }, call)))[0], path).toBe(code);
    }
  });

  test('a proof between two earlier sizes is made, and none from hashes that were changed', async () => {
    const { env, kms } = createWorld(31);
    await using log = await openLog(env, kms);
    const { handlers } = await startWith(log, env, createRamTable({ entriesMax: 4 }));
    await fill(log, 600);
    await env.scheduler.settle(new Promise<void>((resolve) => env.clock.after(1_000, resolve)));
    const middle = await handlers.consistency({ from: 257, to: 512 }, call);
    expect([middle.from, middle.to, middle.proof.length > 0]).toEqual([257, 512, true]);
    const tile = await bytesOf(env.disk, 'audit/tile/0/000');
    tile[40] = (tile[40] as number) ^ 1;
    await putBytes(env.disk, 'audit/tile/0/000', tile);
    expect((await refusal(() => handlers.consistency({ from: 3 }, call)))[0]).toBe('integrity');
    expect((await refusal(() => handlers.inclusion({ index: 0 }, call)))[0]).toBe('integrity');
  });

  test('full tiles are cached for good, partial ones not at all', async () => {
    const { log, handlers } = node;
    await fill(log, 257);
    const cacheOf = async (path: string) => (await handlers.tile({ path }, call)).output.cache_control;
    expect(await cacheOf('0/000')).toContain('immutable');
    expect(await cacheOf('entries/000')).toContain('immutable');
    expect(await cacheOf('0/001.p/1')).toBe('no-store');
  });

  test('an export is checked with the node switched off', async () => {
    const { log, handlers } = node;
    await fill(log, 300);
    const { output, body } = await handlers.export({ from: 10, to: 290 }, call);
    const text = await textOf(body);
    const { keys } = await handlers.key({}, call);
    await log[Symbol.asyncDispose]();
    const bytes = (async function* () {
      yield new TextEncoder().encode(text);
    })();
    expect(await verifyLog({ kind: 'export', bytes }, { keys })).toMatchObject({ ok: true, from: 10, to: 290 });
    expect(output).toMatchObject({ content_type: 'application/x-ndjson', size: 290 });
  });

  test('a tail goes on where it ended, and waits for what comes', async () => {
    const { log, handlers } = node;
    await fill(log, 300);
    const first = await handlers.tail({ from: 0 }, call);
    expect([first.entries.length, first.next, first.size]).toEqual([256, 256, 300]);
    const second = await handlers.tail({ from: first.next, limit: 10 }, call);
    expect(second.entries.map(({ index }) => index)).toEqual([256, 257, 258, 259, 260, 261, 262, 263, 264, 265]);
    const waiting = handlers.tail({ wait_ms: auditLimits.waitMsMax }, call);
    await log.record(entryOf(5, { op: 'kms.rotate' }));
    expect((await waiting).entries).toMatchObject([{ index: 300, entry: { op: 'kms.rotate', v: 1 } }]);
    expect(await handlers.tail({}, call)).toEqual({ entries: [], next: 301, size: 301 });
  });

  test('a tail of large entries stays within a frame', async () => {
    const { log, handlers } = node;
    const fields = Object.fromEntries(Array.from({ length: 15 }, (_, at) => [`f${at}`, 'x'.repeat(500)]));
    await Promise.all(Array.from({ length: 200 }, () => log.record(entryOf(0, { fields }))));
    const { entries, next } = await handlers.tail({ from: 0 }, call);
    expect(JSON.stringify(entries).length).toBeLessThan(1_048_576);
    expect([next, entries.length]).toEqual([entries.length, entries.length]);
    expect(entries.length).toBeGreaterThan(50);
  });

  test('metrics and the gate tell how the log is', async () => {
    const { env, kms } = createWorld(5);
    const log = await openLog(env, kms);
    const started = await startWith(log, env, createRamTable({ entriesMax: 4 }));
    await fill(log, 3);
    expect(await started.metrics.exposition()).toContain('audit_entries 3');
    expect(started.metrics.read('audit_append_seconds')).toBe(3);
    expect(started.gates()).toEqual([{ gate: 'audit', ok: true }]);
    env.machineDisk.faults.failNth('sync', 1);
    expect((await refusal(() => log.record(entryOf(1))))[0]).toBe('unavailable');
    expect(started.gates()).toMatchObject([{ gate: 'audit', ok: false, reason: expect.stringContaining('read-only') }]);
    expect(await started.metrics.exposition()).toContain('audit_failed 1');
    expect(started.metrics.read('audit_refused_total')).toBe(1);
    log.offer(entryOf(1));
    expect(started.metrics.read('audit_dropped_total')).toBe(1);
    await log[Symbol.asyncDispose]();
  });
});

describe('a witness', () => {
  async function request(from: Node, oldSize: number, more: { verifier_key?: string } = {}) {
    const { text, size } = await from.log.checkpoint(from.log.size);
    const { proof } = await from.handlers.consistency({ from: oldSize, to: size }, call);
    return { checkpoint: text, old_size: oldSize, proof, ...more };
  }
  const keyOf = async (from: Node) => ({ verifier_key: (await from.handlers.key({}, call)).keys[0] as string });

  test('cosigns a log as it grows, and the log shows it', async () => {
    const other = await startNode('other.example/audit', 2);
    await fill(other.log, 5);
    const first = await node.handlers.cosign(await request(other, 0, await keyOf(other)), call);
    expect(first).toMatchObject({ origin: 'other.example/audit', size: 5 });
    await fill(other.log, 300);
    const asked = await request(other, 5);
    const { cosignature } = await node.handlers.cosign(asked, call);
    const witnessKey = (await node.handlers.key({}, call)).witness_key;
    const verifier_keys = [witnessKey];
    const added = { checkpoint: asked.checkpoint, cosignatures: cosignature, verifier_keys };
    expect(await other.handlers.add_cosignatures(added, call)).toEqual({ size: 305, cosignatures: 1 });
    expect(await other.handlers.add_cosignatures(added, call)).toEqual({ size: 305, cosignatures: 1 });
    const shown = parseNote(await textOf((await other.handlers.checkpoint({ cosigned: true }, call)).body));
    expect(shown.signatures).toHaveLength(2);
    const line = shown.signatures[1] as (typeof shown.signatures)[number];
    const found = await verifyCosignature(shown.text, line, parseVerifierKey(witnessKey), verifyEd25519);
    expect(found?.atSeconds).toBe(Date.UTC(2026, 0, 1) / 1_000);
  });

  test('refuses a rollback, a fork, a proof from elsewhere and another key, and remembers what it signed', async () => {
    const other = await startNode('other.example/audit', 3);
    await fill(other.log, 5);
    const old = await request(other, 0, await keyOf(other));
    await fill(other.log, 5);
    const pinned = await request(other, 0, await keyOf(other));
    await node.handlers.cosign(pinned, call);
    expect(await refusal(() => node.handlers.cosign(old, call))).toEqual(['conflict', 'rollback']);
    expect(await refusal(() => node.handlers.cosign(pinned, call))).toEqual(['conflict', 'stale']);
    await fill(other.log, 1);
    const next = await request(other, 10);
    expect(await refusal(() => node.handlers.cosign({ ...next, proof: next.proof.slice(1) }, call))).toEqual([
      'conflict',
      'fork',
    ]);
    const stranger = await startNode('other.example/audit', 4);
    await fill(stranger.log, 20);
    const forged = await request(stranger, 10);
    expect(await refusal(() => node.handlers.cosign(forged, call))).toEqual(['forbidden', 'other_key']);
    const withKey = { ...forged, ...(await keyOf(stranger)) };
    expect(await refusal(() => node.handlers.cosign(withKey, call))).toEqual(['forbidden', 'other_key']);
    expect(await refusal(() => node.handlers.cosign({ ...next, proof: ['AB=='] }, call))).toEqual([
      'bad_request',
      'proof',
    ]);
    expect(await refusal(() => node.handlers.cosign(next, call))).toEqual(['accepted', undefined]);
    expect(node.cosigned.get('of:other.example/audit')).toMatchObject({ size: 11 });
  });

  test('refuses a fork that the log itself signed', async () => {
    const { env, kms } = createWorld(6);
    const branch = async (subject: string) => {
      const log = await createRamAuditLog({ env, kms, origin: 'two.example/audit' });
      await log.record(entryOf(0, { subject }));
      return startWith(log, env, createRamTable({ entriesMax: 4 }));
    };
    const [a, b] = [await branch('alice'), await branch('bob')];
    await node.handlers.cosign(await request(a, 0, await keyOf(a)), call);
    await fill(b.log, 3);
    expect(await refusal(async () => node.handlers.cosign(await request(b, 1), call))).toEqual(['conflict', 'fork']);
    const same = { ...(await request(a, 1)), checkpoint: (await b.log.checkpoint()).text };
    expect((await refusal(() => node.handlers.cosign(same, call)))[1]).toBe('fork');
  });

  test('asked by two logs of one name at once pins the origin to one of them', async () => {
    const [a, b] = [await startNode('twin.example/audit', 61), await startNode('twin.example/audit', 62)];
    for (const each of [a, b]) await fill(each.log, 3);
    const requests = [await request(a, 0, await keyOf(a)), await request(b, 0, await keyOf(b))];
    const codes = await Promise.all(requests.map((each) => refusal(() => node.handlers.cosign(each, call))));
    expect(codes.map(([code]) => code).toSorted()).toEqual(['accepted', 'forbidden']);
  });

  test('without a key for the origin refuses; a configured one is enough, and wins', async () => {
    const other = await startNode('other.example/audit', 7);
    await fill(other.log, 2);
    const bare = await request(other, 0);
    expect(await refusal(() => node.handlers.cosign(bare, call))).toEqual(['forbidden', 'other_key']);
    node.witnessed.push((await keyOf(other)).verifier_key);
    expect(await refusal(() => node.handlers.cosign(bare, call))).toEqual(['accepted', undefined]);
    const stranger = await startNode('other.example/audit', 8);
    await fill(stranger.log, 3);
    const forged = await request(stranger, 2, await keyOf(stranger));
    expect(await refusal(() => node.handlers.cosign(forged, call))).toEqual(['forbidden', 'other_key']);
  });

  test('remembers over a restart', async () => {
    const { env } = createWorld(9);
    const open = () => openTable<CosignedRecord>({ env, folder: 'cosigned', entriesMax: 4 });
    const other = await startNode('other.example/audit', 10);
    await fill(other.log, 5);
    const asked = await request(other, 0, await keyOf(other));
    const before = await startNode('node.example/audit', 11, await open());
    await before.handlers.cosign(asked, call);
    await before.cosigned[Symbol.asyncDispose]();
    const after = await startNode('node.example/audit', 11, await open());
    expect(await refusal(() => after.handlers.cosign(asked, call))).toEqual(['conflict', 'stale']);
    expect(await refusal(async () => after.handlers.cosign(await request(other, 5), call))).toEqual([
      'accepted',
      undefined,
    ]);
    await after.cosigned[Symbol.asyncDispose]();
  });

  test('of more origins than the table holds refuses the one past it', async () => {
    for (const at of [0, 1, 2, 3, 4]) {
      const other = await startNode(`log-${at}.example/audit`, 20 + at);
      const code = (
        await refusal(async () => node.handlers.cosign(await request(other, 0, await keyOf(other)), call))
      )[0];
      expect(code).toBe(at < 4 ? 'accepted' : 'insufficient_storage');
    }
  });

  test('cosignatures of another checkpoint, by another key or of another log are not kept', async () => {
    await fill(node.log, 2);
    const { text } = await node.log.checkpoint(2);
    const witness = await startNode('witness.example/w', 12);
    const asked = { checkpoint: text, old_size: 0, proof: [], ...(await keyOf(node)) };
    const { cosignature } = await witness.handlers.cosign(asked, call);
    const verifier_keys = [(await witness.handlers.key({}, call)).witness_key];
    const add = (more: object) => () =>
      node.handlers.add_cosignatures({ checkpoint: text, cosignatures: cosignature, verifier_keys, ...more }, call);
    const [line] = parseSignatureLines(cosignature);
    expect((await refusal(add({ cosignatures: cosignature.replace('witness.example/w', 'w') })))[0]).toBe(
      'bad_request',
    );
    const stranger = (await startNode('witness.example/w', 13)).log.signer.witnessKey();
    expect((await refusal(add({ verifier_keys: [encodeVerifierKey(stranger)] })))[0]).toBe('bad_request');
    expect(
      (
        await refusal(add({ checkpoint: encodeNote({ ...parseNote(text), text: `${text.split('\n\n')[0]}\nx\n` }) }))
      )[0],
    ).toBe('bad_request');
    const fork = await startNode('node.example/audit', 1);
    await fill(fork.log, 1);
    await fork.log.record(entryOf(7, { subject: 'user/mallory' }));
    const other = { checkpoint: (await fork.log.checkpoint(2)).text };
    expect(await refusal(add(other))).toEqual(['conflict', 'fork']);
    expect((await refusal(add({})))[0]).toBe('accepted');
    const many = Array.from({ length: 16 }, (_, at) => startNode(`w${at}.example/w`, 40 + at));
    const lines = await Promise.all(
      (await Promise.all(many)).map(async ({ log, handlers }) => ({
        line: (await handlers.cosign(asked, call)).cosignature,
        key: encodeVerifierKey(log.signer.witnessKey()),
      })),
    );
    const all = { cosignatures: lines.map((each) => each.line).join(''), verifier_keys: lines.map(({ key }) => key) };
    expect((await refusal(add(all)))[0]).toBe('conflict');
    expect(line?.signature).toHaveLength(72);
    await fill(node.log, 1);
    const later = await node.log.checkpoint(3);
    expect((await refusal(add({ checkpoint: later.text })))[0]).toBe('bad_request');
    const newer = await witness.handlers.cosign(
      { checkpoint: later.text, old_size: 2, proof: (await node.handlers.consistency({ from: 2 }, call)).proof },
      call,
    );
    const added = { checkpoint: later.text, cosignatures: newer.cosignature };
    expect((await refusal(add(added)))[0]).toBe('accepted');
    expect(await refusal(add({}))).toEqual(['conflict', 'rollback']);
  });
});
