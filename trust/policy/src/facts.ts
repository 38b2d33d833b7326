import type { PolicyRequest } from '@ron/service';
import type { CedarEntity, CedarScope } from './cedar.ts';

/** Everything that a rule can see of a request: docs/specs/policy.md. */
export interface Facts {
  readonly op: string;
  readonly method: string;
  readonly resource: string;
  readonly subject: string;
  readonly tenant: string;
  readonly capabilityId: string;
  /** `<tenant>/<subject>` */
  readonly principalId: string;
}

export type Asked = Omit<Facts, 'principalId'>;

export function factsOf(asked: Asked): Facts {
  return { ...asked, principalId: `${asked.tenant}/${asked.subject}` };
}

export function askedBy({ op, method, resource, principal, tenant }: PolicyRequest): Asked {
  return { op, method, resource, subject: principal.subject, tenant, capabilityId: principal.capabilityId };
}

export type Role = 'principal' | 'action' | 'resource';

const typeOfRole = { principal: 'Subject', action: 'Action', resource: 'Resource' } as const;

export function roleIs(role: Role, type: string): boolean {
  return typeOfRole[role] === type;
}

export function roleId(role: Role, facts: Facts): string {
  return role === 'principal' ? facts.principalId : role === 'action' ? facts.method : facts.resource;
}

/**
 * Cedar's `in`: the entity itself or something above it. Above a subject is its tenant; above `n/docs/readme` are
 * `n/docs` and `n`; above an action is nothing.
 */
export function isIn(role: Role, facts: Facts, { type, id }: CedarEntity): boolean {
  if (role === 'principal' && type === 'Tenant') return id === facts.tenant;
  if (typeOfRole[role] !== type) return false;
  const own = roleId(role, facts);
  return own === id || (role === 'resource' && isBelow(own, id));
}

export function isBelow(resource: string, above: string): boolean {
  return resource.length > above.length && resource.startsWith(above) && resource[above.length] === '/';
}

/** Whether a rule's head fits the request. Decided here exactly: heads hold no expressions. */
export function scopeFits(role: Role, scope: CedarScope, facts: Facts): boolean {
  switch (scope.op) {
    case 'All':
      return true;
    case '==':
      return roleIs(role, scope.entity?.type ?? '') && scope.entity?.id === roleId(role, facts);
    case 'in':
      return (scope.entities ?? (scope.entity ? [scope.entity] : [])).some((entity) => isIn(role, facts, entity));
    case 'is':
      return roleIs(role, scope.entity_type ?? '') && (scope.in === undefined || isIn(role, facts, scope.in.entity));
  }
}

/** The request as Cedar wants it; only for rules that `condition.ts` leaves to Cedar. */
export function cedarRequest({ op, method, resource, subject, tenant, capabilityId, principalId }: Facts) {
  const principal = { type: 'Subject', id: principalId };
  // Every ancestor is a direct parent: Cedar's closure over a chain would cost the square of its length.
  const parents = ancestry(resource).slice(0, -1);
  const entities = [
    {
      uid: principal,
      attrs: { tenant, subject, capability_id: capabilityId },
      parents: [{ type: 'Tenant', id: tenant }],
    },
    {
      uid: { type: 'Resource', id: resource },
      attrs: { path: resource, kind: kindOf(resource) },
      parents: parents.map((id) => ({ type: 'Resource', id })),
    },
  ];
  return {
    principal,
    action: { type: 'Action', id: method },
    resource: { type: 'Resource', id: resource },
    context: { op },
    entities,
  };
}

/** `n`, `n/docs`, `n/docs/readme`. */
export function ancestry(resource: string): readonly string[] {
  const chain: string[] = [];
  for (let at = resource.indexOf('/'); at >= 0; at = resource.indexOf('/', at + 1)) chain.push(resource.slice(0, at));
  return [...chain, resource];
}

export function kindOf(resource: string): string {
  const slash = resource.indexOf('/');
  return slash < 0 ? resource : resource.slice(0, slash);
}
