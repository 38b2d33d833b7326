import { createRevocationFollower, createRevocationList, type RevocationSource } from '@ron/auth';
import { createSimEnv } from '@ron/kernel/sim';
import { createRamKms } from '@ron/kms';
import type { RevocationPage } from '@ron/proto/capability';
import { passportLimits } from '@ron/proto/passport';
import { describe, expect, test } from 'vitest';
import { codeOf, startNode, type TestNode, tables } from './testing/node.ts';

const rights = [{ methods: ['read' as const], prefix: 'n/docs' }];

/** What has expired is kept for a day, and dropped by the sweep after that. */
const dayAndMoreMs = 86_400_000 + 1_200_000;

interface Setting {
  readonly node: TestNode;
  readonly token: string;
}

async function begin(config = {}): Promise<Setting> {
  const node = await startNode({ config: { refresh_ttl_s: 7_776_000, ...config } });
  const admin = await node.admin();
  // Long tests outlive the administrator's capability.
  const token = node.authority.mint({ subject: 'operator', rights: [{ methods: ['admin', 'read'], prefix: '' }] });
  expect(admin.subject).toBe('root');
  return { node, token };
}

const revoke = ({ node, token }: Setting, subject: string) =>
  node.call<{ seq: number }>('revoke', { subject }, { token }).then(({ seq }) => seq);
const pageOf = ({ node, token }: Setting, since: number, wait_ms = 0) =>
  node.call<RevocationPage>('revocations', { since, wait_ms }, { token });
const namesOf = ({ entries }: RevocationPage) =>
  entries.map((entry) => (entry.kind === 'subject' ? entry.subject : entry.kind));

describe('the feed', () => {
  test('is full from the beginning and goes on from any number', async () => {
    const setting = await begin();
    expect(await pageOf(setting, 0)).toMatchObject({ seq: 0, entries: [], full: true });
    for (const subject of ['a', 'b', 'c']) await revoke(setting, subject);
    const whole = await pageOf(setting, 0);
    expect([namesOf(whole), whole.seq, whole.full]).toEqual([['a', 'b', 'c'], 3, true]);
    const rest = await pageOf(setting, 1);
    expect([namesOf(rest), rest.seq, rest.full]).toEqual([['b', 'c'], 3, undefined]);
    expect(await pageOf(setting, 3)).toMatchObject({ entries: [], seq: 3 });
    // Who has heard of more than there is follows another life of the store.
    expect(await pageOf(setting, 4)).toMatchObject({ full: true, seq: 3 });
    expect(whole.feed).toMatch(/^[0-9a-f]{32}$/);
  });

  test('a subject revoked again moves to the end and is there once', async () => {
    const setting = await begin();
    await revoke(setting, 'a');
    await revoke(setting, 'b');
    await setting.node.env.scheduler.runFor(1);
    expect(await revoke(setting, 'a')).toBe(3);
    expect(namesOf(await pageOf(setting, 0))).toEqual(['b', 'a']);
    expect(namesOf(await pageOf(setting, 2))).toEqual(['a']);
  });

  test('answers a waiting call when something is revoked, and at the end of its time when nothing is', async () => {
    const setting = await begin();
    const { node, token } = setting;
    await revoke(setting, 'a');
    const started = node.env.clock.monotonicMs();
    const waiting = node.start<RevocationPage>('revocations', { since: 1, wait_ms: 30_000 }, { token });
    await node.env.scheduler.runFor(5_000);
    const answered = Promise.all([waiting, node.start('revoke', { subject: 'b' }, { token })]);
    const [page] = await node.env.scheduler.settle(answered);
    expect([namesOf(page), node.env.clock.monotonicMs() - started]).toEqual([['b'], 5_000]);
    const late = await pageOf(setting, 2, 30_000);
    expect([late.entries, late.seq, node.env.clock.monotonicMs() - started]).toEqual([[], 2, 35_000]);
  });

  test('waits at most 30 s', async () => {
    const { node, token } = await begin();
    const code = (wait_ms: number) => codeOf(() => node.call('revocations', { since: 0, wait_ms }, { token }));
    const { waitMsMax } = passportLimits;
    expect([await code(waitMsMax - 1), await code(waitMsMax), await code(waitMsMax + 1)]).toEqual([
      'ok',
      'ok',
      'bad_request',
    ]);
  });

  test('drops what has expired anyway, and gives everything to who stopped before that', async () => {
    const setting = await begin();
    const { node, token } = setting;
    const issued = await node.call('issue', { subject: 'ann', rights, ttl_s: 60 }, { token });
    await revoke(setting, 'a');
    await node.call('revoke', { family: issued.family }, { token });
    await revoke(setting, 'b');
    expect(namesOf(await pageOf(setting, 0))).toEqual(['a', 'capability', 'b']);
    await node.env.scheduler.runFor(dayAndMoreMs);
    const page = await pageOf(setting, 0);
    expect([namesOf(page), page.seq]).toEqual([['a', 'b'], 3]);
    expect(await pageOf(setting, 1)).toMatchObject({ seq: 3 });
    expect((await pageOf(setting, 1)).full).toBeUndefined();
    await node.call('revoke', { capability_id: issued.capability_id }, { token });
    expect((await node.store.feed.page(2)).full).toBeUndefined();
    // Nothing that is kept has number 2, which the store's newest dropped entry had; a number below it is too old.
    const again = await node.call('issue', { subject: 'eve', rights, ttl_s: 60 }, { token });
    await node.call('revoke', { family: again.family }, { token });
    await node.env.scheduler.runFor(dayAndMoreMs);
    expect((await pageOf(setting, 2)).full).toBe(true);
    expect(node.store.meta.revocations).toBe(3);
  });

  test('keeps what a clock set forward by a day, and then right, makes look expired', async () => {
    const setting = await begin();
    const { node, token } = setting;
    const issued = await node.call('issue', { subject: 'ann', rights, ttl_s: 3_600 }, { token });
    await node.call('revoke', { capability_id: issued.capability_id }, { token });
    node.env.clock.jumpWall(86_400_000);
    await node.env.scheduler.runFor(1_200_000);
    node.env.clock.jumpWall(-86_400_000);
    expect((await pageOf(setting, 0)).entries).toMatchObject([{ id: issued.capability_id }]);
  });

  test('drops all that has expired in one sweep, however much it is', async () => {
    const { node } = await begin({ revocations_max: 1 });
    const until = node.env.clock.wallMs();
    await node.env.scheduler.settle(
      node.store.transact((draft) => {
        for (let n = 0; n < 4_500; n += 1) draft.revoke({ kind: 'capability', id: `id${n}`, until });
      }),
    );
    await node.env.scheduler.runFor(600_000);
    expect([node.store.meta.revocations, node.store.feed.size]).toEqual([0, 0]);
  });

  test('when crowded, keeps no longer than it must', async () => {
    const setting = await begin({ revocations_max: 2 });
    const { node, token } = setting;
    const passports = [];
    for (const subject of ['a', 'b', 'c'])
      passports.push(await node.call('issue', { subject, rights, ttl_s: 60 }, { token }));
    for (const { family } of passports) await node.call('revoke', { family }, { token });
    await node.env.scheduler.runFor(1_200_000);
    expect((await pageOf(setting, 0)).entries).toEqual([]);
  });

  test('ends a full list at its newest number, be that gone', async () => {
    const setting = await begin();
    const { node, token } = setting;
    const issued = await node.call('issue', { subject: 'ann', rights, ttl_s: 60 }, { token });
    await revoke(setting, 'a');
    await node.call('revoke', { family: issued.family }, { token });
    await node.env.scheduler.runFor(dayAndMoreMs);
    const page = await pageOf(setting, 0);
    expect([namesOf(page), page.seq]).toEqual([['a'], 2]);
  });

  test('comes in pages of 1,000, of which only the first says that it is everything', async () => {
    const setting = await begin({ revocations_max: 5_000 });
    const { node } = setting;
    await node.env.scheduler.settle(
      node.store.transact((draft) => {
        for (let n = 0; n < 2_500; n += 1) {
          draft.revoke({ kind: 'subject', tenant: '', subject: `s${n}`, minted_until: 1 });
        }
      }),
    );
    const sizes: (number | true | undefined)[] = [];
    for (let since = 0; since < 2_500; ) {
      const page = await pageOf(setting, since);
      sizes.push(page.entries.length, page.full);
      since = page.seq;
    }
    expect(sizes).toEqual([1_000, true, 1_000, undefined, 500, undefined]);
  });

  test('is in force again after a restart, and a follower on another node hears all of it', async () => {
    const env = createSimEnv({ seed: 'feed restart' });
    const kms = createRamKms(env);
    const table = await env.scheduler.settle(tables.journal(env));
    const before = await startNode({ env, kms, table });
    const { capability: token } = await before.admin();
    const issued = await before.call('issue', { subject: 'ann', rights }, { token });
    await before.call('revoke', { family: issued.family }, { token });
    await before[Symbol.asyncDispose]();
    await env.scheduler.settle(Promise.resolve(table[Symbol.asyncDispose]()));
    const node = await startNode({ env, kms, table: await env.scheduler.settle(tables.journal(env)) });
    expect(await node.verdict(issued.capability)).toBe('unauthenticated');

    const list = createRevocationList(env.clock);
    const source: RevocationSource = {
      since: (since, wait_ms) => node.start('revocations', { since, wait_ms }, { token }),
    };
    await using follower = createRevocationFollower({ source, list, env });
    await env.scheduler.runFor(100);
    expect([follower.seq, follower.state]).toEqual([1, 'following']);
    const before2 = list.revision;
    const revoking = node.start('revoke', { subject: 'bob' }, { token });
    await env.scheduler.runFor(100);
    await revoking;
    expect([follower.seq, list.revision - before2]).toEqual([2, 1]);
  });
});
