import { type Fields, textOf } from '../fields/fields.ts';
import { splitList } from '../fields/list.ts';
import { hasExplicitLifetime, isHeuristicallyCacheable, lifetimeSeconds } from './freshness.ts';
import type { ResponsePolicy } from './policy.ts';

export interface Candidate {
  readonly method: string;
  /** Of the request, as this cache names resources. */
  readonly uri: string;
  readonly request: Fields;
  /** The request said `no-store`. */
  readonly requestNoStore: boolean;
  readonly status: number;
  readonly response: Fields;
  readonly policy: ResponsePolicy;
  readonly wallMs: number;
  /** The URI that a Content-Location means, resolved, where there is one. */
  readonly contentLocation: string | undefined;
  /** Lifetime of what says nothing about it. */
  readonly guessedSeconds?: number;
}

/** Why a response is not kept, for Cache-Status; undefined = keep it. RFC 9111, 3. */
export type Refusal =
  | 'method'
  | 'interim'
  | 'status'
  | 'no-store'
  | 'private'
  | 'authorization'
  | 'vary'
  | 'no-lifetime'
  | 'useless';

/** Statuses whose caching rules this cache knows: for `must-understand`. RFC 9111, 5.2.2.3. */
const understood = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 410, 414, 416, 421, 500, 501, 502,
  503, 504,
]);

export function refusalOf(candidate: Candidate): Refusal | undefined {
  const { status, policy, response, request, requestNoStore } = candidate;
  if (status < 200) return 'interim';
  if (!keepsMethod(candidate)) return 'method';
  if (status === 304 || (status === 206 && candidate.method !== 'GET')) return 'status';
  if (policy.mustUnderstand && !understood.has(status)) return 'status';
  if (requestNoStore || (policy.noStore && !policy.mustUnderstand)) return 'no-store';
  if (policy.private?.length === 0) return 'private';
  if (request['authorization'] !== undefined && !allowsAuthorized(policy)) return 'authorization';
  const vary = textOf(response, 'vary');
  // It would never match a request: RFC 9111, 4.1.
  if (vary !== undefined && splitList(vary).includes('*')) return 'vary';
  if (!hasExplicitLifetime(policy, response) && !isHeuristicallyCacheable(status, policy)) return 'no-lifetime';
  return isUseful(candidate) ? undefined : 'useless';
}

/** A response to POST answers later GETs only when it says that it is the resource, and for how long. RFC 9110, 9.3.3. */
function keepsMethod({ method, status, uri, contentLocation, policy, response }: Candidate): boolean {
  if (method === 'GET') return true;
  return method === 'POST' && status === 200 && contentLocation === uri && hasExplicitLifetime(policy, response);
}

/** RFC 9111, 3.5. */
function allowsAuthorized(policy: ResponsePolicy): boolean {
  return policy.public || policy.mustRevalidate || typeof policy.sMaxAge === 'number';
}

/** What is neither fresh for a moment nor can be validated would only take space. */
function isUseful({ status, policy, response, wallMs, guessedSeconds }: Candidate): boolean {
  if (response['etag'] !== undefined || response['last-modified'] !== undefined) return true;
  return lifetimeSeconds(status, policy, response, wallMs, guessedSeconds) > 0;
}
