import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Caveat, type Identifier, spellingOf } from '@ron/cap';
import { createSimEnv } from '@ron/kernel/sim';
import type { Kms } from '@ron/kms';
import type { CapabilityView, Right } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { beforeEach, describe, expect, test } from 'vitest';
import { attenuateBiscuit, mintBiscuit, parseBiscuit } from './biscuit-token.ts';
import { type Bench, createBench } from './fixtures/bench.ts';

interface Vectors {
  audience: string;
  skew_ms: number;
  root_seeds: Record<string, string>;
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
  malformed: { name: string; text: string; rule: string }[];
  mints: {
    name: string;
    identifier: Identifier;
    caveats: [{ rights: Right[] }, ...Caveat[]];
    next_seed: string;
    text: string;
  }[];
  attenuations: { name: string; from: string; caveats: Caveat[]; next_seed: string; to: string }[];
  proof_token: string;
  proofs: { name: string; request: string; at_ms: number; message: string; proof: string; verdict: string }[];
}

const file = new URL('../../../docs/specs/vectors/cap-2.json', import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'));
const epochMs = 1_764_000_000_000;

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});

/** A node that holds the public halves of the vectors' keys. */
function authorityAt(atMs: number) {
  const env = createSimEnv({ seed: 1, epochMs });
  env.clock.jumpWall(atMs - epochMs);
  const owner = {
    tenant: 'node',
    purpose: 'capability',
    alg: 'ed25519',
    state: 'active',
    version: 1,
    createdAtMs: 0,
  } as const;
  const parts: Partial<Kms> = {
    listKeys: (filter = {}) =>
      filter.alg === 'ed25519'
        ? Object.keys(vectors.root_keys).map((kid) => ({ kid, ...owner }))
        : bench.kms.listKeys(filter),
    currentKey: (filter) =>
      filter.alg === 'ed25519' ? { kid: Object.keys(vectors.root_keys)[0]!, ...owner } : bench.kms.currentKey(filter),
    publicKey: (kid) => new Uint8Array(Buffer.from(vectors.root_keys[kid]!, 'hex')),
  };
  const kms = Object.create(
    bench.kms,
    Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, { value }])),
  );
  return bench.make({ kms, env, audience: vectors.audience, clockSkewMs: vectors.skew_ms });
}
const outcome = (verdict: string) => (verdict === 'valid' ? 'accepted' : verdict);

describe('tokens', () => {
  test.each(vectors.tokens)('$name', async ({ text, at_ms, remote, verdict, view, allows }) => {
    const authority = await authorityAt(at_ms);
    for (const use of ['first', 'again']) {
      expect(await bench.verdict(text, { remote }, authority), use).toBe(outcome(verdict));
    }
    if (verdict !== 'valid') return;
    const principal = await authority.verify(text, { remote });
    if (view !== undefined) expect(principal.view()).toEqual(view);
    for (const { method, resource, allowed } of allows ?? []) {
      expect(`${method} ${resource} ${principal.allows(method, resource)}`).toBe(`${method} ${resource} ${allowed}`);
    }
  });

  test.each(vectors.malformed)('malformed: $name', async ({ text, rule }) => {
    expect(await bench.verdict(text)).toBe('malformed');
    expect(ruleOf(() => parseBiscuit(spellingOf(text).bytes))).toBe(rule);
  });

  test.each(vectors.mints)(
    'minted: $name',
    async ({ identifier, caveats: [first, ...conditions], next_seed, text }) => {
      const root = privateKey(vectors.root_seeds[identifier.kid]!);
      const signRoot = (payload: Uint8Array) => new Uint8Array(sign(null, payload, root));
      expect(await mintBiscuit(identifier, first.rights, conditions, signRoot, fixed(next_seed))).toBe(text);
    },
  );

  test.each(vectors.attenuations)('attenuated: $name', ({ from, caveats, next_seed, to }) => {
    expect(attenuateBiscuit(from, caveats, fixed(next_seed))).toBe(to);
    expect(attenuateBiscuit(Buffer.from(from), caveats, fixed(next_seed))).toBe(to);
  });
});

test.each(vectors.proofs)('proof: $name', async ({ request, at_ms, proof, verdict }) => {
  const presentation = { remote: '192.0.2.7', proof, request };
  expect(await bench.verdict(vectors.proof_token, presentation, await authorityAt(at_ms))).toBe(outcome(verdict));
});

describe('read by a decoder that knows the schema only', () => {
  const valid = vectors.tokens.filter(
    ({ verdict, name }) => verdict === 'valid' && name !== 'attenuated by the published library',
  );
  test.each(valid)('$name', ({ text, view }) => {
    const { texts, genuine } = readIndependently(Buffer.from(text.slice('ron1b_'.length), 'base64url'));
    expect(genuine).toBe(true);
    expect(texts[0]![0]).toBe('ron_token');
    const { kid, id } = JSON.parse(texts[0]![1]);
    expect(Object.keys(vectors.root_keys)).toContain(kid);
    expect(texts.slice(1).every(([name]) => name === 'ron_caveat')).toBe(true);
    if (view !== undefined) expect([id, texts.length - 1]).toEqual([view.id, view.caveats]);
  });

  test('and a changed one is not genuine', () => {
    const bytes = Buffer.from(vectors.proof_token.slice(6), 'base64url');
    bytes[bytes.indexOf('alice')]! ^= 1;
    expect(readIndependently(bytes).genuine).toBe(false);
  });
});

/** Protobuf without a schema: fields in order, nothing refused. */
function fieldsOf(bytes: Buffer): { field: number; value: number; data: Buffer }[] {
  const fields = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    const isBytes = tag % 8 === 2;
    fields.push({
      field: Math.floor(tag / 8),
      value,
      data: isBytes ? bytes.subarray(at, at + value) : Buffer.alloc(0),
    });
    if (isBytes) at += value;
  }
  return fields;
}

function readIndependently(bytes: Buffer) {
  const pick = (from: Buffer, ...path: number[]): Buffer =>
    path.reduce((data, field) => fieldsOf(data).find((each) => each.field === field)!.data, from);
  const symbols: string[] = [];
  const texts: [string, string][] = [];
  const le = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  let genuine = true;
  let key: Buffer | undefined;
  let previous: Buffer | undefined;
  let last: Buffer = Buffer.alloc(0);
  for (const { field, data: signed } of fieldsOf(bytes)) {
    if (field !== 2 && field !== 3) continue;
    const [block, next, signature] = [pick(signed, 1), pick(signed, 2, 2), pick(signed, 3)];
    const parts = fieldsOf(block);
    symbols.push(...parts.filter((each) => each.field === 1).map(({ data }) => data.toString()));
    for (const { data } of parts.filter((each) => each.field === 4)) {
      const predicate = pick(data, 1);
      const number = fieldsOf(predicate)[0]!.value;
      texts.push([symbols[number - 1024]!, symbols[fieldsOf(pick(predicate, 2))[0]!.value - 1024]!]);
    }
    key ??= Buffer.from(vectors.root_keys[JSON.parse(texts[0]![1]).kid]!, 'hex');
    const payload = Buffer.concat([
      Buffer.from('\0BLOCK\0\0VERSION\0'),
      le(1),
      Buffer.from('\0PAYLOAD\0'),
      block,
      Buffer.from('\0ALGORITHM\0'),
      le(0),
      Buffer.from('\0NEXTKEY\0'),
      next,
      ...(previous === undefined ? [] : [Buffer.from('\0PREVSIG\0'), previous]),
    ]);
    genuine &&= verify(null, payload, publicKey(key), signature);
    [key, previous, last] = [next, signature, block];
  }
  const proof = fieldsOf(pick(bytes, 4))[0]!;
  const sealed = Buffer.concat([last, le(0), key!, previous!]);
  genuine &&=
    proof.field === 1
      ? createPublicKey(privateKey(proof.data.toString('hex'))).equals(publicKey(key!))
      : verify(null, sealed, publicKey(key!), proof.data);
  return { texts, genuine };
}

function fixed(seedHex: string) {
  const bytes = () => new Uint8Array(Buffer.from(seedHex, 'hex'));
  return { bytes, unit: () => 0 };
}

function privateKey(seedHex: string) {
  const der = Buffer.from(`302e020100300506032b657004220420${seedHex}`, 'hex');
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

function publicKey(raw: Buffer) {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

function ruleOf(task: () => unknown): unknown {
  try {
    task();
  } catch (error) {
    if (error instanceof RonError) return error.details?.rule;
    throw error;
  }
  return 'accepted';
}
