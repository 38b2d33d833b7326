import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { attenuate } from '@ron/cap';
import { hmac } from '@ron/cap/hmac';
import type { Clock, Random } from '@ron/kernel';
import { createRamKms, type Kms } from '@ron/kms';
import type { CapabilityView, Right } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { beforeEach, describe, expect, test } from 'vitest';
import { createAuthenticator } from './authenticator.ts';
import { type Authority, createAuthority } from './authority.ts';
import { servicePrincipal } from './principal.ts';

const everything: Right[] = [{ methods: ['read', 'write', 'delete', 'list', 'admin'], prefix: '' }];
const startMs = 1_764_000_000_000;
const remote = '127.0.0.1';
const random: Random = { bytes: (length) => new Uint8Array(randomBytes(length)), unit: () => 0.5 };

let nowMs = startMs;
let reasons: string[] = [];
const clock: Clock = {
  wallMs: () => nowMs,
  monotonicMs: () => nowMs,
  after: () => ({ cancel: () => undefined }),
};
const env = { clock, random };
const onRefusal = (reason: string) => reasons.push(reason);
const make = (kms: Kms, audience = 'home') => createAuthority({ kms, env, audience, onRefusal });

let kms: Kms;
let authority: Authority;
beforeEach(async () => {
  nowMs = startMs;
  reasons = [];
  kms = createRamKms(env);
  authority = await make(kms);
});

/** The refusal must be the same for every cause: compared as the caller would see it. */
function refusalOf(task: () => unknown): string {
  try {
    task();
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    expect(error.toEnvelope('corr-0001')).toEqual({
      code: 'unauthenticated',
      message: 'a valid capability is required',
      retryable: false,
      corr_id: 'corr-0001',
    });
    return reasons.at(-1)!;
  }
  return 'accepted';
}
const verdict = (token: string | Uint8Array, from = remote) =>
  refusalOf(() => authority.verify(token, { remote: from }));

describe('minting and verifying', () => {
  test('what was minted verifies, with its subject, tenant, limits and view', () => {
    const limits = { bytes_max: 5, requests_per_second: 2, body_bytes_max: 7 };
    const token = authority.mint({
      tenant: 't1',
      subject: 'alice',
      rights: everything,
      expiresMs: startMs + 5,
      limits,
    });
    const principal = authority.verify(token, { remote });
    expect(principal).toMatchObject({ subject: 'alice', tenant: 't1', anonymous: false });
    expect(principal.limits).toEqual({ bytesMax: 5, requestsPerSecond: 2, bodyBytesMax: 7 });
    expect(principal.allows('admin', 'admin/storage')).toBe(true);
    expect(principal.view()).toEqual({
      id: principal.capabilityId,
      subject: 'alice',
      tenant: 't1',
      audience: 'home',
      rights: [everything],
      expires_at: startMs + 5,
      limits,
      caveats: 3,
    });
  });

  test('the three spellings on the wire are one capability', () => {
    const token = authority.mint({ subject: 'a', rights: everything });
    const binary = new Uint8Array(Buffer.from(token.slice(5), 'base64url'));
    const ids = [token, new Uint8Array(Buffer.from(token)), binary].map(
      (form) => authority.verify(form, { remote }).capabilityId,
    );
    expect(new Set(ids).size).toBe(1);
  });

  test('a kept verdict does not change with the buffer it came in', () => {
    const token = new Uint8Array(
      Buffer.from(authority.mint({ subject: 'a', rights: everything }).slice(5), 'base64url'),
    );
    const frame = Uint8Array.from([0, ...token]);
    const principal = authority.verify(frame.subarray(1), { remote });
    frame.fill(0);
    expect(principal.view().subject).toBe('a');
    expect(authority.verify(token, { remote })).toBe(principal);
  });

  test('a holder narrows without asking, and cannot widen', () => {
    const token = authority.mint({ subject: 'a', rights: [{ methods: ['read', 'write'], prefix: 'n/docs/' }] });
    const weaker = attenuate(token, [{ rights: [{ methods: ['read'], prefix: 'n/docs/' }] }], hmac);
    const wider = attenuate(weaker, [{ rights: everything }], hmac);
    for (const each of [weaker, wider]) {
      const principal = authority.verify(each, { remote });
      expect(principal.allows('read', 'n/docs/a')).toBe(true);
      expect(principal.allows('write', 'n/docs/a')).toBe(false);
    }
  });

  test('another cluster, another node and another purpose are foreign', async () => {
    const token = authority.mint({ subject: 'a', rights: everything });
    authority = await make(kms, 'elsewhere');
    expect(verdict(token)).toBe('wrong_audience');
    authority = await make(createRamKms(env));
    expect(verdict(token)).toBe('unknown_key');
  });

  test('a restart with the same keystore makes no second root key', async () => {
    const token = authority.mint({ subject: 'a', rights: everything });
    authority = await make(kms);
    expect(kms.listKeys()).toHaveLength(1);
    expect(verdict(token)).toBe('accepted');
  });

  test('mint refuses what could not be used', () => {
    expect(() => authority.mint({ subject: '', rights: everything })).toThrow(/not empty/);
    expect(() => authority.mint({ subject: 'a', rights: [{ methods: [], prefix: '' }] })).toThrow(/malformed caveat/);
    expect(() => authority.mint({ subject: 'a', rights: everything, expiresMs: 0.5 })).toThrow(/malformed caveat/);
    const many = Array.from({ length: 40 }, (_, index) => ({
      ...everything[0]!,
      prefix: `n/${index}`.padEnd(100, 'x'),
    }));
    expect(() => authority.mint({ subject: 'a', rights: many })).toThrow(/at most 3068 bytes/);
  });

  test.each(['', 'ron1_', 'x'.repeat(4097), 'Bearer ron1_AAAA', 'b'.repeat(300)])('%s is malformed', (text) => {
    expect(verdict(text)).toBe('malformed');
    expect(verdict(Buffer.from(text))).toBe('malformed');
  });
});

describe("faults of the node itself are not the bearer's", () => {
  test('a keystore that fails is an internal fault, not a refusal', async () => {
    const token = authority.mint({ subject: 'a', rights: everything });
    const broken = () => {
      throw new Error('keystore gone');
    };
    authority = await make({ ...kms, mac: broken });
    expect(() => authority.verify(token, { remote })).toThrow('keystore gone');
  });

  test('so is a fault while reading the token', () => {
    class Unreadable extends Uint8Array<ArrayBuffer> {
      override slice(): never {
        throw new TypeError('detached');
      }
    }
    expect(() => authority.verify(new Unreadable(new ArrayBuffer(8)), { remote })).toThrow('detached');
  });
});

describe('what changes between two uses of a known token', () => {
  test('expiry is checked on a hit, to the millisecond', () => {
    const token = authority.mint({ subject: 'a', rights: everything, expiresMs: startMs + 1000 });
    expect(verdict(token)).toBe('accepted');
    nowMs = startMs + 1000 + 60_000 - 1;
    expect(verdict(token)).toBe('accepted');
    nowMs += 1;
    expect(verdict(token)).toBe('expired');
    nowMs += 1;
    expect(verdict(token)).toBe('expired');
  });

  test('the address is checked on a hit', () => {
    const token = attenuate(authority.mint({ subject: 'a', rights: everything }), [{ cidr: ['10.0.0.0/8'] }], hmac);
    expect(verdict(token, '10.1.1.1')).toBe('accepted');
    expect(verdict(token, '11.1.1.1')).toBe('wrong_address');
    expect(verdict(token, 'unix')).toBe('wrong_address');
  });

  test('revoking a capability voids it and its children, not its siblings', () => {
    const [first, second] = [1, 2].map(() => authority.mint({ subject: 'a', rights: everything })) as [string, string];
    const child = attenuate(first, [{ nbf: 0 }], hmac);
    const id = authority.verify(first, { remote }).capabilityId;
    for (const token of [first, second, child]) expect(verdict(token)).toBe('accepted');
    authority.revocations.revokeCapability(id);
    expect([first, child, second].map((token) => verdict(token))).toEqual(['revoked', 'revoked', 'accepted']);
  });

  test('revoking a subject voids what was minted until then, in its tenant only', () => {
    const mint = (tenant: string, subject: string) => authority.mint({ tenant, subject, rights: everything });
    const [old, otherTenant, otherSubject] = [mint('t', 'a'), mint('u', 'a'), mint('t', 'b')];
    expect(verdict(old)).toBe('accepted');
    authority.revocations.revokeSubject('t', 'a', nowMs);
    expect([old, otherTenant, otherSubject].map((token) => verdict(token))).toEqual([
      'revoked',
      'accepted',
      'accepted',
    ]);
    nowMs += 1;
    expect(verdict(mint('t', 'a'))).toBe('accepted');
    authority.revocations.revokeSubject('t', 'a', 0);
    expect(verdict(old)).toBe('revoked');
  });

  test('revoking a key ends its epoch', () => {
    const token = authority.mint({ subject: 'a', rights: everything });
    expect(verdict(token)).toBe('accepted');
    authority.revocations.revokeKey(kms.listKeys()[0]!.kid);
    expect(verdict(token)).toBe('revoked');
  });
});

describe('callers without a capability', () => {
  let open: string[] = [];
  const authenticator = () => createAuthenticator({ authority, publicPrefixes: () => open });

  test('read what is public and nothing else', () => {
    open = ['n/docs/', 'o/'];
    const anonymous = authenticator().authenticate({}, remote);
    expect(anonymous.anonymous).toBe(true);
    expect(anonymous.tenant).toBe('');
    expect(anonymous.allows('read', 'n/docs/readme')).toBe(true);
    for (const method of ['write', 'delete', 'list', 'admin'] as const) {
      expect(anonymous.allows(method, 'n/docs/readme')).toBe(false);
    }
    expect(anonymous.allows('read', 'n/private')).toBe(false);
    open = [];
    expect(anonymous.allows('read', 'n/docs/readme')).toBe(false);
  });

  test('a careless prefix opens no administration', () => {
    open = ['', 'admin/'];
    const anonymous = authenticator().authenticate({}, remote);
    expect(anonymous.allows('read', 'n/a')).toBe(true);
    expect(anonymous.allows('read', 'admin/storage')).toBe(false);
  });

  test('a bad token is refused even where reading is public, an empty one too', () => {
    open = [''];
    expect(refusalOf(() => authenticator().authenticate({ token: '' }, remote))).toBe('malformed');
    const narrow = authority.mint({ subject: 'a', rights: [] });
    expect(authenticator().authenticate({ token: narrow }, remote).allows('read', 'n/a')).toBe(false);
  });

  test('a component has exactly its rights', () => {
    const service = servicePrincipal('gateway', [{ methods: ['read'], prefix: 'o/' }]);
    expect(service).toMatchObject({ subject: 'service:gateway', anonymous: false, tenant: '' });
    expect(service.allows('read', 'o/x')).toBe(true);
    expect(service.allows('write', 'o/x')).toBe(false);
  });
});

describe('the vectors of docs/specs/vectors/cap-1.json', () => {
  interface Vectors {
    audience: string;
    skew_ms: number;
    root_keys: Record<string, string>;
    tokens: {
      name: string;
      text: string;
      at_ms: number;
      remote: string;
      verdict: string;
      view?: CapabilityView;
      allows?: { method: ScopeMethod; resource: string; allowed: boolean }[];
    }[];
    malformed: { name: string; text: string }[];
  }
  const file = new URL('../../../docs/specs/vectors/cap-1.json', import.meta.url);
  const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'));
  const keys = new Map(Object.entries(vectors.root_keys).map(([kid, hex]) => [kid, Buffer.from(hex, 'hex')]));

  beforeEach(async () => {
    const mac = (kid: string, bytes: Uint8Array) => {
      const key = keys.get(kid);
      if (key === undefined) throw new RonError('not_found', 'no such key');
      return hmac(key, bytes);
    };
    const [kid] = keys.keys();
    const info = { kid: kid!, tenant: 'node', purpose: 'capability', alg: 'hmac', version: 1, createdAtMs: 0 } as const;
    authority = await createAuthority({
      kms: { ...kms, mac, listKeys: () => [info] },
      env,
      audience: vectors.audience,
      clockSkewMs: vectors.skew_ms,
      onRefusal,
    });
  });

  test.each(vectors.tokens)('$name', ({ text, at_ms, remote: from, verdict: expected, view, allows }) => {
    nowMs = at_ms;
    for (const use of ['first', 'again']) {
      expect(verdict(text, from), use).toBe(expected === 'valid' ? 'accepted' : expected);
    }
    if (expected !== 'valid') return;
    const principal = authority.verify(text, { remote: from });
    if (view !== undefined) expect(principal.view()).toEqual(view);
    for (const { method, resource, allowed } of allows ?? []) {
      expect(`${method} ${resource} ${principal.allows(method, resource)}`).toBe(`${method} ${resource} ${allowed}`);
    }
  });

  test.each(vectors.malformed)('malformed: $name', ({ text }) => expect(verdict(text)).toBe('malformed'));
});
