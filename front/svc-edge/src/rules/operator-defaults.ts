import type { Fields } from '../fields/fields.ts';
import type { ResponsePolicy } from './policy.ts';

/** What the operator of the cache says where the origin says nothing. In seconds; 0 = nothing is assumed. */
export interface OperatorDefaults {
  /** Lifetime of responses with neither a lifetime nor a Last-Modified: RFC 9111, 4.2.2 leaves the heuristic open. */
  readonly ttlSeconds: number;
  /** The same for 404, 405, 410, 414 and 501. */
  readonly negativeTtlSeconds: number;
  /** RFC 5861, 3. */
  readonly staleWhileRevalidateSeconds: number;
  /** RFC 5861, 4; also for an origin that cannot be reached. RFC 9111, 4.2.4 sets no limit. */
  readonly staleIfErrorSeconds: number;
}

export const operatorDefaults: OperatorDefaults = {
  ttlSeconds: 0,
  negativeTtlSeconds: 0,
  staleWhileRevalidateSeconds: 0,
  staleIfErrorSeconds: 24 * 3600,
};

/** The lifetime that may be assumed. Never for what may be one person's: with cookies on either side there is no guessing. */
export function guessedSeconds(defaults: OperatorDefaults, status: number, request: Fields, response: Fields): number {
  const seconds = status >= 400 ? defaults.negativeTtlSeconds : defaults.ttlSeconds;
  if (seconds === 0) return 0;
  const personal = request['cookie'] ?? request['authorization'] ?? response['set-cookie'];
  return personal === undefined ? seconds : 0;
}

/** Of a policy that many responses have there is one object, not one for each. */
const merged = new WeakMap<ResponsePolicy, { readonly defaults: OperatorDefaults; readonly policy: ResponsePolicy }>();

/** What the origin says about stale responses, else what the operator says. */
export function withDefaults(said: ResponsePolicy, defaults: OperatorDefaults): ResponsePolicy {
  const earlier = merged.get(said);
  if (earlier?.defaults === defaults) return earlier.policy;
  const { staleWhileRevalidateSeconds, staleIfErrorSeconds } = defaults;
  const policy = {
    ...said,
    staleWhileRevalidate: said.staleWhileRevalidate ?? (staleWhileRevalidateSeconds || undefined),
    staleIfError: said.staleIfError ?? staleIfErrorSeconds,
  };
  merged.set(said, { defaults, policy });
  return policy;
}
