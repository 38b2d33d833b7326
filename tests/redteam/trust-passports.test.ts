import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../support/node-process.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { envelopeIn, request } from './oap-attack.ts';
import { baseline, expectRefusal } from './oracle.ts';
import type { RawReply } from './raw-http.ts';
import { RawOap } from './raw-oap.ts';
import { envelopeOf, eventually, metricsOf } from './signs.ts';
import {
  call,
  everything,
  issue,
  leafOf,
  leavesOf,
  ok,
  onOap,
  type Passport,
  passportApp,
  post,
} from './trust-client.ts';

const schemes = ['hmac', 'ed25519'] as const;
const refused = { status: 401, code: 'unauthenticated' } as const;

let node: NodeProcess;
let address: string;
beforeAll(async () => {
  node = await startNodeProcess({ args: ['--oap', '127.0.0.1:0', '--set', 'server.log_level=info'] });
  address = (await ok<{ address: string }>(call(node, 'PUT', '/put', { body: 'kept' }))).address;
});
afterAll(() => node[Symbol.asyncDispose]());

const refresh = (refresh_token: string, headers = {}) =>
  post(node, '/passport/refresh', { refresh_token }, { token: '', headers });
const use = (token: string) => call(node, 'GET', `/o/${address}`, { token });

describe.each(schemes)('the life of a capability, scheme %s', (scheme) => {
  const body = { subject: 'alice', rights: everything, scheme };

  it('3,600 s are given, and not one more', async () => {
    for (const ttl_s of [3_599, 3_600]) {
      const at = Date.now();
      const { capability, expires_at } = await issue(node, { scheme, ttl_s });
      expect(expires_at - at).toBeGreaterThanOrEqual(ttl_s * 1_000 - 1_000);
      expect(expires_at - Date.now()).toBeLessThanOrEqual(ttl_s * 1_000);
      expect((await use(capability)).status).toBe(200);
    }
  });

  it.each([3_601, 86_400, 0, -1, 1e21, 899.5, '60', null])('%s s: refused, not clamped', async (ttl_s) => {
    const before = (await leavesOf(node)).length;
    await expectRefusal(node, { status: 400, code: 'bad_request' }, () =>
      post(node, '/passport/issue', { ...body, ttl_s }),
    );
    const heard = await onOap(node, {
      token: node.capability,
      op: 'issue',
      body: { ...body, ttl_s },
      app: passportApp,
    });
    expect(envelopeIn(heard).code).toBe('bad_request');
    const leaves = (await leavesOf(node)).slice(before).filter(({ op }) => op === 'passport.issue');
    expect(leaves.map(({ outcome }) => outcome)).not.toContain('ok');
  });

  it('nobody passes on more than they have', async () => {
    const { capability } = await issue(node, {
      subject: 'clerk',
      scheme,
      rights: [
        { methods: ['admin'], prefix: 'admin/passport' },
        { methods: ['read'], prefix: 'n/docs/' },
      ],
    });
    const wider = [
      everything,
      [{ methods: ['read'], prefix: 'n/' }],
      [{ methods: ['read', 'write'], prefix: 'n/docs/' }],
      [{ methods: ['admin'], prefix: 'admin/' }],
    ];
    for (const rights of wider) {
      await expectRefusal(node, { status: 403, code: 'forbidden' }, () =>
        post(node, '/passport/issue', { ...body, rights }, { token: capability }),
      );
    }
    const rights = [{ methods: ['read'], prefix: 'n/docs/a/' }];
    expect((await post(node, '/passport/issue', { ...body, rights }, { token: capability })).status).toBe(200);
  });

  it.each(['anonymous', 'service:gateway', 'a\nb', ' a', '\u202ea'])('the subject %j is nobody’s', async (subject) => {
    const reply = await expectRefusal(node, { status: 400, code: 'bad_request' }, () =>
      post(node, '/passport/issue', { ...body, subject }),
    );
    expect(reply.status).toBe(400);
  });
});

describe.each(schemes)('a refresh token, scheme %s', (scheme) => {
  it('used twice ends its family: 401, and its capabilities with the next use', async () => {
    const first = await issue(node, { scheme });
    const second = await ok<Passport>(refresh(first.refresh_token));
    expect(second.capability.startsWith(scheme === 'hmac' ? 'ron1_' : 'ron1b_')).toBe(true);
    for (const { capability } of [first, second]) expect((await use(capability)).status).toBe(200);
    const reuses = async () => (await metricsOf(node.port)).get('passport_refresh_reuse_total') ?? 0;
    const before = await reuses();
    await expectRefusal(node, refused, () => refresh(first.refresh_token));
    expect((await reuses()) - before).toBe(1);
    for (const { capability } of [first, second]) {
      await expectRefusal(node, refused, () => use(capability));
      expect(envelopeIn(await onOap(node, { token: capability, op: 'whoami', body: {} })).code).toBe('unauthenticated');
    }
    const last = await expectRefusal(node, refused, () => refresh(second.refresh_token));
    const leaf = await leafOf(node, envelopeOf(last).corr_id);
    expect(leaf).toMatchObject({ op: 'passport.refresh', outcome: 'unauthenticated' });
    expect(node.stderr()).toContain(`"family":"${first.family}"`);
  });

  it('in ten hands at once is good for one, and then for none', async () => {
    const { refresh_token, capability } = await issue(node, { scheme });
    const calm = await baseline(node);
    const replies = await Promise.all(Array.from({ length: 10 }, () => refresh(refresh_token)));
    expect(replies.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    for (const { status } of replies) expect([200, 401]).toContain(status);
    for (const { body } of replies.filter(({ status }) => status === 200)) {
      const won = JSON.parse(body.toString()) as Passport;
      expect((await use(won.capability)).status).toBe(401);
    }
    expect((await use(capability)).status).toBe(401);
    await calm.survived({ counted: 'unauthenticated' });
  });
});

describe.each(schemes)('what was revoked is refused with its very next use, scheme %s', (scheme) => {
  /** One whose own capability is not of the key version that is revoked. */
  let own: NodeProcess;
  beforeAll(async () => {
    const started = await startNodeProcess({ args: ['--oap', '127.0.0.1:0', '--set', 'server.log_level=info'] });
    const other = scheme === 'hmac' ? 'ed25519' : 'hmac';
    const { capability } = await issue(started, { subject: 'operator', scheme: other, ttl_s: 3_600 });
    own = Object.create(started, { capability: { value: capability } }) as NodeProcess;
  });
  afterAll(() => own[Symbol.asyncDispose]());
  const revoked = async () => (await metricsOf(own.port)).get('capability_refused_total{reason="revoked"}') ?? 0;
  const activeKid = async () => {
    const { keys } = await ok<{ keys: { kid: string; alg: string; state: string }[] }>(
      call(own, 'GET', '/kms/keys?tenant=node&purpose=capability'),
    );
    return keys.find((key) => key.alg === scheme && key.state === 'active')!.kid;
  };
  const ways: Record<string, (passport: Passport) => object | Promise<object>> = {
    'by id': ({ capability_id }) => ({ capability_id }),
    'by subject': ({ subject }) => ({ subject }),
    'by family': ({ family }) => ({ family }),
    'by key version': async () => {
      const kid = await activeKid();
      // The version in use has to be rotated first: what is minted next would be void.
      await expectRefusal(own, { status: 409, code: 'conflict' }, () => post(own, '/passport/revoke', { kid }));
      await ok(post(own, '/kms/rotate', { kid }));
      return { kid };
    },
    'by retiring its key': async () => {
      const kid = await activeKid();
      await ok(post(own, '/kms/rotate', { kid }));
      return { kid, retire: true };
    },
  };
  for (const [way, make] of Object.entries(ways)) {
    it(`${way}, over HTTP and on a connection that is open`, async () => {
      const { address } = await ok<{ address: string }>(call(own, 'PUT', '/put', { body: 'kept' }));
      const passport = await issue(own, { scheme, subject: `victim ${way}` });
      const token = passport.capability;
      const { retire, ...body } = (await make(passport)) as { retire?: boolean };
      using client = await new RawOap(own.oapPort).ready();
      client.say(request(token, 1, 'whoami', '{}'));
      expect((await client.answer(1)).code).toBe(0);
      // A rotation fails nobody.
      expect((await call(own, 'GET', `/o/${address}`, { token })).status).toBe(200);
      const path = retire === true ? '/kms/retire' : '/passport/revoke';
      const done = await ok<{ seq?: number }>(post(own, path, body));
      client.say(request(token, 3, 'whoami', '{}'));
      expect(envelopeIn(await client.answer(3)).code).toBe('unauthenticated');
      client[Symbol.dispose]();
      const before = await revoked();
      await expectRefusal(own, refused, () => call(own, 'GET', `/o/${address}`, { token }));
      expect((await revoked()) - before).toBe(retire === true ? 0 : 1);
      if (retire === true) return;
      const leaf = (await leavesOf(own)).filter(({ op }) => op === 'passport.revoke').at(-1);
      expect(leaf).toMatchObject({ outcome: 'ok', fields: { seq: `${done.seq}` } });
    });
  }
});

/** Everything of an answer that its caller can see, without what differs from call to call. */
function seen({ status, headers, body }: RawReply): string {
  const { 'x-corr-id': id, date: _date, 'server-timing': _timing, ...others } = headers;
  return `${status} ${JSON.stringify(others)} ${body.toString().replaceAll(id!, 'CORR')}`;
}

describe('refusals are the same to the byte', () => {
  it('of a refresh token that is used, wrong, unknown, forged, or no token', async () => {
    const [used, other] = [await issue(node, {}), await issue(node, {})];
    await ok(refresh(used.refresh_token));
    const flip = (token: string, at: number) => {
      const bytes = Buffer.from(token.slice(5), 'base64url');
      bytes[at]! ^= 1;
      return `ronr_${bytes.toString('base64url')}`;
    };
    const wrong: Record<string, string> = {
      'with another tag': flip(other.refresh_token, 60),
      'with another secret': flip(other.refresh_token, 30),
      'of another generation': flip(other.refresh_token, 19),
      'of a family that is not there': flip(other.refresh_token, 3),
      'made up': `ronr_${'A'.repeat(91)}`,
      'not a token': 'hello',
      'a capability': node.capability.slice(0, 256),
      used: used.refresh_token,
      'of a revoked family': used.refresh_token,
    };
    const answers = new Map<string, string>();
    for (const [what, token] of Object.entries(wrong)) {
      const reply = await expectRefusal(node, refused, () => refresh(token));
      answers.set(what, seen(reply).replace(/"content-length":"\d+",?/, ''));
    }
    expect([...new Set(answers.values())]).toHaveLength(1);
    // And the forgeries have ended nobody's family.
    expect((await refresh(other.refresh_token)).status).toBe(200);
  });

  it('of a bootstrap secret that is wrong or used; after ten wrong ones everybody waits', async () => {
    using folder = tempFolder();
    await using durable = await startNodeProcess({
      args: ['--persist', folder.path, '--set', 'server.log_level=info'],
    });
    await eventually(() => durable.stdout().includes('npx ron tour'), { what: 'all is printed' });
    const secret = /RON_BOOTSTRAP_SECRET=(\S+)/.exec(durable.stdout())![1]!;
    const bootstrap = (given: string) =>
      post(durable, '/passport/bootstrap', { secret: given, subject: 'root' }, { token: '' });
    const forbidden = { status: 403, code: 'forbidden' } as const;
    const wrong = await expectRefusal(durable, forbidden, () => bootstrap([...secret].reverse().join('')));
    const short = await expectRefusal(durable, forbidden, () => bootstrap('x'));
    expect((await bootstrap(secret)).status).toBe(200);
    const used = await expectRefusal(durable, forbidden, () => bootstrap(secret));
    expect(new Set([wrong, short, used].map(seen)).size).toBe(1);
    for (let failed = 3; failed < 10; failed++) expect((await bootstrap('x')).status).toBe(403);
    const last = await expectRefusal(durable, { status: 429, code: 'quota_exhausted' }, () => bootstrap('x'));
    await leafOf(durable, envelopeOf(last).corr_id);
    const kept = (await leavesOf(durable)).filter(({ op }) => op === 'passport.bootstrap');
    expect(kept.map(({ outcome }) => outcome)).toEqual(expect.arrayContaining(['ok', 'forbidden', 'quota_exhausted']));
  });
});

it('the log shows neither capability nor refresh token', () => {
  expect(node.stderr()).not.toMatch(/ron1b?_[A-Za-z0-9_-]{20}|ronr_[A-Za-z0-9_-]{20}/);
});
