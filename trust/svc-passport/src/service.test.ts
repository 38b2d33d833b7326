import { createSimEnv } from '@ron/kernel/sim';
import type { Passport } from '@ron/proto/passport';
import { describe, expect, test } from 'vitest';
import { everything, startNode, type TestNode, tables } from './testing/node.ts';

const read = [{ methods: ['read' as const], prefix: 'n/docs' }];
const issueTo = (node: TestNode, token: string, more: Record<string, unknown> = {}) =>
  node.call('issue', { subject: 'ann', rights: read, ...more }, { token });
const keyText = Buffer.alloc(32, 7).toString('base64url');

describe.each(Object.entries(tables))('passports in %s', (_name, makeTable) => {
  async function start() {
    const env = createSimEnv({ seed: 'passport service' });
    return startNode({ env, table: await env.scheduler.settle(makeTable(env)) });
  }

  test('the bootstrap secret makes the first administrator, who may do everything, once', async () => {
    await using node = await start();
    const secret = node.store.bootstrapSecret()!.text();
    const admin = await node.admin();
    expect(admin).toMatchObject({ subject: 'root', tenant: '', expires_at: node.env.clock.wallMs() + 900_000 });
    const principal = await node.authority.verify(admin.capability, { remote: '127.0.0.1' });
    expect(principal.view()).toMatchObject({ rights: [everything], id: admin.capability_id });
    expect([node.store.bootstrapState, node.store.bootstrapSecret()]).toEqual(['used', undefined]);
    expect(await node.store.renewBootstrapSecret()).toBeUndefined();
    await expect(node.call('bootstrap', { secret, subject: 'eve' })).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('an issued capability verifies in both schemes, with its rights, limits and life', async () => {
    await using node = await start();
    const { capability: token } = await node.admin();
    for (const scheme of ['hmac', 'ed25519'] as const) {
      const issued = await issueTo(node, token, { scheme, tenant: 't1', limits: { bytes_max: 5 }, ttl_s: 60 });
      const principal = await node.authority.verify(issued.capability, { remote: '127.0.0.1' });
      expect(principal.view(), scheme).toMatchObject({
        id: issued.capability_id,
        subject: 'ann',
        tenant: 't1',
        rights: [read],
        limits: { bytes_max: 5 },
        expires_at: node.env.clock.wallMs() + 60_000,
      });
    }
    expect(node.metrics.read('passport_issued_total')).toBe(3);
  });

  test('a refresh gives a new capability and token of the same family; the old capability lives out its time', async () => {
    await using node = await start();
    const first = await issueTo(node, (await node.admin()).capability, { ttl_s: 60 });
    await node.env.scheduler.runFor(30_000);
    const second = await node.call('refresh', { refresh_token: first.refresh_token });
    expect(second).toMatchObject({
      family: first.family,
      subject: 'ann',
      expires_at: node.env.clock.wallMs() + 60_000,
      refresh_expires_at: first.refresh_expires_at,
    });
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(second.capability_id).not.toBe(first.capability_id);
    expect([await node.verdict(first.capability), await node.verdict(second.capability)]).toEqual(['ok', 'ok']);
  });

  test('each way to revoke is in force when it answers, and the feed grows', async () => {
    await using node = await start();
    const { capability: token } = await node.admin();
    const one = await issueTo(node, token);
    const seqs: number[] = [];
    const revoke = async (input: unknown) => {
      const answer = await node.call<{ seq: number; families: number }>('revoke', input, { token });
      seqs.push(answer.seq);
      return answer.families;
    };
    expect(await revoke({ capability_id: one.capability_id })).toBe(0);
    expect(await node.verdict(one.capability)).toBe('unauthenticated');
    const two = await node.call('refresh', { refresh_token: one.refresh_token });
    expect(await node.verdict(two.capability)).toBe('ok');
    expect(await revoke({ family: two.family })).toBe(1);
    expect(await node.verdict(two.capability)).toBe('unauthenticated');

    const three = await issueTo(node, token);
    expect(await revoke({ subject: 'ann' })).toBe(1);
    expect(await node.verdict(three.capability)).toBe('unauthenticated');
    await expect(node.call('refresh', { refresh_token: three.refresh_token })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    // At the same millisecond: the subject's next capability has to be younger than its revocation.
    const four = await issueTo(node, token);
    expect(await node.verdict(four.capability)).toBe('ok');

    const kid = node.kms.currentKey({ tenant: 'node', purpose: 'capability', alg: 'hmac' })!.kid;
    await node.kms.rotateKey(kid);
    await revoke({ kid });
    expect(await node.verdict(four.capability)).toBe('unauthenticated');
    expect(await node.verdict(token)).toBe('unauthenticated');
    const five = await node.call('refresh', { refresh_token: four.refresh_token });
    expect(await node.verdict(five.capability)).toBe('ok');
    expect(seqs).toEqual([1, 2, 3, 4].map((each) => each + (seqs[0]! - 1)));
  });

  test('the profile and the list of subjects', async () => {
    await using node = await start();
    const { capability: token } = await node.admin();
    const names = ['ann', 'bob', 'cid', 'dan', 'eve'];
    const issued: Passport[] = [];
    for (const subject of names) {
      issued.push(
        await node.call('issue', { subject, rights: read, display_name: `Ms ${subject}`, keys: [keyText] }, { token }),
      );
    }
    const own = await node.call('profile', {}, { token: issued[1]!.capability });
    expect(own).toEqual({
      subject: 'bob',
      tenant: '',
      kind: 'user',
      display_name: 'Ms bob',
      keys: [keyText],
      created_at: node.env.clock.wallMs(),
    });
    expect(await node.call('profile', { subject: 'bob' }, { token })).toEqual(own);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page: { subjects: { subject: string }[]; cursor?: string } = await node.call(
        'list',
        { limit: 2, ...(cursor === undefined ? {} : { cursor }) },
        { token },
      );
      seen.push(...page.subjects.map(({ subject }) => subject));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual([...names, 'root']);
  });

  test('a service gets what its `uses` need, bound to its key', async () => {
    await using node = await start();
    const { capability: token } = await node.admin();
    const issued = await node.call('issue_service', { service: 'gateway', key: keyText }, { token });
    expect(issued).toMatchObject({ subject: 'service:gateway', tenant: '' });
    // Without a proof made with the key it is worth nothing.
    expect(await node.verdict(issued.capability)).toBe('unauthenticated');
    expect(await node.call('profile', { subject: 'service:gateway' }, { token })).toMatchObject({
      kind: 'service',
      keys: [keyText],
    });
  });
});
