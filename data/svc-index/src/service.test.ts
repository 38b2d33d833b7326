import { generateKeyPairSync, sign, verify } from 'node:crypto';
import type { Call, Handlers } from '@ron/proto/contract';
import type { indexContract } from '@ron/proto/names';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { IndexConfig } from './config.ts';
import type { Head, NameEngine } from './engine.ts';
import { createRamNames } from './ram/ram-names.ts';
import { signedBytes } from './record.ts';
import { index } from './service.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const signer = { owner: 'node/names/ed25519/key#1', sign: (bytes: Uint8Array) => sign(null, bytes, privateKey) };
const address = (seed: number) => `b3:${seed.toString(16).padStart(64, '0')}`;
const call = {} as Call;
const config: IndexConfig = {
  names_max: 1000,
  history_versions_max: 5,
  hot_names_max: 100,
  negative_ttl_ms: 2000,
  shared_max_age_ms: 1000,
  unreachable_max_age_ms: 60_000,
};

let nowMs = 1_764_000_000_000;
let engine: NameEngine;
let headReads = 0;
let handlers: Handlers<typeof indexContract>;

async function start(names: NameEngine, settings = config): Promise<Handlers<typeof indexContract>> {
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel: () => undefined }) };
  const live = { current: () => settings, onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  const ports = { config: live, engines: { names, signer }, env: { clock } };
  const running = await index.start(ports as never);
  return running.handlers as Handlers<typeof indexContract>;
}

/** The same engine with its reads counted, and claiming to be on disk. */
function counted(inner: NameEngine): NameEngine {
  return {
    durability: 'fsync',
    failure: undefined,
    size: () => inner.size(),
    head: (name) => {
      headReads += 1;
      return inner.head(name);
    },
    change: (change) => inner.change(change),
    history: (...given) => inner.history(...given),
    list: (...given) => inner.list(...given),
    versions: (...given) => inner.versions(...given),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

beforeEach(async () => {
  headReads = 0;
  engine = counted(createRamNames());
  handlers = await start(engine);
});

const set = async (name: string, seed = 1, more: { if_version?: number; expires_at?: number } = {}) =>
  handlers.set({ name, address: address(seed), ...more }, call);
const resolve = async (name: string, fresh = false) => handlers.resolve({ name, fresh }, call);
const codeOf = async (task: () => unknown): Promise<string> => {
  try {
    await task();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'accepted';
};

describe('versions', () => {
  test('a set is signed by the owner over the record without its signature', async () => {
    const { signature, ...record } = await set('docs/readme');
    expect(record).toEqual({
      name: 'docs/readme',
      address: address(1),
      version: 1,
      prev: null,
      updated_at: nowMs,
      owner: signer.owner,
    });
    expect(verify(null, signedBytes(record), publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(verify(null, signedBytes({ ...record, version: 2 }), publicKey, Buffer.from(signature, 'base64url'))).toBe(
      false,
    );
  });

  test('compare-and-set: one below, at and one above the version', async () => {
    for (const seed of [1, 2]) await set('a', seed);
    for (const [if_version, code] of [
      [0, 'conflict'],
      [1, 'conflict'],
      [3, 'conflict'],
      [2, 'accepted'],
    ] as const) {
      expect(await codeOf(() => set('a', 9, { if_version })), `if_version ${if_version}`).toBe(code);
    }
    expect(await resolve('a')).toMatchObject({ version: 3, prev: address(2), address: address(9) });
    expect(await codeOf(() => set('b', 1, { if_version: 1 }))).toBe('conflict');
    expect(await codeOf(() => set('b', 1, { if_version: 0 }))).toBe('accepted');
  });

  test('go on counting over a removal, and the history brings the name back', async () => {
    for (const seed of [1, 2]) await set('a', seed);
    expect(await codeOf(() => handlers.remove({ name: 'a', if_version: 1 }, call))).toBe('conflict');
    expect(await handlers.remove({ name: 'a', if_version: 2 }, call)).toEqual({ name: 'a', version: 2 });
    expect(await codeOf(() => resolve('a'))).toBe('not_found');
    expect(await codeOf(() => resolve('a', true))).toBe('not_found');
    expect(await codeOf(() => handlers.remove({ name: 'a' }, call))).toBe('not_found');
    expect(await codeOf(() => set('a', 3, { if_version: 2 }))).toBe('conflict');
    const { records } = await handlers.history({ name: 'a' }, call);
    expect(records.map((record) => record.address)).toEqual([address(2), address(1)]);
    expect(await set('a', 1, { if_version: 0 })).toMatchObject({ version: 3, prev: address(2) });
  });

  test('of clients that race for one version, exactly one wins, under any interleaving', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 6 }), async (scheduler, clients) => {
        const inner = createRamNames();
        const slow = {
          ...counted(inner),
          head: (name: string) => scheduler.schedule(Promise.resolve(inner.head(name))),
        };
        handlers = await start({ ...slow, change: (change) => scheduler.schedule(inner.change(change)) });
        const race = Array.from({ length: clients }, (_, seed) => codeOf(() => set('a', seed, { if_version: 0 })));
        const free = Array.from({ length: clients }, (_, seed) => codeOf(() => set('b', seed)));
        const codes = await scheduler.waitFor(Promise.all([...race, ...free]));
        expect(codes.filter((code) => code === 'accepted')).toHaveLength(1 + clients);
        expect((inner.head('b') as Head).record.version).toBe(clients);
      }),
      { numRuns: 30 },
    );
  });

  test('a name that another writer changed meanwhile is a conflict, not a lost update', async () => {
    handlers = await start({ ...counted(engine), change: async () => 'stale' });
    expect(await codeOf(() => set('a'))).toBe('conflict');
  });

  test('the budget of names: one below, at, one above', async () => {
    handlers = await start(engine, { ...config, names_max: 2 });
    const codes = [];
    for (const name of ['a', 'b', 'c']) codes.push(await codeOf(() => set(name)));
    expect(codes).toEqual(['accepted', 'accepted', 'insufficient_storage']);
    expect(await codeOf(() => resolve('c'))).toBe('not_found');
  });
});

describe('reading', () => {
  test('a hot name is answered from memory and says how old the answer is', async () => {
    await set('a');
    nowMs += 250;
    expect(await resolve('a')).toMatchObject({ source: 'memory', freshness_ms: 250 });
    const before = headReads;
    expect(await resolve('a', true)).toMatchObject({ source: 'disk', freshness_ms: 0 });
    expect(headReads).toBe(before + 1);
    expect(handlers.resolve({ name: 'a' }, call)).not.toBeInstanceOf(Promise);
  });

  test('a missing name is remembered for two seconds, unless it is set or asked for fresh', async () => {
    const miss = () => codeOf(() => resolve('later'));
    expect([await miss(), await miss(), headReads]).toEqual(['not_found', 'not_found', 1]);
    nowMs += 1999;
    await miss();
    expect(headReads).toBe(1);
    nowMs += 1;
    await miss();
    expect(headReads).toBe(2);
    await codeOf(() => resolve('later', true));
    expect(headReads).toBe(3);
    await set('later');
    expect(await resolve('later')).toMatchObject({ version: 1 });
  });

  test('an expired name is gone to the millisecond, and counts on when set again', async () => {
    const expires_at = nowMs + 10;
    await set('a', 1, { expires_at });
    nowMs += 9;
    expect(await resolve('a')).toMatchObject({ expires_at });
    nowMs += 1;
    expect(await codeOf(() => resolve('a'))).toBe('not_found');
    expect(await handlers.list({}, call)).toEqual({ names: [] });
    expect(await codeOf(() => set('b', 1, { expires_at: nowMs }))).toBe('bad_request');
    expect(await set('a', 2, { if_version: 0 })).toMatchObject({ version: 2 });
  });

  test('a read that a change overtakes does not hide the change', async () => {
    let release: (head: Head | undefined) => void = () => undefined;
    const inner = createRamNames();
    let held = false;
    handlers = await start({
      ...counted(inner),
      head: (name) => {
        if (held) return inner.head(name);
        held = true;
        return new Promise<Head | undefined>((resolved) => {
          release = resolved;
        });
      },
    });
    const early = codeOf(() => resolve('a'));
    await set('a');
    release(undefined);
    expect(await early).toBe('not_found');
    expect(await resolve('a')).toMatchObject({ version: 1 });
  });

  test.each(['A', '', 'a//b', '../a', 'a'.repeat(64), 'e\u0301'])('%j is refused as a name', async (name) => {
    for (const task of [
      () => set(name),
      () => resolve(name),
      () => handlers.remove({ name }, call),
      () => handlers.history({ name }, call),
    ]) {
      expect(await codeOf(task)).toBe('bad_request');
    }
    const path = `${name}/index.html`;
    expect(await codeOf(() => handlers.match({ path }, call))).toBe(name === 'a//b' ? 'not_found' : 'bad_request');
  });

  test('the longest existing name wins, the rest is a path', async () => {
    for (const name of ['docs', 'docs/v2', 'gone', 'gone/sub']) await set(name);
    await handlers.remove({ name: 'gone/sub' }, call);
    const matched = async (path: string) => {
      const { record, rest } = await handlers.match({ path }, call);
      return [record.name, rest];
    };
    expect(await matched('docs')).toEqual(['docs', '']);
    expect(await matched('docs/')).toEqual(['docs', '']);
    expect(await matched('docs/v2/Read Me.TXT')).toEqual(['docs/v2', 'Read Me.TXT']);
    expect(await matched('docs/v20/x')).toEqual(['docs', 'v20/x']);
    expect(await matched('gone/sub/x')).toEqual(['gone', 'sub/x']);
    expect(await codeOf(() => matched('other/x'))).toBe('not_found');
    headReads = 0;
    expect(await matched(`docs/${'x/'.repeat(500)}`)).toEqual(['docs', 'x/'.repeat(500)]);
    expect(headReads).toBeLessThanOrEqual(16);
  });
});

describe('pages', () => {
  test('list, history and roots meet everything once, whatever the limit', async () => {
    const names = Array.from({ length: 12 }, (_, number) => `n${String(number).padStart(2, '0')}`);
    for (const name of names) for (const seed of [1, 2]) await set(name, seed);
    await handlers.remove({ name: 'n03' }, call);
    for (const limit of [1, 5, 11, 12, 1000]) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await handlers.list({ limit, ...(cursor === undefined ? {} : { cursor }) }, call);
        expect(page.names.length).toBeLessThanOrEqual(limit);
        seen.push(...page.names.map((record) => record.name));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(names.filter((name) => name !== 'n03'));
    }
    const first = await handlers.history({ name: 'n00', limit: 1 }, call);
    const second = await handlers.history({ name: 'n00', limit: 1, cursor: first.cursor! }, call);
    expect([first, second].map((page) => page.records[0]?.version)).toEqual([2, 1]);
    expect(second.cursor).toBeUndefined();
    const { roots, cursor } = await handlers.roots({}, call);
    expect(roots).toHaveLength(24);
    expect(roots).toContainEqual({ name: 'n03', address: address(1) });
    expect(cursor).toBeUndefined();
  });

  test('roots go on past a page', async () => {
    handlers = await start(engine, { ...config, names_max: 2000 });
    for (let number = 0; number < 1001; number += 1) await set(`n${number}`);
    const first = await handlers.roots({}, call);
    const second = await handlers.roots({ cursor: first.cursor! }, call);
    expect([first.roots.length, second.roots.length, second.cursor]).toEqual([1000, 1, undefined]);
  });

  test('a long stretch of removed names does not make a page long, nor end the list', async () => {
    handlers = await start(engine, { ...config, names_max: 5000 });
    for (let number = 0; number < 4100; number += 1) {
      await set(`a${number}`);
      await handlers.remove({ name: `a${number}` }, call);
    }
    await set('b');
    const first = await handlers.list({ limit: 1000 }, call);
    expect(first.names).toEqual([]);
    const second = await handlers.list({ limit: 1000, cursor: first.cursor! }, call);
    expect(second.names.map((record) => record.name)).toEqual(['b']);
  });

  test.each(['!', 'bnVsbA', 'eyJ9', 'W10', 'WyJhIiwieCJd', 'LTE'])('the cursor %s is refused', async (cursor) => {
    expect(await codeOf(() => handlers.list({ cursor }, call))).toBe('bad_request');
    expect(await codeOf(() => handlers.roots({ cursor }, call))).toBe('bad_request');
    expect(await codeOf(() => handlers.history({ name: 'a', cursor }, call))).toBe('bad_request');
  });

  test('history of a name that never was', async () => {
    expect(await codeOf(() => handlers.history({ name: 'a' }, call))).toBe('not_found');
  });
});
