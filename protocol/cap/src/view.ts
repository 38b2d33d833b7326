import type { CapabilityLimits, CapabilityView, Right } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';
import { type Cidr, cidrContains, parseAddressBytes, parseCidr } from './cidr.ts';
import { rightsAllow } from './rights.ts';
import { type Claims, parseToken } from './token.ts';

/** What a token's caveats amount to together. Says nothing about whether the token is genuine. */
export interface Grant {
  /** Every inner list must allow a request. Never empty. */
  readonly rights: readonly (readonly Right[])[];
  /** −Infinity and Infinity when there is no such caveat. */
  readonly notBeforeMs: number;
  readonly expiresAtMs: number;
  /** The smallest of each. */
  readonly limits: CapabilityLimits;
  /** One range of each inner list must hold the caller. */
  readonly cidrs: readonly (readonly Cidr[])[];
  readonly audiences: readonly string[];
  /** The holder's public key, base64url: without a proof made with it a request is refused. */
  readonly key: string | undefined;
  /** False when a caveat is unknown, or two bind to different keys: then nothing is allowed. */
  readonly understood: boolean;
}

export function grantOf(token: Pick<Claims, 'identifier' | 'caveats'>): Grant {
  const rights: (readonly Right[])[] = [];
  const cidrs: (readonly Cidr[])[] = [];
  const audiences = [token.identifier.audience];
  const limits: CapabilityLimits = {};
  let [notBeforeMs, expiresAtMs, understood] = [-Infinity, Infinity, true];
  let key: string | undefined;
  // The minter's rights come first. A token that begins otherwise allows nothing, whatever its holders add.
  const first = token.caveats[0]?.caveat;
  if (first === undefined || !('rights' in first)) rights.push([]);
  for (const { caveat } of token.caveats) {
    if (caveat === undefined) understood = false;
    else if ('rights' in caveat) rights.push(caveat.rights);
    else if ('nbf' in caveat) notBeforeMs = Math.max(notBeforeMs, caveat.nbf);
    else if ('exp' in caveat) expiresAtMs = Math.min(expiresAtMs, caveat.exp);
    else if ('cidr' in caveat) cidrs.push(caveat.cidr.map((range) => parseCidr(range)!));
    else if ('audience' in caveat) audiences.push(caveat.audience);
    else if ('limits' in caveat) tighten(limits, caveat.limits);
    // One request carries one proof, so nobody can satisfy two keys.
    else if (key !== undefined && key !== caveat.key) understood = false;
    else key = caveat.key;
  }
  return { rights, notBeforeMs, expiresAtMs, limits, cidrs, audiences, key, understood };
}

export function grantAllows(grant: Grant, method: ScopeMethod, resource: string): boolean {
  if (!grant.understood) return false;
  for (const rights of grant.rights) {
    if (!rightsAllow(rights, method, resource)) return false;
  }
  return true;
}

/** Whether the caller's address satisfies every `cidr` caveat. An unreadable address satisfies none. */
export function grantAdmits(grant: Grant, remote: string): boolean {
  if (grant.cidrs.length === 0) return true;
  const address = parseAddressBytes(remote);
  if (address === undefined) return false;
  return grant.cidrs.every((ranges) => ranges.some((range) => cidrContains(range, address)));
}

/** What an HMAC chain says of itself, unproven: for `ron cap show` and for people. Biscuit containers are refused (`cap.prefix`). */
export function inspect(capability: string | Uint8Array): CapabilityView {
  const token = parseToken(capability);
  return viewOf(token, grantOf(token));
}

export function viewOf(token: Claims, grant: Grant): CapabilityView {
  const { id, subject, tenant, audience } = token.identifier;
  return {
    id,
    subject,
    tenant,
    audience,
    rights: grant.rights.map((list) => list.map((right) => ({ methods: [...right.methods], prefix: right.prefix }))),
    ...(grant.notBeforeMs === -Infinity ? {} : { not_before: grant.notBeforeMs }),
    ...(grant.expiresAtMs === Infinity ? {} : { expires_at: grant.expiresAtMs }),
    limits: { ...grant.limits },
    ...(grant.key === undefined ? {} : { key: grant.key }),
    caveats: token.caveats.length,
  };
}

function tighten(limits: CapabilityLimits, added: CapabilityLimits): void {
  for (const name of ['bytes_max', 'requests_per_second', 'body_bytes_max'] as const) {
    const value = added[name];
    if (value !== undefined) limits[name] = Math.min(limits[name] ?? Infinity, value);
  }
}
