import type { Right } from '@ron/proto/capability';
import type { ScopeMethod } from '@ron/proto/contract';

/**
 * Whether one of `rights` allows `method` on `resource`.
 *
 * A right's prefix covers the resource that equals it or continues it at a `/`; a prefix that ends in `/` covers what
 * starts with it; the empty one covers everything. `list` is asked for a prefix of names rather than for one thing,
 * and is allowed only when everything that could start with it is covered: a right on `n/docs` lists `n/docs/`, but
 * not `n/docs`, which would show `n/docs-secret` too.
 */
export function rightsAllow(rights: readonly Right[], method: ScopeMethod, resource: string): boolean {
  for (const right of rights) {
    if (covers(right.prefix, resource, method === 'list') && right.methods.includes(method)) return true;
  }
  return false;
}

function covers(prefix: string, resource: string, resourceIsPrefix: boolean): boolean {
  if (!resource.startsWith(prefix)) return false;
  if (prefix === '' || prefix.endsWith('/')) return true;
  if (resource.length === prefix.length) return !resourceIsPrefix;
  return resource[prefix.length] === '/';
}
