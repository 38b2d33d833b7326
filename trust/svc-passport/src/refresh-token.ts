import { timingSafeEqual } from 'node:crypto';
import type { Env } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import { RonError } from '@ron/proto/errors';

/**
 * `ronr_` and base64url of: family (16 bytes), generation (4, big-endian), 32 random bytes, and the first 16 bytes of a
 * MAC over all that under a node key. The random bytes are the secret; the store keeps a hash of the current token. The
 * MAC lets any token that was ever given out be told from a made-up one without keeping the old ones: a used token ends
 * its family, however long ago it was used, and a stranger who knows a family's id can end nothing.
 */
const prefix = 'ronr_';
const familyBytes = 16;
const generationBytes = 4;
const randomBytes = 32;
const tagBytes = 16;
const bodyBytes = familyBytes + generationBytes + randomBytes;
const shape = /^ronr_[A-Za-z0-9_-]{91}$/;

/** The key that refresh tokens are tagged with; no other key of the keystore can make one. */
export const refreshKeys = { tenant: 'node', purpose: 'passport-refresh', alg: 'hmac' } as const;

export interface RefreshClaim {
  /** Hex. */
  readonly family: string;
  readonly body: Uint8Array;
  readonly tag: Uint8Array;
}

export function createFamilyId(random: Env['random']): string {
  return Buffer.from(random.bytes(familyBytes)).toString('hex');
}

export function createRefreshToken(
  { kms, random }: { readonly kms: Kms; readonly random: Env['random'] },
  { family, generation, kid }: { readonly family: string; readonly generation: number; readonly kid: string },
): string {
  const body = Buffer.alloc(bodyBytes);
  body.set(Buffer.from(family, 'hex'), 0);
  body.writeUInt32BE(generation, familyBytes);
  body.set(random.bytes(randomBytes), familyBytes + generationBytes);
  return prefix + Buffer.concat([body, kms.mac(kid, body).subarray(0, tagBytes)]).toString('base64url');
}

/** What a text claims to be; undefined when it has not the shape. Nothing is proven yet. */
export function readRefreshToken(text: string): RefreshClaim | undefined {
  if (!shape.test(text)) return undefined;
  const bytes = Buffer.from(text.slice(prefix.length), 'base64url');
  // One spelling: the last character's spare bits must be zero.
  if (bytes.byteLength !== bodyBytes + tagBytes || prefix + bytes.toString('base64url') !== text) return undefined;
  const body = bytes.subarray(0, bodyBytes);
  return { family: body.subarray(0, familyBytes).toString('hex'), body, tag: bytes.subarray(bodyBytes) };
}

/** Whether this node made it under the key version `kid`, in constant time. */
export function isGenuine(kms: Kms, kid: string, { body, tag }: RefreshClaim): boolean {
  try {
    return timingSafeEqual(kms.mac(kid, body).subarray(0, tagBytes), tag);
  } catch (error) {
    // The key was retired or destroyed: nothing of that time is good any more.
    if (error instanceof RonError && error.code === 'not_found') return false;
    throw error;
  }
}

/** BLAKE3 of a secret text, hex: what is kept of it. */
export function hashOf(work: Env['work'], text: string): string {
  return Buffer.from(work.blake3(new TextEncoder().encode(text))).toString('hex');
}

/** Two hashes as `hashOf` makes them, in constant time. */
export function sameHash(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one, 'hex'), Buffer.from(other, 'hex'));
}
