import { canonicalJson, type JsonValue } from '@ron/naming';
import type { CapabilityLimits, Right } from '@ron/proto/capability';
import { decodeBase64Url } from './base64url.ts';
import { parseCidr } from './cidr.ts';
import { decodeCanonicalObject } from './identifier.ts';
import { cidrsMax, holderKeyBytes, partyBytesMax, prefixBytesMax } from './limits.ts';
import { refuse } from './refuse.ts';

/** One condition: an object with exactly one member. All conditions of a token must hold. */
export type Caveat =
  /** One of these must allow the request. An empty list allows nothing. */
  | { readonly rights: readonly Right[] }
  /** Not before, milliseconds since the Unix epoch. */
  | { readonly nbf: number }
  /** Expires: invalid from this moment, milliseconds since the Unix epoch. */
  | { readonly exp: number }
  | { readonly limits: CapabilityLimits }
  /** The caller's address is in one of these ranges. */
  | { readonly cidr: readonly string[] }
  | { readonly audience: string }
  /** Raw Ed25519 public key of the holder, base64url: every request needs a proof made with it. */
  | { readonly key: string };

const methods: ReadonlySet<unknown> = new Set(['read', 'write', 'delete', 'list', 'admin']);
const limitNames: ReadonlySet<string> = new Set(['bytes_max', 'requests_per_second', 'body_bytes_max']);
const encoder = new TextEncoder();

/** Refuses (`bad_request`) what `decodeCaveat` would not read back. */
export function encodeCaveat(caveat: Caveat): Uint8Array {
  const bytes = encoder.encode(canonicalJson(caveat as JsonValue));
  if (decodeCaveat(bytes) === undefined) refuse('cap.caveat', 'malformed caveat');
  return bytes;
}

/** Undefined for everything that this version does not understand completely: such a caveat denies. */
export function decodeCaveat(bytes: Uint8Array): Caveat | undefined {
  const value = decodeCanonicalObject(bytes);
  return value !== undefined && isCaveat(value) ? value : undefined;
}

/** The 32 bytes of a `key` caveat's value; undefined for any other text. */
export function decodeHolderKey(text: string): Uint8Array | undefined {
  const bytes = text.length === 43 ? decodeBase64Url(text) : undefined;
  return bytes?.byteLength === holderKeyBytes ? bytes : undefined;
}

function isCaveat(value: Readonly<Record<string, unknown>>): value is Caveat {
  const [member, ...others] = Object.keys(value);
  return member !== undefined && others.length === 0 && isValid(member, value[member]);
}

function isValid(member: string, value: unknown): boolean {
  switch (member) {
    case 'rights':
      return Array.isArray(value) && value.every(isRight);
    case 'nbf':
    case 'exp':
      return isCount(value);
    case 'limits':
      return isObject(value) && Object.entries(value).every(([name, limit]) => isLimit(name, limit));
    case 'cidr':
      return Array.isArray(value) && value.length > 0 && value.length <= cidrsMax && value.every(isCidr);
    case 'key':
      return typeof value === 'string' && decodeHolderKey(value) !== undefined;
    case 'audience':
      return typeof value === 'string' && value !== '' && encoder.encode(value).byteLength <= partyBytesMax;
    default:
      return false;
  }
}

function isRight(value: unknown): boolean {
  if (!isObject(value) || Object.keys(value).length !== 2) return false;
  const { methods: allowed, prefix } = value;
  if (!Array.isArray(allowed) || allowed.length === 0 || new Set(allowed).size !== allowed.length) return false;
  if (!allowed.every((method) => methods.has(method))) return false;
  return typeof prefix === 'string' && encoder.encode(prefix).byteLength <= prefixBytesMax;
}

function isLimit(name: string, limit: unknown): boolean {
  if (!limitNames.has(name)) return false;
  if (name === 'requests_per_second') return typeof limit === 'number' && Number.isFinite(limit) && limit > 0;
  return isCount(limit);
}

function isCidr(value: unknown): boolean {
  return typeof value === 'string' && parseCidr(value) !== undefined;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
