import { createSimEnv, type DiskOperation, SimWorld } from '@ron/kernel/sim';
import { createRamKms, type Kms } from '@ron/kms';
import type { Passport } from '@ron/proto/passport';
import { describe, expect, test } from 'vitest';
import { startNode, type TestNode, tables } from './testing/node.ts';

const rights = [{ methods: ['read' as const], prefix: 'n/docs' }];
const operations: readonly DiskOperation[] = ['open', 'write', 'sync', 'syncDirectory', 'rename', 'truncate'];

/** What a caller was told before the power went. */
interface Told {
  secret?: string;
  admin?: Passport;
  /** Its refresh token was used. */
  first?: Passport;
  second?: Passport;
  doomed?: Passport;
  revokedSeq?: number;
}

/** Says what it was told even when it fails in the middle. */
async function work(node: TestNode, told: Told): Promise<void> {
  told.secret = node.store.bootstrapSecret()!.text();
  told.admin = await node.admin();
  const { capability: token } = told.admin;
  told.first = await node.call('issue', { subject: 'ann', rights }, { token });
  told.doomed = await node.call('issue', { subject: 'bob', rights }, { token });
  const { seq } = await node.call<{ seq: number }>('revoke', { family: told.doomed.family }, { token });
  told.revokedSeq = seq;
  told.second = await node.call('refresh', { refresh_token: told.first.refresh_token });
}

async function check(node: TestNode, told: Told): Promise<void> {
  if (told.admin !== undefined) {
    expect(node.store.bootstrapState).toBe('used');
    expect(await node.verdict(told.admin.capability)).toBe('ok');
  }
  if (told.revokedSeq !== undefined) {
    expect(node.store.feed.seq).toBeGreaterThanOrEqual(told.revokedSeq);
    expect(await node.verdict(told.doomed!.capability)).toBe('unauthenticated');
    await expect(node.call('refresh', { refresh_token: told.doomed!.refresh_token })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  }
  const last = told.second ?? (told.doomed === undefined ? told.first : undefined);
  if (last !== undefined) {
    const next = await node.call('refresh', { refresh_token: last.refresh_token });
    expect(await node.verdict(next.capability)).toBe('ok');
  }
  if (told.second !== undefined) {
    await expect(node.call('refresh', { refresh_token: told.first!.refresh_token })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    expect(await node.verdict(told.second.capability)).toBe('unauthenticated');
  }
}

const keysEnv = createSimEnv({ seed: 'crash keys' });

async function run(operation: DiskOperation, nth: number): Promise<{ failed: boolean; told: Told }> {
  const env = new SimWorld({ seed: `crash ${operation} ${nth}` }).node('node');
  // Keys are the keystore's to keep: another disk.
  const kms: Kms = createRamKms(keysEnv);
  const told: Told = {};
  env.machineDisk.faults.failNth(operation, nth);
  let failed = false;
  try {
    const table = await env.scheduler.settle(tables.journal(env));
    const node = await startNode({ env, kms, table });
    await work(node, told);
  } catch {
    failed = true;
  }
  const after = env.crash();
  after.machineDisk.faults.calm();
  const table = await after.scheduler.settle(tables.journal(after));
  const node = await startNode({ env: after, kms, table });
  await check(node, told);
  return { failed, told };
}

describe('the power goes, and what was answered holds', () => {
  test.each(operations)('when any %s fails before it', async (operation) => {
    let nth = 1;
    for (let failed = true; failed; nth += 1) {
      const outcome = await run(operation, nth).catch((error: unknown) => {
        throw new Error(`${operation} ${nth}`, { cause: error });
      });
      failed = outcome.failed;
      expect(nth).toBeLessThan(100);
      // Nothing was in the way: the whole story was told.
      if (!failed) expect(outcome.told.second).toBeDefined();
    }
  });

  test('at each write the next start finds the acknowledged state or the one that was being written', async () => {
    const seen = new Set<string>();
    for (let nth = 1; ; nth += 1) {
      const { failed, told } = await run('sync', nth);
      seen.add(Object.keys(told).join());
      if (!failed) break;
    }
    // It did stop at different places of the story.
    expect(seen.size).toBeGreaterThan(4);
  });
});

describe('a store that cannot be written', () => {
  test('closes the gate and refuses what would change it, while capabilities are checked', async () => {
    const env = createSimEnv({ seed: 'failed store' });
    const node = await startNode({ env, table: await env.scheduler.settle(tables.journal(env)) });
    const { capability: token, refresh_token } = await node.admin();
    expect(node.gates()).toEqual([{ gate: 'passport.passport-writable', ok: true }]);
    env.machineDisk.faults.failNth('sync', 1);
    await expect(node.call('issue', { subject: 'ann', rights }, { token })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(node.gates()).toMatchObject([{ gate: 'passport.passport-writable', ok: false }]);
    await expect(node.call('refresh', { refresh_token })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(node.call('revoke', { subject: 'root' }, { token })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await node.verdict(token)).toBe('ok');
    expect(await node.call('profile', {}, { token })).toMatchObject({ subject: 'root' });
  });

  test('a full disk refuses new passports and still takes revocations', async () => {
    const env = createSimEnv({ seed: 'full store' });
    const node = await startNode({ env, table: await env.scheduler.settle(tables.journal(env)) });
    const { capability: token, refresh_token } = await node.admin();
    env.machineDisk.faults.capacityBytes = env.machineDisk.usedBytes;
    let code = 'ok';
    for (let count = 0; count < 3_000 && code === 'ok'; count += 1) {
      code = await node.call('issue', { subject: 'ann', rights, ttl_s: 1 }, { token }).then(
        () => 'ok',
        (error: { code: string }) => error.code,
      );
    }
    expect(code).toBe('insufficient_storage');
    await expect(node.call('refresh', { refresh_token })).rejects.toMatchObject({ code: 'insufficient_storage' });
    await node.call('revoke', { subject: 'root' }, { token });
    expect(await node.verdict(token)).toBe('unauthenticated');
  });
});
