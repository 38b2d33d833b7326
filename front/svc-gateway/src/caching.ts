import type { GatewayConfig } from './config.ts';

const yearS = 31_536_000;

/** What caches may do with a resource, and whether everyone may read it. */
export interface Caching {
  readonly cacheControl: string;
  readonly isPublic: boolean;
}

const immutable: Caching = { cacheControl: `private, max-age=${yearS}, immutable`, isPublic: false };
const publicImmutable: Caching = { cacheControl: `public, max-age=${yearS}, immutable`, isPublic: true };

/**
 * For content under its address, which never changes. `private` unless everyone may read it: a shared cache does not
 * know `RON-Cap` as a credential and would hand the answer to those without one.
 */
export function cachingOfAddress(config: Readonly<GatewayConfig>, address: string): Caching {
  if (config.public_prefixes.length === 0) return immutable;
  return isPublic(config.public_prefixes, `o/${address}`) ? publicImmutable : immutable;
}

/** For what a name points at: reused only as long as configured, then revalidated by its entity tag. */
export function cachingOfName(config: Readonly<GatewayConfig>, path: string): Caching {
  const open = isPublic(config.public_prefixes, `n/${path}`);
  const cacheControl = `${open ? 'public' : 'private'}, max-age=${config.name_max_age_s}, must-revalidate`;
  return { cacheControl, isPublic: open };
}

/** Prefixes match as those of capabilities do (`Right` in @ron/proto/capability). */
function isPublic(prefixes: readonly string[], resource: string): boolean {
  for (const prefix of prefixes) {
    if (prefix === '' || resource === prefix) return true;
    if (resource.startsWith(prefix) && (prefix.endsWith('/') || resource[prefix.length] === '/')) return true;
  }
  return false;
}
