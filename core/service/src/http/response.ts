import type { HttpResponse } from '@ron/kernel';
import type { HttpRoute } from '@ron/proto/contract';
import type { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import type { QuotaReport } from '../define.ts';
import type { Outgoing } from '../dispatcher.ts';
import { pressureSignals } from '../pressure.ts';

type Headers = Record<string, string | number>;

const text = new TextEncoder();

export function jsonResponse(status: number, value: unknown, headers: Headers): HttpResponse {
  headers['content-type'] ??= 'application/json';
  headers['x-content-type-options'] = 'nosniff';
  return { status, headers, body: text.encode(JSON.stringify(value)) };
}

/** A success as the route describes it: status, headers from output fields, and JSON, bytes or nothing. */
export function replyOf(route: HttpRoute, outgoing: Outgoing, headers: Headers): HttpResponse {
  const output = outgoing.output as Record<string, unknown>;
  const status =
    (route.statusField === undefined ? undefined : (output[route.statusField] as number)) ?? route.status ?? 200;
  const map = route.replyHeaders;
  if (map !== undefined) {
    for (const field in map) {
      const value = output[field];
      if (value !== undefined) setHeader(headers, map[field]!, typeof value === 'number' ? value : String(value));
    }
  }
  addQuota(headers, outgoing.quota);
  if (outgoing.receipt !== undefined) headers['ron-audit-receipt'] = outgoing.receipt;
  if (route.reply === 'json') {
    outgoing.release();
    headers['cache-control'] ??= 'no-store';
    return jsonResponse(status, withoutField(output, route.statusField), headers);
  }
  headers['x-content-type-options'] = 'nosniff';
  if (route.reply === 'empty' || status === 304 || status === 204) {
    outgoing.release();
    if (status === 204 || status === 304) delete headers['content-length'];
    return { status, headers };
  }
  const body = outgoing.body;
  if (body === undefined) return { status, headers };
  if (!(body instanceof ResidentBody)) return { status, headers, body };
  const declared = headers['content-length'];
  // The adapter counts streams; here a wrong length would make one answer run into the next.
  if (route.method !== 'HEAD' && declared !== undefined && Number(declared) !== body.bytes.byteLength)
    throw new Error(`a body of ${body.bytes.byteLength} bytes was declared as ${declared}`);
  return { status, headers, body: body.bytes };
}

/** `vary` names everything that an answer depends on: what the binding and the operation each add must both stay. */
function setHeader(headers: Headers, name: string, value: string | number): void {
  const present = headers[name];
  headers[name] = name === 'vary' && present !== undefined ? `${present}, ${value}` : value;
}

/** The envelope, with the headers that its code calls for. */
export function errorResponse(error: RonError, corrId: string, headers: Headers): HttpResponse {
  headers['x-corr-id'] = corrId;
  headers['cache-control'] = 'no-store';
  const retryAfterMs = error.retryAfterMs ?? (error.code === 'unavailable' ? unavailableMs : undefined);
  if (retryAfterMs !== undefined) headers['retry-after'] = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer';
  const size = error.details?.['size'];
  if (error.code === 'range_not_satisfiable' && typeof size === 'number') headers['content-range'] = `bytes */${size}`;
  if (error.code === 'quota_exhausted') addExhausted(headers, error);
  const reply = jsonResponse(error.httpStatus, error.toEnvelope(corrId), headers);
  const gate = error.code === 'unavailable' ? error.details?.['gate'] : undefined;
  if (gate === 'draining') return { ...reply, closes: true };
  if (error.retryAfterMs === undefined || !rests(error)) return reply;
  return { ...reply, restMs: Math.min(restMsMax, error.retryAfterMs) };
}

/** What is told to wait where nobody knows for how long: a 503 without a wait is asked again at once. */
const unavailableMs = 1_000;

/** A client that does not wait as it is told makes refusing cost as much as serving: its connection waits for it. */
const restMsMax = 500;

/** Not for who stood in line too long, in which who comes again waits anyway. */
function rests({ code, details }: RonError): boolean {
  return code === 'quota_exhausted' || (pressureSignals as readonly unknown[]).includes(details?.['gate']);
}

/** RateLimit header fields of draft-ietf-httpapi-ratelimit-headers: seconds are rounded up, what remains down. */
export function addQuota(headers: Headers, quota: QuotaReport | undefined): void {
  if (quota === undefined) return;
  const { quota: name = 'default', policy, remaining, windowMs } = quota;
  headers['ratelimit'] = `"${name}";r=${Math.max(0, Math.floor(remaining))};t=${Math.ceil(windowMs / 1_000)}`;
  if (policy !== undefined) headers['ratelimit-policy'] = policy;
}

/** Nothing of it remains until the wait is over. */
function addExhausted(headers: Headers, { details, retryAfterMs = 0 }: RonError): void {
  const name = details?.['quota'];
  if (typeof name !== 'string') return;
  headers['ratelimit'] = `"${name}";r=0;t=${Math.ceil(retryAfterMs / 1_000)}`;
  const policy = details?.['policy'];
  if (typeof policy === 'string') headers['ratelimit-policy'] = policy;
}

function withoutField(output: Record<string, unknown>, field: string | undefined): Record<string, unknown> {
  if (field === undefined) return output;
  const { [field]: _dropped, ...rest } = output;
  return rest;
}
