import { readFileSync } from 'node:fs';
import { blake3 } from '@noble/hashes/blake3.js';
import { RonError } from '@ron/proto/errors';
import { describe, expect, test } from 'vitest';
import {
  addressFromHash,
  canonicalJson,
  encodeManifest,
  etagOf,
  formatTenant,
  hashFromAddress,
  type JsonValue,
  type ManifestEntryInput,
  type ManifestMeta,
  parseAddress,
  parseEntryPath,
  parseManifest,
  parseName,
  parseTenant,
} from './index.ts';

interface Refused {
  readonly text: string;
  readonly rule: string;
}
interface Vectors {
  addresses: { valid: { of_text: string; address: string; etag: string }[]; invalid: Refused[] };
  names: { valid: { text: string }[]; invalid: Refused[] };
  paths: { valid: { text: string }[]; invalid: Refused[] };
  tenants: { valid: { text: string; bytes: string; ulid: string }[]; invalid: Refused[] };
  canonical_json: { value: JsonValue; text: string }[];
  manifests: {
    valid: { entries: ManifestEntryInput[]; meta?: ManifestMeta; text: string; address: string }[];
    invalid: Refused[];
  };
}

const file = new URL('../../../docs/specs/vectors/naming-1.json', import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'));
const utf8 = (text: string) => new TextEncoder().encode(text);

function ruleOf(task: () => unknown): unknown {
  try {
    return { accepted: task() };
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    return error.details?.rule;
  }
}

describe('every text that the vectors refuse is refused by the rule they name', () => {
  test.each(vectors.addresses.invalid)('address $text', ({ text, rule }) => {
    expect(ruleOf(() => parseAddress(text))).toBe(rule);
  });
  test.each(vectors.names.invalid)('name $text', ({ text, rule }) => {
    expect(ruleOf(() => parseName(text))).toBe(rule);
  });
  test.each(vectors.paths.invalid)('path $text', ({ text, rule }) => {
    expect(ruleOf(() => parseEntryPath(text))).toBe(rule);
  });
  test.each(vectors.tenants.invalid)('tenant $text', ({ text, rule }) => {
    expect(ruleOf(() => parseTenant(text))).toBe(rule);
  });
  test.each(vectors.manifests.invalid)('manifest $text', ({ text, rule }) => {
    expect(ruleOf(() => parseManifest(utf8(text)))).toBe(rule);
  });
});

describe('every text that the vectors accept is accepted unchanged', () => {
  test.each(vectors.addresses.valid)('address $address', ({ of_text, address, etag }) => {
    const hash = blake3(utf8(of_text));
    expect(addressFromHash(hash)).toBe(address);
    expect(hashFromAddress(parseAddress(address))).toEqual(hash);
    expect(etagOf(parseAddress(address))).toBe(etag);
  });
  test.each(vectors.names.valid)('name $text', ({ text }) => {
    expect(parseName(text)).toBe(text);
  });
  test.each(vectors.paths.valid)('path $text', ({ text }) => {
    expect(parseEntryPath(text)).toBe(text);
  });
  test.each(vectors.tenants.valid)('tenant $text', ({ text, bytes, ulid }) => {
    expect(Buffer.from(parseTenant(text)).toString('hex')).toBe(bytes);
    expect(formatTenant(parseTenant(text))).toBe(ulid);
  });
  test.each(vectors.canonical_json)('json $text', ({ value, text }) => {
    expect(canonicalJson(value)).toBe(text);
  });
  test.each(vectors.manifests.valid)('manifest $address', ({ entries, meta, text, address }) => {
    const bytes = encodeManifest(entries, meta);
    expect(new TextDecoder().decode(bytes)).toBe(text);
    expect(addressFromHash(blake3(bytes))).toBe(address);
    expect(encodeManifest(parseManifest(bytes).entries, meta)).toEqual(bytes);
  });
});
