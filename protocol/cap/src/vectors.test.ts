import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CapabilityView } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import type { Caveat } from './caveat.ts';
import { hmac } from './hmac.ts';
import { rightsAllow } from './rights.ts';
import { attenuate, chain, parseToken } from './token.ts';
import { grantAdmits, grantAllows, grantOf, inspect } from './view.ts';

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
  malformed: { name: string; text: string; rule: string }[];
  sizes: { name: string; text: string; ok: boolean }[];
  attenuations: { name: string; from: string; caveats: Caveat[]; to: string }[];
  rights: { prefix: string; method: ScopeMethod; resource: string; allowed: boolean }[];
}

const file = new URL('../../../docs/specs/vectors/cap-1.json', import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'));

/** The verdict that the specification's steps give, with this package's parts only. */
function verdictOf(text: string, atMs: number, remote: string): string {
  const token = parseToken(text);
  const key = vectors.root_keys[token.identifier.kid];
  if (key === undefined) return 'unknown_key';
  const root = hmac(Buffer.from(key, 'hex'), token.identifierBytes);
  const caveats = token.caveats.map((caveat) => caveat.bytes);
  if (!Buffer.from(chain(root, caveats, hmac)).equals(token.tag)) return 'wrong_tag';
  const grant = grantOf(token);
  if (grant.audiences.some((audience) => audience !== vectors.audience)) return 'wrong_audience';
  if (!grant.understood) return 'unknown_caveat';
  if (atMs < grant.notBeforeMs - vectors.skew_ms) return 'not_yet_valid';
  if (atMs >= grant.expiresAtMs + vectors.skew_ms) return 'expired';
  return grantAdmits(grant, remote) ? 'valid' : 'wrong_address';
}

describe('tokens', () => {
  test.each(vectors.tokens)('$name', ({ text, at_ms, remote, verdict, view, allows }) => {
    expect(verdictOf(text, at_ms, remote)).toBe(verdict);
    if (view !== undefined) expect(inspect(text)).toEqual(view);
    for (const { method, resource, allowed } of allows ?? []) {
      expect({ method, resource, allowed: grantAllows(grantOf(parseToken(text)), method, resource) }).toEqual({
        method,
        resource,
        allowed,
      });
    }
  });

  test('a token with a caveat that is not understood allows nothing', () => {
    const unknown = vectors.tokens.filter(({ verdict }) => verdict === 'unknown_caveat');
    expect(unknown.length).toBeGreaterThan(10);
    for (const { text } of unknown) expect(grantAllows(grantOf(parseToken(text)), 'read', 'n/a')).toBe(false);
  });
});

test.each(vectors.malformed)('malformed: $name', ({ text, rule }) => {
  const refusal = captureRefusal(() => parseToken(text));
  expect(refusal.code).toBe('bad_request');
  expect(refusal.details?.rule).toBe(rule);
});

test.each(vectors.sizes)('size: $name', ({ text, ok }) => {
  if (ok) expect(attenuate(text, [], hmac)).toBe(text);
  else expect(captureRefusal(() => parseToken(text)).details?.rule).toBe('cap.size');
});

test.each(vectors.attenuations)('attenuation: $name', ({ from, caveats, to }) => {
  expect(attenuate(from, caveats, hmac)).toBe(to);
  expect(attenuate(Buffer.from(from), caveats, hmac)).toBe(to);
  expect(attenuate(Buffer.from(from.slice(5), 'base64url'), caveats, hmac)).toBe(to);
});

test.each(vectors.rights)('right $prefix, $method $resource: $allowed', ({ prefix, method, resource, allowed }) => {
  const methods: ScopeMethod[] = ['read', 'write', 'delete', 'list', 'admin'];
  expect(rightsAllow([{ methods, prefix }], method, resource)).toBe(allowed);
  const others = methods.filter((other) => other !== method);
  expect(rightsAllow([{ methods: others, prefix }], method, resource)).toBe(false);
});

test('the plain JavaScript MAC is the one that servers use', () => {
  const key = new Uint8Array(32).fill(3);
  for (const message of ['', 'a', 'a'.repeat(300)]) {
    const bytes = new TextEncoder().encode(message);
    expect(Buffer.from(hmac(key, bytes)).toString('hex')).toBe(
      createHmac('sha512-256', key).update(bytes).digest('hex'),
    );
  }
});

function captureRefusal(task: () => unknown): RonError {
  try {
    task();
  } catch (error) {
    if (error instanceof RonError) return error;
    throw error;
  }
  throw new Error('was accepted');
}
