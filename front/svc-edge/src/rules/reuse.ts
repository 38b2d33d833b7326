import type { Seconds } from '../fields/directives.ts';
import { operatorDefaults } from './operator-defaults.ts';
import type { ResponsePolicy } from './policy.ts';
import type { RequestDirectives } from './request-directives.ts';

/** What a cache knows when it looks at a stored response. */
export interface Holding {
  readonly policy: ResponsePolicy;
  readonly ageSeconds: number;
  readonly lifetimeSeconds: number;
}

/**
 * `fresh` and `stale` may be sent at once, `behind` too while somebody asks the origin, and `validate` only after the
 * origin has been asked. RFC 9111, 4, 4.2.4 and 5.2.1; RFC 5861, 3.
 */
export type Verdict = 'fresh' | 'stale' | 'behind' | 'validate';

export function judge({ policy, ageSeconds, lifetimeSeconds }: Holding, asked: RequestDirectives): Verdict {
  if (asked.noCache || policy.noCache?.length === 0) return 'validate';
  if (asked.maxAge !== undefined && ageSeconds > asked.maxAge) return 'validate';
  const staleness = ageSeconds - lifetimeSeconds;
  if (staleness < 0 && -staleness >= (asked.minFresh ?? 0)) return 'fresh';
  // A client that wants it fresher than it is gets nothing stale either.
  if (asked.minFresh !== undefined || forbidsStale(policy)) return 'validate';
  if (asked.maxStale !== undefined && staleness <= asked.maxStale) return 'stale';
  if (asked.maxAge === undefined && within(staleness, policy.staleWhileRevalidate)) return 'behind';
  return 'validate';
}

/** Past their lifetime such responses are never sent unvalidated. RFC 9111, 5.2.2.2, 5.2.2.8 and 5.2.2.10. */
export function forbidsStale(policy: ResponsePolicy): boolean {
  const { mustRevalidate, proxyRevalidate, sMaxAge, noCache } = policy;
  return mustRevalidate || proxyRevalidate || sMaxAge !== undefined || noCache?.length === 0;
}

/** Statuses that count as an error of the origin. RFC 5861, 4. */
export function isOriginError(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}

/** Whether a stale response may stand in for an origin that fails. RFC 9111, 4.2.4 and 4.3.3; RFC 5861, 4. */
export function mayStandIn({ policy, ageSeconds, lifetimeSeconds }: Holding, asked: RequestDirectives): boolean {
  if (forbidsStale(policy) || asked.noCache) return false;
  const staleness = ageSeconds - lifetimeSeconds;
  if (asked.minFresh !== undefined || (asked.maxAge !== undefined && ageSeconds > asked.maxAge)) return false;
  return within(staleness, policy.staleIfError ?? operatorDefaults.staleIfErrorSeconds);
}

function within(staleness: number, window: Seconds | undefined): boolean {
  return typeof window === 'number' && staleness <= window;
}
