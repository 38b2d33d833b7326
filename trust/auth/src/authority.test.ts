import { readFileSync } from 'node:fs';
import { createSimEnv } from '@ron/kernel/sim';
import type { Kms } from '@ron/kms';
import type { CapabilityView } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';
import { beforeEach, describe, expect, test } from 'vitest';
import { createAuthenticator } from './authenticator.ts';
import { hmac } from './chains.ts';
import { type Bench, createBench, everything } from './fixtures/bench.ts';
import { servicePrincipal } from './principal.ts';

const remote = '127.0.0.1';
let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
/** The keystore with some of its parts exchanged; its getters stay. */
const changed = (parts: Partial<Kms>): Kms =>
  Object.create(bench.kms, Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, { value }])));

describe('the hit path of an HMAC chain', () => {
  test('is synchronous', () => {
    const token = bench.authority.mint({ subject: 'a', rights: everything });
    expect(bench.authority.verify(token, { remote })).toBe(bench.authority.verify(token, { remote }));
    expect(bench.authority.verify(token, { remote })).not.toBeInstanceOf(Promise);
  });
});

describe("faults of the node itself are not the bearer's", () => {
  test('a keystore that fails is an internal fault, not a refusal', async () => {
    const token = bench.authority.mint({ subject: 'a', rights: everything });
    const broken = () => {
      throw new Error('keystore gone');
    };
    const authority = await bench.make({ kms: changed({ mac: broken }) });
    expect(() => authority.verify(token, { remote })).toThrow('keystore gone');
  });

  test('so is a fault while reading the token', () => {
    class Unreadable extends Uint8Array<ArrayBuffer> {
      override slice(): never {
        throw new TypeError('detached');
      }
    }
    expect(() => bench.authority.verify(new Unreadable(new ArrayBuffer(8)), { remote })).toThrow('detached');
  });
});

describe('callers without a capability', () => {
  let open: string[] = [];
  const authenticator = () => createAuthenticator({ authority: bench.authority, publicPrefixes: () => open });

  test('read what is public and nothing else', async () => {
    open = ['n/docs/', 'o/'];
    const anonymous = await authenticator().authenticate({}, remote);
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

  test('a careless prefix opens no administration', async () => {
    open = ['', 'admin/'];
    const anonymous = await authenticator().authenticate({}, remote);
    expect(anonymous.allows('read', 'n/a')).toBe(true);
    expect(anonymous.allows('read', 'admin/storage')).toBe(false);
  });

  test('a bad token is refused even where reading is public, an empty one too', async () => {
    open = [''];
    expect(() => authenticator().authenticate({ token: '' }, remote)).toThrow('a valid capability is required');
    const narrow = bench.authority.mint({ subject: 'a', rights: [] });
    expect((await authenticator().authenticate({ token: narrow }, remote)).allows('read', 'n/a')).toBe(false);
  });

  test('whether mutations are accepted is asked of the feed, each time', () => {
    let refusal: string | undefined;
    const fed = createAuthenticator({
      authority: bench.authority,
      publicPrefixes: () => [],
      revocationFeed: { refusal: () => refusal },
    });
    expect(fed.mutationRefusal()).toBeUndefined();
    refusal = 'silent';
    expect(fed.mutationRefusal()).toBe('silent');
    expect(authenticator().mutationRefusal()).toBeUndefined();
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

  const epochMs = 1_764_000_000_000;

  async function authorityAt(atMs: number) {
    const env = createSimEnv({ seed: 1, epochMs });
    env.clock.jumpWall(atMs - epochMs);
    const mac = (kid: string, bytes: Uint8Array) => hmac(keys.get(kid)!, bytes);
    const listKeys = (filter: { alg?: string } = {}) =>
      [...keys.keys()]
        .filter(() => filter.alg === 'hmac')
        .map((kid) => ({ kid, ...owner, version: 1, createdAtMs: 0 }) as const);
    const owner = { tenant: 'node', purpose: 'capability', alg: 'hmac', state: 'active' } as const;
    const kms = changed({
      mac,
      listKeys,
      currentKey: (filter) => listKeys(filter).at(-1) ?? bench.kms.currentKey(filter),
    });
    return bench.make({ kms, env, audience: vectors.audience, clockSkewMs: vectors.skew_ms });
  }

  test.each(vectors.tokens)('$name', async ({ text, at_ms, remote: from, verdict: expected, view, allows }) => {
    const authority = await authorityAt(at_ms);
    for (const use of ['first', 'again']) {
      expect(await bench.verdict(text, { remote: from }, authority), use).toBe(
        expected === 'valid' ? 'accepted' : expected,
      );
    }
    if (expected !== 'valid') return;
    const principal = await authority.verify(text, { remote: from });
    if (view !== undefined) expect(principal.view()).toEqual(view);
    for (const { method, resource, allowed } of allows ?? []) {
      expect(`${method} ${resource} ${principal.allows(method, resource)}`).toBe(`${method} ${resource} ${allowed}`);
    }
  });

  test.each(vectors.malformed)('malformed: $name', async ({ text }) => {
    expect(await bench.verdict(text)).toBe('malformed');
  });
});
