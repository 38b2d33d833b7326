import type { HttpHeaders, HttpRequest } from '@ron/kernel';
import { errorCode } from '@ron/kernel';
import { corrIdOf } from '@ron/service';
import type { EdgeContext } from '../edge-context.ts';
import type { Refused } from '../metering/cache-meter.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { markHeaders } from './headers.ts';

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly cacheStatus: CacheStatus;
  /** Why, for metrics and the log: one of a few words. */
  readonly reason: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An answer of the cache itself, with the project's error envelope. Never kept by anybody. */
export function refuse(edge: EdgeContext, request: HttpRequest, refusal: Refusal): Refused {
  const { status, code, message, cacheStatus, reason, details, cause } = refusal;
  const retryable = status >= 500 && status !== 508;
  const corr_id = corrIdOf(request.headers['x-corr-id'], edge);
  const envelope = { code, message, retryable, corr_id, ...(details === undefined ? {} : { details }) };
  const headers: HttpHeaders = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-corr-id': corr_id,
  };
  if (status === 503) headers['retry-after'] = '1';
  markHeaders(headers, 'MISS', cacheStatus);
  delete headers['via'];
  const failure = cause === undefined ? undefined : (errorCode(cause) ?? 'failed');
  edge.log?.warn({ corr_id, status, reason, ...(failure === undefined ? {} : { failure }) }, 'request refused');
  return { status, headers, body: new TextEncoder().encode(JSON.stringify(envelope)), refused: reason };
}

/** The origin gave no answer. `mustValidate`: the stored response may not stand in, and RFC 9111, 5.2.2.2 asks for 504. */
export function refuseFailure(
  edge: EdgeContext,
  request: HttpRequest,
  failure: unknown,
  mustValidate: boolean,
): Refused {
  const late = errorCode(failure) === 'ETIMEDOUT';
  const cacheStatus: CacheStatus = {
    forward: mustValidate ? 'stale' : 'uri-miss',
    detail: errorCode(failure) ?? 'failed',
  };
  if (late || mustValidate) {
    return refuse(edge, request, {
      status: 504,
      code: 'deadline_exceeded',
      message: 'the origin did not answer',
      cacheStatus,
      reason: late ? 'origin_timeout' : 'must_validate',
      cause: failure,
    });
  }
  return refuse(edge, request, {
    status: 502,
    code: 'unavailable',
    message: 'the origin could not be reached or gave no valid answer',
    cacheStatus,
    reason: 'origin_failed',
    cause: failure,
  });
}

/** More requests wait than may: this one would only make the others slower. */
export function refuseWaiting(edge: EdgeContext, request: HttpRequest): Refused {
  return refuse(edge, request, {
    status: 503,
    code: 'unavailable',
    message: 'too many requests wait for the origin',
    cacheStatus: { detail: 'waiters' },
    reason: 'waiters',
    details: { gate: 'waiters' },
  });
}
