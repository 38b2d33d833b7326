import { createRamTable } from '@ron/journal';
import { type Passport, passportLimits } from '@ron/proto/passport';
import { describe, expect, test } from 'vitest';
import type { PassportValue } from './service.ts';
import { revocationsHeldMax } from './store/records.ts';
import { codeOf, startNode, type TestNode } from './testing/node.ts';

const rights = [{ methods: ['read' as const], prefix: 'n/docs' }];

async function begin(node: TestNode, more: Record<string, unknown> = {}) {
  const { capability: token } = await node.admin();
  return node.call('issue', { subject: 'ann', rights, ...more }, { token });
}

const refresh = (node: TestNode, refresh_token: string, key?: string) =>
  node.call('refresh', { refresh_token }, key === undefined ? {} : { key });

/** Everything that a caller could tell refusals apart by. */
async function wordsOf(task: Promise<unknown>): Promise<unknown> {
  return task.then(
    () => 'ok',
    (error: { code: string; message: string; details?: unknown; retryAfterMs?: number }) => [
      error.code,
      error.message,
      error.details,
      error.retryAfterMs,
    ],
  );
}

describe('a used refresh token', () => {
  test('ends the family with everything it minted; the thief and the robbed both stand outside', async () => {
    await using node = await startNode();
    const first = await begin(node);
    const stolen = first.refresh_token;
    const thief = await refresh(node, stolen);
    const again = await refresh(node, thief.refresh_token);
    // The owner comes with the token that it still has, or the thief, when the owner was first.
    expect(await codeOf(() => refresh(node, stolen))).toBe('unauthenticated');
    for (const { capability, refresh_token } of [first, thief, again]) {
      expect(await node.verdict(capability)).toBe('unauthenticated');
      expect(await codeOf(() => refresh(node, refresh_token))).toBe('unauthenticated');
    }
    expect(node.metrics.read('passport_refresh_reuse_total')).toBe(1);
    expect(
      node.lines.filter((line) => line.includes(first.family) && line.includes('used refresh token')),
    ).toHaveLength(1);
    expect(node.store.meta).toMatchObject({ families: 1, revocations: 3 });
  });

  test('is known for one however many refreshes ago it was used', async () => {
    await using node = await startNode();
    const first = await begin(node, { ttl_s: 1 });
    let last = first;
    for (let count = 0; count < 100; count += 1) {
      last = await refresh(node, last.refresh_token);
      await node.env.scheduler.runFor(10_000);
    }
    expect(await codeOf(() => refresh(node, first.refresh_token))).toBe('unauthenticated');
    expect(await codeOf(() => refresh(node, last.refresh_token))).toBe('unauthenticated');
  });

  test('gets the same words as every other token that is not good', async () => {
    await using node = await startNode({ config: { refresh_ttl_s: 60 } });
    const used = await begin(node);
    await refresh(node, used.refresh_token);
    const admin = await node.store.family(used.family);
    const words = [
      await wordsOf(refresh(node, 'nonsense')),
      await wordsOf(refresh(node, `ronr_${'A'.repeat(91)}`)),
      await wordsOf(refresh(node, `${used.refresh_token}=`)),
      await wordsOf(refresh(node, used.refresh_token)),
      await wordsOf(refresh(node, used.refresh_token)),
    ];
    expect(admin).toBeDefined();
    expect(words).toEqual(
      words.map(() => ['unauthenticated', 'a valid refresh token is required', undefined, undefined]),
    );
  });

  test('that somebody made up from a family’s id ends nothing', async () => {
    await using node = await startNode();
    const { family, refresh_token } = await begin(node);
    const bytes = Buffer.from(refresh_token.slice(5), 'base64url');
    expect(bytes.subarray(0, 16).toString('hex')).toBe(family);
    for (let at = 16; at < bytes.byteLength; at += 7) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(await codeOf(() => refresh(node, `ronr_${changed.toString('base64url')}`))).toBe('unauthenticated');
    }
    expect(await codeOf(() => refresh(node, refresh_token))).toBe('ok');
  });
});

describe('a lost answer', () => {
  test('comes again for the same Idempotency-Key within 30 s, and not after', async () => {
    await using node = await startNode();
    const { refresh_token } = await begin(node);
    const answer = await refresh(node, refresh_token, 'k1');
    await node.env.scheduler.runFor(29_999);
    expect(await refresh(node, refresh_token, 'k1')).toEqual(answer);
    expect(await node.verdict(answer.capability)).toBe('ok');
    await node.env.scheduler.runFor(1);
    expect(await codeOf(() => refresh(node, refresh_token, 'k1'))).toBe('unauthenticated');
    expect(node.metrics.read('passport_refresh_reuse_total')).toBe(1);
  });

  test('comes not for another key', async () => {
    await using node = await startNode();
    const { refresh_token } = await begin(node);
    await refresh(node, refresh_token, 'k1');
    expect(await codeOf(() => refresh(node, refresh_token, 'k2'))).toBe('unauthenticated');
    expect(node.store.meta.families).toBe(1);
  });

  test('comes not when its own refresh token was used meanwhile: that is a reuse', async () => {
    await using node = await startNode();
    const { refresh_token } = await begin(node);
    const answer = await refresh(node, refresh_token, 'k1');
    await refresh(node, answer.refresh_token);
    expect(await codeOf(() => refresh(node, refresh_token, 'k1'))).toBe('unauthenticated');
    expect(node.metrics.read('passport_refresh_reuse_total')).toBe(1);
  });

  test('comes not from a family that was revoked meanwhile', async () => {
    await using node = await startNode();
    const admin = await node.admin();
    const { refresh_token, family } = await node.call('issue', { subject: 'ann', rights }, { token: admin.capability });
    await refresh(node, refresh_token, 'k1');
    await node.call('revoke', { family }, { token: admin.capability });
    expect(await codeOf(() => refresh(node, refresh_token, 'k1'))).toBe('unauthenticated');
  });
});

describe('a family', () => {
  test('that is revoked takes a capability along that is expired, yet tolerated', async () => {
    await using node = await startNode();
    const admin = await node.admin();
    const issued = await node.call('issue', { subject: 'ann', rights, ttl_s: 60 }, { token: admin.capability });
    await node.env.scheduler.runFor(90_000);
    const next = await refresh(node, issued.refresh_token);
    expect(await node.verdict(issued.capability)).toBe('ok');
    await node.call('revoke', { family: next.family }, { token: admin.capability });
    expect(await node.verdict(issued.capability)).toBe('unauthenticated');
  });

  test('that is revoked by its subject dies even when the clock was set back since', async () => {
    await using node = await startNode();
    const admin = await node.admin();
    await node.call('issue', { subject: 'ann', rights }, { token: admin.capability });
    node.env.clock.jumpWall(1_500);
    const issued = await node.call('issue', { subject: 'ann', rights }, { token: admin.capability });
    node.env.clock.jumpWall(-1_500);
    await node.call('revoke', { subject: 'ann' }, { token: admin.capability });
    expect(await node.verdict(issued.capability)).toBe('unauthenticated');
    // Until the clock has passed that moment nothing good can be issued to the subject.
    await expect(node.call('issue', { subject: 'ann', rights }, { token: admin.capability })).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterMs: 1_501,
    });
    await node.env.scheduler.runFor(501);
    const later = await node.call('issue', { subject: 'ann', rights }, { token: admin.capability });
    expect(await node.verdict(later.capability)).toBe('ok');
  });

  test('ends by its subject when there are more revocations than verifiers hold', async () => {
    await using node = await startNode({ table: createRamTable<PassportValue>({ entriesMax: 100_000 }) });
    const { capability: token } = await node.admin();
    const issue = () => node.call('issue', { subject: 'ann', rights }, { token });
    const [first, second] = [await issue(), await issue()];
    const until = node.env.clock.wallMs() + 3_600_000;
    await node.env.scheduler.settle(
      node.store.transact((draft) => {
        for (let n = 1; n < revocationsHeldMax; n += 1) draft.revoke({ kind: 'capability', id: `id${n}`, until });
      }),
    );
    const newest = async ({ family }: Passport) => {
      await node.call('revoke', { family }, { token });
      return [...node.store.feed.entries()].at(-1);
    };
    expect(await newest(first)).toMatchObject({ kind: 'capability', id: first.capability_id });
    expect(await newest(second)).toMatchObject({ kind: 'subject', subject: 'ann' });
    for (const { capability } of [first, second]) expect(await node.verdict(capability)).toBe('unauthenticated');
    const third = await issue();
    const { capability_id } = third;
    expect(await codeOf(() => node.call('revoke', { capability_id }, { token }))).toBe('insufficient_storage');
  });

  test('ends at its time, and no capability of it lives longer', async () => {
    await using node = await startNode({ config: { refresh_ttl_s: 60 } });
    const first = await begin(node, { ttl_s: 3_600 });
    expect(first.expires_at).toBe(first.refresh_expires_at);
    await node.env.scheduler.runFor(59_999);
    const second = await refresh(node, first.refresh_token);
    await node.env.scheduler.runFor(1);
    expect(await codeOf(() => refresh(node, second.refresh_token))).toBe('unauthenticated');
    expect(node.metrics.read('passport_refresh_reuse_total')).toBe(0);
    await node.env.scheduler.runFor(86_400_000 + 600_000);
    expect(node.store.meta.families).toBe(0);
  });

  test('has at most 64 capabilities that may be in use', async () => {
    await using node = await startNode();
    let last = await begin(node, { ttl_s: 100 });
    for (let count = 1; count < passportLimits.familyCapabilitiesMax; count += 1) {
      last = await refresh(node, last.refresh_token);
    }
    await expect(refresh(node, last.refresh_token)).rejects.toMatchObject({
      code: 'quota_exhausted',
      retryAfterMs: 400_000,
    });
    await node.env.scheduler.runFor(400_000);
    expect(await codeOf(() => refresh(node, last.refresh_token))).toBe('ok');
  });

  test('is known after its token key was rotated, and ends when that key is retired', async () => {
    await using node = await startNode();
    const first = await begin(node);
    const { kid } = node.kms.currentKey({ tenant: 'node', purpose: 'passport-refresh', alg: 'hmac' })!;
    await node.kms.rotateKey(kid);
    const second = await refresh(node, first.refresh_token);
    await node.kms.retireKey(kid);
    expect(await codeOf(() => refresh(node, second.refresh_token))).toBe('unauthenticated');
  });
});
