import { type Claims, type Grant, grantAllows, rightsAllow, viewOf } from '@ron/cap';
import type { CapabilityView, Right } from '@ron/proto/capability';
import type { Principal, ScopeMethod } from '@ron/proto/contract';

/** Who calls. `anonymous` callers are answered `unauthenticated` where others get `forbidden`: a capability could help them. */
export interface Caller extends Principal {
  readonly anonymous: boolean;
}

/** A caller whose capability was checked. */
export interface VerifiedPrincipal extends Caller {
  readonly anonymous: false;
  /** What the capability says; for `whoami` and the operator, holds no secret. */
  view(): CapabilityView;
}

export function principalOf(claims: Claims, grant: Grant): VerifiedPrincipal {
  const { id, subject, tenant } = claims.identifier;
  return Object.freeze({
    subject,
    capabilityId: id,
    tenant,
    limits: limitsOf(grant),
    anonymous: false,
    allows: (method: ScopeMethod, resource: string) => grantAllows(grant, method, resource),
    view: () => viewOf(claims, grant),
  });
}

/** A component of this node that acts by itself, with the rights that the profile gives it; it never has a token. */
export function servicePrincipal(name: string, rights: readonly Right[]): Caller {
  return Object.freeze({
    subject: `service:${name}`,
    capabilityId: `service:${name}`,
    tenant: '',
    limits: {},
    anonymous: false,
    allows: (method: ScopeMethod, resource: string) => rightsAllow(rights, method, resource),
  });
}

function limitsOf(grant: Grant): Principal['limits'] {
  const { bytes_max, requests_per_second, body_bytes_max } = grant.limits;
  return Object.freeze({
    ...(bytes_max === undefined ? {} : { bytesMax: bytes_max }),
    ...(requests_per_second === undefined ? {} : { requestsPerSecond: requests_per_second }),
    ...(body_bytes_max === undefined ? {} : { bodyBytesMax: body_bytes_max }),
  });
}
