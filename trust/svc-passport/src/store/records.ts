import type { Table } from '@ron/journal';
import type { CapabilityLimits, RevocationEntry, Right } from '@ron/proto/capability';
import type { Profile } from '@ron/proto/passport';

/** A capability that a family has minted and that may still be in use. */
export interface LiveCapability {
  readonly id: string;
  /** Unix epoch, ms. */
  readonly expiresAtMs: number;
}

/** A passport with everything that was refreshed from it. Holds no secret: of the refresh token there is a hash. */
export interface Family {
  /** 16 random bytes, hex. */
  readonly id: string;
  readonly subject: string;
  readonly tenant: string;
  readonly rights: readonly Right[];
  readonly limits?: CapabilityLimits;
  readonly ttlS: number;
  readonly scheme?: 'hmac' | 'ed25519';
  readonly key?: string;
  /** The key version whose tag says that a refresh token was made here. A family keeps it for life. */
  readonly refreshKid: string;
  /** Of the one refresh token that works, from 1. */
  readonly generation: number;
  /** BLAKE3 of that token, hex. */
  readonly current: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** At most `passportLimits.familyCapabilitiesMax`. */
  readonly capabilities: readonly LiveCapability[];
  /** Who issued it: subject and capability id. */
  readonly issuedBy: string;
}

export interface SubjectRecord {
  readonly profile: Profile;
}

export interface Meta {
  /** Names this life of the feed, 16 random bytes as hex: a store that begins anew counts from 1 again. */
  readonly feed: string;
  /** Of the newest revocation. */
  readonly seq: number;
  /** Of the newest revocation that was dropped because nothing was left to revoke. */
  readonly floor: number;
  readonly families: number;
  readonly subjects: number;
  readonly revocations: number;
  /** BLAKE3 of the one-time secret, hex; `used` once the first administrator exists. */
  readonly bootstrap?: { readonly hash: string } | 'used';
}

/** One of the members, by the key's first word. */
export interface PassportValue {
  readonly meta?: Meta;
  readonly family?: Family;
  readonly subject?: SubjectRecord;
  readonly revocation?: RevocationEntry;
}

export type PassportTable = Table<PassportValue>;

export const metaKey = 'meta';
export const familyPrefix = 'family/';
export const subjectPrefix = 'subject/';
export const revocationPrefix = 'revocation/';

/** An array as text: no separator that a subject could contain. */
export function subjectKey(tenant: string, subject: string): string {
  return subjectPrefix + JSON.stringify([tenant, subject]);
}

export function subjectRevocationKey(tenant: string, subject: string): string {
  return `${revocationPrefix}subject/${JSON.stringify([tenant, subject])}`;
}

/** Of a subject's revocation: what was minted until then is void, and a new capability has to be younger. −1 without one. */
export function mintedUntilOf(value: PassportValue | undefined): number {
  const entry = value?.revocation;
  return entry?.kind === 'subject' ? entry.minted_until : -1;
}

/** What is revoked, apart from when: a second revocation of the same takes the place of the first. */
export function revocationKey(entry: NewRevocation): string {
  switch (entry.kind) {
    case 'capability':
      return `${revocationPrefix}capability/${entry.id}`;
    case 'subject':
      return subjectRevocationKey(entry.tenant, entry.subject);
    case 'key':
      return `${revocationPrefix}key/${entry.kid}`;
  }
}

type WithoutSeq<T> = T extends unknown ? Omit<T, 'seq'> : never;
export type NewRevocation = WithoutSeq<RevocationEntry>;

/** Capabilities that are revoked one by one: verifiers hold 100,000 revocations of a kind. */
export const revocationsHeldMax = 90_000;

/** What the table of passports needs at most: `openTable({ ...passportTableLimits, env, folder })`. */
export const passportTableLimits = { entriesMax: 300_000, charactersMax: 256 * 1024 * 1024 } as const;
