import { createHmac } from 'node:crypto';
import { attenuate, type Caveat } from '@ron/cap';
import { passportLimits } from '@ron/proto/passport';
import { describe, expect, test } from 'vitest';
import { codeOf, startNode, type TestNode } from './testing/node.ts';

const read = [{ methods: ['read' as const], prefix: 'n/docs' }];
const keyText = Buffer.alloc(32, 7).toString('base64url');

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly details?: { readonly reason?: string };
}

async function refusalOf(task: Promise<unknown>): Promise<Refusal> {
  return task.then(
    () => ({ code: 'ok', message: '' }),
    (error: Refusal) => error,
  );
}

/** What a holder makes of a capability offline: the same id and subject, and less. */
const weaken = (token: string, caveat: Caveat) =>
  attenuate(token, [caveat], (key, message) => createHmac('sha512-256', key).update(message).digest());

const issue = (node: TestNode, token: string, more: Record<string, unknown>) =>
  node.call('issue', { subject: 'ann', rights: read, ...more }, { token });

describe('bootstrap', () => {
  test('a wrong secret and a used one get the same words', async () => {
    await using node = await startNode();
    const secret = node.store.bootstrapSecret()!.text();
    const wrong = await refusalOf(node.call('bootstrap', { secret: 'nonsense', subject: 'root' }));
    await node.admin();
    const used = await refusalOf(node.call('bootstrap', { secret, subject: 'root' }));
    expect(wrong).toMatchObject({ code: 'forbidden' });
    expect([used.code, used.message, used.details]).toEqual([wrong.code, wrong.message, wrong.details]);
  });

  test('after 10 wrong secrets a minute further wrong ones wait, exactly until the oldest is a minute old, and the right one never', async () => {
    await using node = await startNode();
    const secret = node.store.bootstrapSecret()!.text();
    const wrong = () => refusalOf(node.call('bootstrap', { secret: 'nonsense', subject: 'root' }));
    const codes: string[] = [];
    for (let count = 0; count < passportLimits.bootstrapFailuresMax; count += 1) {
      codes.push((await wrong()).code);
      await node.env.scheduler.runFor(1_000);
    }
    expect(new Set(codes)).toEqual(new Set(['forbidden']));
    expect(await wrong()).toMatchObject({ code: 'quota_exhausted', retryAfterMs: 50_000 });
    await node.env.scheduler.runFor(49_999);
    expect((await wrong()).code).toBe('quota_exhausted');
    await node.env.scheduler.runFor(1);
    expect((await wrong()).code).toBe('forbidden');
    expect((await wrong()).code).toBe('quota_exhausted');
    expect(await codeOf(() => node.call('bootstrap', { secret, subject: 'root' }))).toBe('ok');
  });

  test('of two at once with the right secret one becomes the administrator', async () => {
    await using node = await startNode();
    const secret = node.store.bootstrapSecret()!.text();
    const codes = Promise.all(['a', 'b'].map((subject) => codeOf(() => node.start('bootstrap', { secret, subject }))));
    expect((await node.env.scheduler.settle(codes)).sort()).toEqual(['forbidden', 'ok']);
    expect(node.store.meta.families).toBe(1);
  });

  test('a renewed secret ends the one before; a repeat with the same Idempotency-Key gets the lost answer', async () => {
    await using node = await startNode();
    const lost = node.store.bootstrapSecret()!.text();
    const secret = (await node.store.renewBootstrapSecret())!.text();
    const call = (given: string) => node.call('bootstrap', { secret: given, subject: 'root' }, { key: 'k1' });
    expect(await codeOf(() => call(lost))).toBe('forbidden');
    expect(await call(secret)).toEqual(await call(secret));
    await node.env.scheduler.runFor(30_000);
    expect(await codeOf(() => call(secret))).toBe('forbidden');
  });
});

describe('issue refuses', () => {
  test('callers without admin/passport, and strangers', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    const user = await issue(node, token, {});
    const inputs = {
      issue: { subject: 'x', rights: read },
      issue_service: { service: 'gateway', key: keyText },
      revoke: { subject: 'ann' },
      revocations: {},
      list: {},
    };
    for (const [operation, input] of Object.entries(inputs)) {
      const asUser = () => node.call(operation, input, { token: user.capability });
      expect([operation, await codeOf(asUser)]).toEqual([operation, 'forbidden']);
      expect([operation, await codeOf(() => node.call(operation, input))]).toEqual([operation, 'unauthenticated']);
    }
    expect(await codeOf(() => node.call('profile', {}))).toBe('unauthenticated');
    expect(await codeOf(() => node.call('profile', { subject: 'root' }, { token: user.capability }))).toBe('forbidden');
    expect(await codeOf(() => node.call('profile', { subject: 'nobody' }, { token }))).toBe('not_found');
  });

  test('a life over the maximum; it is not clamped', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    const codes: string[] = [];
    for (const ttl_s of [0, 1, 3_599, 3_600, 3_601]) codes.push(await codeOf(() => issue(node, token, { ttl_s })));
    expect(codes).toEqual(['bad_request', 'ok', 'ok', 'ok', 'bad_request']);
    // The configuration can be stricter, from one call to the next.
    node.settings.ttl_max_s = 60;
    expect(await codeOf(() => issue(node, token, { ttl_s: 61 }))).toBe('bad_request');
    await using short = await startNode({ config: { ttl_max_s: 60 } });
    const admin = await short.admin();
    expect(admin.expires_at - short.env.clock.wallMs()).toBe(60_000);
    const results: string[] = [];
    for (const ttl_s of [59, 60, 61]) results.push(await codeOf(() => issue(short, admin.capability, { ttl_s })));
    expect(results).toEqual(['ok', 'ok', 'bad_request']);
  });

  test('rights, limits and tenants that the issuer does not have', async () => {
    await using node = await startNode();
    const { capability: root } = await node.admin();
    const admin = { methods: ['admin' as const], prefix: 'admin/passport' };
    const own = [admin, { methods: ['read' as const, 'list' as const], prefix: 'n/docs' }];
    const limits = { bytes_max: 100 };
    const { capability: token } = await issue(node, root, { rights: own, tenant: 't1', limits });
    const cases: [Record<string, unknown>, string, string?][] = [
      [{}, 'ok'],
      [{ tenant: 't1' }, 'ok'],
      [{ tenant: 't2' }, 'forbidden', 'tenant'],
      [{ tenant: '' }, 'forbidden', 'tenant'],
      [{ rights: [{ methods: ['write'], prefix: 'n/docs' }] }, 'forbidden', 'rights'],
      [{ rights: [{ methods: ['read'], prefix: 'n/doc' }] }, 'forbidden', 'rights'],
      [{ rights: [{ methods: ['read'], prefix: '' }] }, 'forbidden', 'rights'],
      [{ rights: [{ methods: ['list'], prefix: 'n/docs' }] }, 'ok'],
      [{ rights: [{ methods: ['list'], prefix: 'n/docs-secret' }] }, 'forbidden', 'rights'],
      [{ rights: [{ methods: ['admin'], prefix: 'admin/' }] }, 'forbidden', 'rights'],
      [{ limits: { bytes_max: 101 } }, 'forbidden', 'limits'],
      [{ limits: { bytes_max: 100 } }, 'ok'],
      [{ limits: { requests_per_second: 1 } }, 'ok'],
    ];
    for (const [more, code, reason] of cases) {
      const refusal = await refusalOf(issue(node, token, more));
      expect([more, refusal.code, refusal.details?.reason]).toEqual([more, code, reason]);
    }
    // Where no limit is asked for, the issuer's own holds.
    const { capability } = await issue(node, token, {});
    const principal = await node.authority.verify(capability, { remote: '127.0.0.1' });
    expect([principal.tenant, principal.limits]).toEqual(['t1', { bytesMax: 100 }]);
  });

  test('subjects that are the node’s own names, or cannot be read', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    for (const subject of [
      'anonymous',
      'service:gateway',
      '',
      ' ann',
      'a\u0000b',
      'a\u202eb',
      'a\u200bb',
      'x'.repeat(129),
      'é'.repeat(65),
    ]) {
      expect([subject, await codeOf(() => issue(node, token, { subject }))]).toEqual([subject, 'bad_request']);
    }
    expect(await codeOf(() => issue(node, token, { subject: 'x'.repeat(128) }))).toBe('ok');
  });

  test('more families and subjects than the node may hold, until some have expired', async () => {
    await using node = await startNode({ config: { families_max: 3, subjects_max: 2, refresh_ttl_s: 1_000 } });
    const { capability: token } = await node.admin();
    const codes: string[] = [];
    for (const subject of ['ann', 'ann', 'ann', 'bob']) codes.push(await codeOf(() => issue(node, token, { subject })));
    expect(codes).toEqual(['ok', 'ok', 'insufficient_storage', 'insufficient_storage']);
    await using other = await startNode({ config: { subjects_max: 2 } });
    const { capability } = await other.admin();
    const results: string[] = [];
    for (const subject of ['ann', 'bob', 'ann'])
      results.push(await codeOf(() => issue(other, capability, { subject })));
    expect(results).toEqual(['ok', 'insufficient_storage', 'ok']);
  });

  test('a key that was used before with another request', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    const call = (subject: string) => node.call('issue', { subject, rights: read }, { token, key: 'k1' });
    expect(await call('ann')).toEqual(await call('ann'));
    expect(await codeOf(() => call('bob'))).toBe('conflict');
  });

  test('a weaker capability does not get the answer that a stronger one with its id got', async () => {
    await using node = await startNode();
    const { capability: root } = await node.admin();
    const onlyIssue = weaken(root, { rights: [{ methods: ['admin'], prefix: 'admin/passport' }] });
    const limited = weaken(root, { limits: { body_bytes_max: 10 } });
    for (const [operation, input] of [
      ['issue', { subject: 'ann', rights: read }],
      ['issue_service', { service: 'gateway', key: keyText }],
    ] as const) {
      const call = (token: string) => refusalOf(node.call(operation, input, { token, key: 'k1' }));
      expect((await call(root)).code).toBe('ok');
      expect(await call(onlyIssue), operation).toMatchObject({ code: 'forbidden', details: { reason: 'rights' } });
      expect((await call(limited)).code, operation).toBe('conflict');
      expect((await call(root)).code).toBe('ok');
    }
  });
});

describe('services and revocations', () => {
  test('issue_service: unknown services, tenants, rights that the issuer lacks, lives over an hour', async () => {
    await using node = await startNode();
    const { capability: root } = await node.admin();
    const admin = [{ methods: ['admin' as const], prefix: 'admin/passport' }];
    const poor = await issue(node, root, { rights: admin });
    const bound = await issue(node, root, {
      rights: [...admin, { methods: ['read', 'write'], prefix: '' }],
      tenant: 't1',
    });
    const call = (token: string, more = {}) =>
      refusalOf(node.call('issue_service', { service: 'gateway', key: keyText, ...more }, { token }));
    expect((await call(root)).code).toBe('ok');
    expect((await call(root, { service: 'unknown' })).code).toBe('not_found');
    expect((await call(root, { ttl_s: 3_601 })).code).toBe('bad_request');
    expect((await call(root, { key: 'short' })).code).toBe('bad_request');
    expect(await call(poor.capability)).toMatchObject({ code: 'forbidden', details: { reason: 'rights' } });
    expect(await call(bound.capability)).toMatchObject({ code: 'forbidden', details: { reason: 'tenant' } });
  });

  test('revoke: nothing or two things named, what is not there, keys that mint now, other tenants', async () => {
    await using node = await startNode();
    const { capability: root, family } = await node.admin();
    const admin = [{ methods: ['admin' as const, 'read' as const], prefix: 'admin/passport' }];
    const bound = await issue(node, root, { rights: admin, tenant: 't1' });
    const kid = node.kms.currentKey({ tenant: 'node', purpose: 'capability', alg: 'hmac' })!.kid;
    const other = node.kms.currentKey({ tenant: 'node', purpose: 'passport-refresh', alg: 'hmac' })!.kid;
    const id = '01920000-0000-7000-8000-000000000000';
    const code = (input: unknown, token = root) => codeOf(() => node.call('revoke', input, { token }));
    expect(await code({})).toBe('bad_request');
    expect(await code({ subject: 'ann', kid })).toBe('bad_request');
    expect(await code({ family, tenant: 't1' })).toBe('bad_request');
    expect(await code({ family: '0'.repeat(32) })).toBe('not_found');
    expect(await code({ kid })).toBe('conflict');
    expect(await code({ kid: other })).toBe('bad_request');
    expect(await code({ kid: '../etc/passwd' })).toBe('bad_request');
    // A version that a rotation has yet to make: the next key would be void from its first capability on.
    expect(await code({ kid: kid.replace('#1', '#2') })).toBe('not_found');
    // A tenant's administrator reaches its tenant, and learns nothing of others.
    expect(await code({ family }, bound.capability)).toBe('not_found');
    expect(await code({ capability_id: id }, bound.capability)).toBe('not_found');
    expect(await code({ kid }, bound.capability)).toBe('forbidden');
    expect(await code({ subject: 'root', tenant: '' }, bound.capability)).toBe('forbidden');
    // Else made-up subjects would use up what all tenants may revoke.
    expect(await code({ subject: 'nobody' }, bound.capability)).toBe('not_found');
    expect(await code({ subject: 'nobody', tenant: 't1' })).toBe('ok');
    expect(await codeOf(() => node.call('revocations', {}, { token: bound.capability }))).toBe('forbidden');
    expect(await code({ capability_id: id })).toBe('ok');
    expect(await code({ family: bound.family }, bound.capability)).toBe('ok');
  });

  test('more revocations than may be kept: what is refused changes nothing', async () => {
    await using node = await startNode({ config: { revocations_max: 2 } });
    const { capability: token } = await node.admin();
    const issued = await issue(node, token, {});
    const code = (subject: string) => codeOf(() => node.call('revoke', { subject }, { token }));
    expect([await code('a'), await code('b'), await code('ann')]).toEqual(['ok', 'ok', 'insufficient_storage']);
    expect(await node.verdict(issued.capability)).toBe('ok');
    // What was revoked before can be revoked again, and a family always.
    expect(await code('a')).toBe('ok');
    expect(await codeOf(() => node.call('revoke', { family: issued.family }, { token }))).toBe('ok');
    expect(await node.verdict(issued.capability)).toBe('unauthenticated');
  });

  test('one tenant cannot use up what may be revoked, nor can families that end', async () => {
    await using node = await startNode({ config: { revocations_max: 4 } });
    const { capability: root } = await node.admin();
    const admin = [{ methods: ['admin' as const], prefix: 'admin/passport' }, ...read];
    const bound = await issue(node, root, { subject: 'boss', rights: admin, tenant: 't1' });
    for (const subject of ['a', 'b', 'c']) await issue(node, bound.capability, { subject });
    const code = (subject: string, token: string) => codeOf(() => node.call('revoke', { subject }, { token }));
    const ofTenant = [];
    for (const subject of ['a', 'b', 'c']) ofTenant.push(await code(subject, bound.capability));
    expect(ofTenant).toEqual(['ok', 'ok', 'insufficient_storage']);
    for (let count = 0; count < 5; count += 1) {
      const { family } = await issue(node, root, {});
      await node.call('revoke', { family }, { token: root });
    }
    expect([await code('x', root), await code('y', root)]).toEqual(['ok', 'ok']);
    expect(await code('z', root)).toBe('insufficient_storage');
  });

  test('a subject that was never issued anything is revoked too: its first capability is younger', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    await node.call('revoke', { subject: 'ann' }, { token });
    const { capability } = await issue(node, token, {});
    expect(await node.verdict(capability)).toBe('ok');
    await node.call('revoke', { subject: 'bob' }, { token });
    node.env.clock.jumpWall(-5_000);
    expect((await refusalOf(issue(node, token, { subject: 'bob' }))).code).toBe('unavailable');
  });

  test('a tenant’s administrator sees the profiles of its tenant only', async () => {
    await using node = await startNode();
    const { capability: root } = await node.admin();
    const admin = [{ methods: ['admin' as const], prefix: 'admin/passport' }];
    const bound = await issue(node, root, { subject: 'boss', rights: admin, tenant: 't1' });
    await issue(node, root, { subject: 'eve', tenant: 't2' });
    const as = { token: bound.capability };
    expect(await codeOf(() => node.call('profile', { subject: 'boss', tenant: 't1' }, as))).toBe('ok');
    expect(await codeOf(() => node.call('profile', { subject: 'eve', tenant: 't2' }, as))).toBe('forbidden');
    expect(await codeOf(() => node.call('profile', { subject: 'eve' }, as))).toBe('not_found');
    const { subjects } = await node.call<{ subjects: { subject: string }[] }>('list', {}, as);
    expect(subjects.map(({ subject }) => subject)).toEqual(['boss']);
  });

  test('a list cursor of another making', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    for (const cursor of ['%%', 'AAAA', Buffer.from('x').toString('base64url')]) {
      expect(await codeOf(() => node.call('list', { cursor }, { token }))).toBe('bad_request');
    }
  });
});

describe('who belongs to no tenant', () => {
  test('reaches into one only with the right that acting for it takes', async () => {
    await using node = await startNode();
    const { capability: owner } = await node.admin();
    const some = [
      { methods: ['admin' as const], prefix: 'admin/passport' },
      { methods: ['read' as const], prefix: 'n/docs' },
    ];
    const { capability } = await issue(node, owner, { subject: 'clerk', rights: some });
    const crossing = { code: 'forbidden', details: { reason: 'tenant' } };
    expect(await refusalOf(issue(node, capability, { tenant: 'acme' }))).toMatchObject(crossing);
    const revoke = node.call('revoke', { subject: 'ann', tenant: 'acme' }, { token: capability });
    expect(await refusalOf(revoke)).toMatchObject(crossing);
    expect(await codeOf(() => issue(node, capability, {}))).toBe('ok');
    const more = [...some, { methods: ['admin' as const], prefix: 'admin/tenants/acme' }];
    const { capability: reaching } = await issue(node, owner, { subject: 'clerk', rights: more });
    expect(await codeOf(() => issue(node, reaching, { tenant: 'acme' }))).toBe('ok');
    expect(await refusalOf(issue(node, reaching, { tenant: 'rival' }))).toMatchObject(crossing);
  });
});

describe('another spelling', () => {
  test('of a capability’s id revokes it, and what is no id or no subject is refused', async () => {
    await using node = await startNode();
    const { capability: token } = await node.admin();
    const one = await issue(node, token, {});
    const revoke = (input: object) => codeOf(() => node.call('revoke', input, { token }));
    expect(await revoke({ capability_id: one.capability_id.toUpperCase() })).toBe('ok');
    expect(await node.verdict(one.capability)).toBe('unauthenticated');
    expect(await revoke({ capability_id: `${one.capability_id.slice(0, 35)}z` })).toBe('bad_request');
    for (const subject of ['bob ', ' bob', '\0', 'b\u202eob']) expect(await revoke({ subject })).toBe('bad_request');
  });
});

test('that a used refresh token ended a family is told to the audit log and to nobody else', async () => {
  await using node = await startNode();
  const { capability: token } = await node.admin();
  const { refresh_token } = await issue(node, token, {});
  await node.call('refresh', { refresh_token });
  const again = () => refusalOf(node.call('refresh', { refresh_token }));
  const [first, second] = [await again(), await again()];
  expect([first, second].map((refusal) => Reflect.get(refusal, 'auditReason'))).toEqual(['reuse', undefined]);
  expect([first.code, first.message, first.details]).toEqual([second.code, second.message, second.details]);
});
