import type { Contract, Operation, Principal, ScopeMethod } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';

/** What came with a request to say who calls. A principal is only ever set by a binding inside the process. */
export interface Credential {
  readonly token?: string | Uint8Array;
  /** The `ron-proof` that came with it, and what it is a proof for: `GET /o/…` or `<app>/<operation>`. */
  readonly proof?: string;
  readonly request?: string;
  readonly principal?: Principal;
}

export interface AuthenticatedPrincipal extends Principal {
  /** Nobody in particular: a refusal for want of rights is then 401, not 403. */
  readonly anonymous?: boolean;
}

/** The authentication stage. Throws `unauthenticated`, the same for every cause. */
export interface Authenticator {
  authenticate(
    credential: Omit<Credential, 'principal'>,
    remote: string,
  ): AuthenticatedPrincipal | Promise<AuthenticatedPrincipal>;
  /** Why nothing may be changed at the moment: what was revoked may not have been heard of. */
  mutationRefusal?(): string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;
export interface Requirement {
  readonly method: ScopeMethod;
  /** The node's as a whole: not for who belongs to a tenant, whatever its capability says. */
  readonly ofNode: boolean;
  resourceOf(input: Fields): string;
}

/**
 * The scopes of an operation with their `{field}` places found once, at start. Throws for a place that is not closed
 * or names no field of the input: it would silently ask for the wrong right.
 */
export function requirementsOf(
  operation: Operation,
  { administersTenants }: Pick<Contract, 'administersTenants'> = {},
): readonly Requirement[] {
  return operation.scopes.map(({ method, resource }) => {
    const ofNode = resource.startsWith('admin/') && administersTenants !== true;
    const [before = '', ...rest] = resource.split('{');
    if (rest.length === 0) return { method, ofNode, resourceOf: () => resource };
    const places = rest.map((part) => {
      const close = part.indexOf('}');
      const field = part.slice(0, close);
      if (close < 0 || !hasField(operation, field))
        throw new Error(`the scope "${resource}" has a place without a field`);
      return { field, after: part.slice(close + 1) };
    });
    const resourceOf = (input: Fields) => {
      let text = before;
      // Put in verbatim and never looked at again: what a caller writes cannot open a place of its own.
      for (const { field, after } of places) text += `${String(input[field] ?? '')}${after}`;
      return text;
    };
    return { method, ofNode, resourceOf };
  });
}

function hasField({ input }: Operation, field: string): boolean {
  const { properties = {} } = input as { properties?: Readonly<Record<string, unknown>> };
  return Object.hasOwn(properties, field);
}

/**
 * What the capability itself allows; the policy is asked after it. Throws `forbidden`, or `unauthenticated` when a
 * capability could help.
 */
export function authorize(
  requirements: readonly Requirement[],
  principal: AuthenticatedPrincipal,
  input: unknown,
): void {
  for (const { method, ofNode, resourceOf } of requirements) {
    if (ofNode && principal.tenant !== '') {
      throw new RonError('forbidden', 'the capability belongs to a tenant, and this to the node');
    }
    if (principal.allows(method, resourceOf(input as Fields))) continue;
    if (principal.anonymous) throw new RonError('unauthenticated', 'this needs a capability');
    throw new RonError('forbidden', `the capability does not allow "${method}" here`);
  }
}

/**
 * The tenant that a call counts for. Only who is bound to none may name one, and over a wire only with the right
 * `admin` on `admin/tenants/<tenant>`: who was given one folder was not given it in every tenant.
 */
export function tenantOf(principal: AuthenticatedPrincipal, asked: string, fromOutside: boolean): string {
  if (asked === principal.tenant || asked === '') return principal.tenant;
  if (principal.anonymous) throw new RonError('unauthenticated', 'acting for a tenant needs a capability');
  if (principal.tenant !== '') throw new RonError('forbidden', 'the capability belongs to another tenant');
  if (!fromOutside || principal.allows('admin', `admin/tenants/${asked}`)) return asked;
  throw new RonError('forbidden', 'the capability does not allow acting for that tenant');
}
