import { canonicalJson, type JsonValue } from '@ron/naming';
import { partyBytesMax } from './limits.ts';
import { refuse } from './refuse.ts';

/** Who the capability is for and which key began its chain. Fixed at minting; caveats only add to it. */
export interface Identifier {
  /** `tenant/purpose/alg/uuid#version` of the root key. */
  readonly kid: string;
  /** A lower-case version 7 UUID or a ULID: unique, and holds the time of minting. */
  readonly id: string;
  /** Empty = not bound to a tenant. */
  readonly tenant: string;
  readonly subject: string;
  /** The cluster that it is for. */
  readonly audience: string;
}

const members = ['audience', 'id', 'kid', 'subject', 'tenant'] as const;
const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ulid = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function encodeIdentifier(identifier: Identifier): Uint8Array {
  const { kid, id, tenant, subject, audience } = identifier;
  check(identifier);
  return encoder.encode(canonicalJson({ v: 1, kid, id, tenant, subject, audience }));
}

/** Accepts the canonical spelling only, which also excludes unknown and repeated members. */
export function decodeIdentifier(bytes: Uint8Array): Identifier {
  const value = decodeCanonicalObject(bytes);
  if (value === undefined || value.v !== 1 || Object.keys(value).length !== members.length + 1) malformed();
  const text = (member: (typeof members)[number]) => {
    const field = value[member];
    return typeof field === 'string' ? field : malformed();
  };
  const identifier = {
    kid: text('kid'),
    id: text('id'),
    tenant: text('tenant'),
    subject: text('subject'),
    audience: text('audience'),
  };
  check(identifier);
  return identifier;
}

/** Milliseconds since the Unix epoch, from the first 48 bits of the id. */
export function mintedAtMs(id: string): number {
  if (uuid7.test(id)) return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  let milliseconds = 0;
  for (const digit of id.slice(0, 10)) milliseconds = milliseconds * 32 + crockford.indexOf(digit);
  return milliseconds;
}

/** The object that `bytes` spell in canonical JSON; undefined for every other spelling and every other thing. */
export function decodeCanonicalObject(bytes: Uint8Array): Readonly<Record<string, JsonValue>> | undefined {
  try {
    const text = decoder.decode(bytes);
    const value: JsonValue = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return canonicalJson(value) === text ? (value as Readonly<Record<string, JsonValue>>) : undefined;
  } catch {
    return undefined;
  }
}

function check(identifier: Identifier): void {
  for (const member of ['subject', 'tenant', 'audience'] as const) {
    if (encoder.encode(identifier[member]).byteLength > partyBytesMax) {
      refuse('cap.party', `${member} has at most ${partyBytesMax} bytes`);
    }
  }
  const { kid, id, subject, audience } = identifier;
  if (subject === '' || audience === '') refuse('cap.party', 'subject and audience are not empty');
  if (!uuid7.test(id) && !ulid.test(id)) refuse('cap.id', 'the id is a version 7 UUID or a ULID');
  if (kid === '' || kid.length > 160) malformed();
}

function malformed(): never {
  refuse('cap.identifier', 'malformed capability');
}
