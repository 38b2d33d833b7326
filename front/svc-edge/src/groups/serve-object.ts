import type { Env, HttpHeaders, HttpRequest, HttpResponse, Log } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { corrIdOf } from '@ron/service';
import { matchesStrongly, matchesWeakly, parseEtagList } from '../fields/etag.ts';
import { parseRange, resolveRanges } from '../fields/range.ts';
import { formatCacheStatus } from '../rules/cache-status.ts';
import type { AddressPath } from './address-path.ts';
import type { GroupCache, OpenedSpan } from './group-cache.ts';
import { outboardOf } from './object-proof.ts';

/** By RFC 9110: ETag, If-None-Match, If-Range, one range; several are answered with the whole, as 14.2 allows. */
export async function serveObject(
  cache: GroupCache,
  env: Pick<Env, 'clock' | 'random'>,
  path: AddressPath,
  request: HttpRequest,
  log?: Log,
): Promise<HttpResponse> {
  const leaving = new AbortController();
  request.onAbort(() => leaving.abort(new RonError('request_timeout', 'the reader left')));
  const corrId = corrIdOf(request.headers['x-corr-id'], env);
  const known = cache.knows(path.address);
  try {
    const answer = path.isOutboard
      ? await outboardReply(cache, path.address, request, leaving.signal)
      : await objectOf(cache, path.address, request, leaving.signal);
    answer.headers['x-corr-id'] = corrId;
    return marked(answer, known);
  } catch (error) {
    if (!(error instanceof RonError)) log?.error({ corr_id: corrId, err: error }, 'request failed');
    return marked(refusal(error, corrId), known);
  }
}

/** What the cache did, in the words of RFC 9211; `known` is what it knew before the request. */
function marked(answer: HttpResponse, known: { readonly ageMs?: number } | undefined): HttpResponse {
  const { headers, status } = answer;
  // Other refusals are nobody's object: they count as refused.
  if (status < 400 || status === 404 || status === 416) headers['x-cache'] ??= known === undefined ? 'MISS' : 'HIT';
  const hit = headers['x-cache'] === 'HIT';
  if (hit && status < 400 && known?.ageMs !== undefined) headers['age'] ??= Math.floor(known.ageMs / 1_000);
  const { age } = headers;
  const ttl = age === undefined ? {} : { ttl: lifetimeSeconds - Number(age) };
  const miss = { forward: 'uri-miss', stored: answer.body !== undefined && status < 400 } as const;
  headers['cache-status'] = formatCacheStatus(hit ? { hit, ...ttl } : miss, undefined);
  return answer;
}

async function objectOf(
  cache: GroupCache,
  address: string,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const etag = `"${address}"`;
  if (await isNotModified(cache, address, request, etag, signal)) return notModified(etag, request);
  const isHead = request.method === 'HEAD';
  const asked = rangeOf(request, etag);
  if (asked === undefined && !isHead) {
    const opened = await cache.open(address, { start: 0 }, signal);
    return {
      status: 200,
      headers: ofObject(etag, address, opened.sizeBytes, opened.sizeBytes, opened),
      body: opened.body,
    };
  }
  const { sizeBytes } = await cache.proof(address, signal);
  // RFC 9110, 14.2: ranges are defined for GET alone.
  if (asked === undefined || isHead) return { status: 200, headers: ofObject(etag, address, sizeBytes, sizeBytes) };
  const [range] = resolveRanges(asked, sizeBytes);
  if (range === undefined) throw unsatisfiable(sizeBytes);
  const { first, last } = range;
  const length = last - first + 1;
  const opened = await cache.open(address, { start: first, length }, signal);
  const headers = ofObject(etag, address, sizeBytes, length, opened);
  headers['content-range'] = `bytes ${first}-${last}/${sizeBytes}`;
  return { status: 206, headers, body: opened.body };
}

/** A representation of its own, with another tag and the same rules. */
async function outboardReply(
  cache: GroupCache,
  address: string,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const etag = `"${address}.outboard"`;
  if (await isNotModified(cache, address, request, etag, signal)) return notModified(etag, request);
  const proof = await cache.proof(address, signal);
  const { sizeBytes } = proof;
  const bytes = outboardOf(proof);
  const asked = rangeOf(request, etag);
  const headers = ofObject(etag, address, sizeBytes, bytes.byteLength);
  if (request.method === 'HEAD') return { status: 200, headers };
  if (asked === undefined) return { status: 200, headers, body: bytes };
  const [range] = resolveRanges(asked, bytes.byteLength);
  if (range === undefined) throw unsatisfiable(bytes.byteLength);
  headers['content-length'] = range.last - range.first + 1;
  headers['content-range'] = `bytes ${range.first}-${range.last}/${bytes.byteLength}`;
  return { status: 206, headers, body: bytes.subarray(range.first, range.last + 1) };
}

async function isNotModified(
  cache: GroupCache,
  address: string,
  { headers }: HttpRequest,
  etag: string,
  signal: AbortSignal,
): Promise<boolean> {
  const value = headers['if-none-match'];
  if (value === undefined) return false;
  if (value.trim() !== '*') return parseEtagList(value).some((tag) => matchesWeakly(tag, etag));
  // RFC 9110, 13.1.2: only of what exists. What is not there is refused here.
  await cache.proof(address, signal);
  return true;
}

/** By the tag alone: an address means the same bytes for ever, and nobody was asked. */
function notModified(etag: string, { headers: { 'if-none-match': tags } }: HttpRequest): HttpResponse {
  return { status: 304, headers: { ...immutable(etag), ...(tags?.trim() === '*' ? {} : { 'x-cache': 'HIT' }) } };
}

function rangeOf({ method, headers }: HttpRequest, etag: string): ReturnType<typeof parseRange> {
  const ifRange = headers['if-range'];
  if (method !== 'GET' || (ifRange !== undefined && !matchesStrongly(ifRange, etag))) return undefined;
  const asked = parseRange(headers['range']);
  return asked?.length === 1 ? asked : undefined;
}

const lifetimeSeconds = 31_536_000;

function immutable(etag: string): HttpHeaders {
  return { etag, 'cache-control': `public, max-age=${lifetimeSeconds}, immutable`, vary: 'accept' };
}

function ofObject(
  etag: string,
  address: string,
  sizeBytes: number,
  length: number,
  opened?: Pick<OpenedSpan, 'hit' | 'ageMs'>,
): HttpHeaders {
  const headers: HttpHeaders = {
    ...immutable(etag),
    'content-type': 'application/octet-stream',
    'content-length': length,
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'ron-address': address,
    'ron-size': sizeBytes,
  };
  if (opened === undefined) return headers;
  headers['x-cache'] = opened.hit ? 'HIT' : 'MISS';
  headers['age'] = Math.floor(opened.ageMs / 1_000);
  return headers;
}

function unsatisfiable(size: number): RonError {
  return new RonError('range_not_satisfiable', 'no byte lies in the range', { details: { size } });
}

/** With the project's envelope; kept by nobody. */
export function refusal(thrown: unknown, corrId: string): HttpResponse {
  const error =
    thrown instanceof RonError
      ? thrown
      : new RonError('internal', 'the edge failed on this request', { cause: thrown });
  const headers: HttpHeaders = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-corr-id': corrId,
  };
  const { retryAfterMs, details } = error;
  if (retryAfterMs !== undefined) headers['retry-after'] = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer';
  if (error.code === 'range_not_satisfiable') headers['content-range'] = `bytes */${details?.['size']}`;
  const body = new TextEncoder().encode(JSON.stringify(error.toEnvelope(corrId)));
  return { status: error.httpStatus, headers, body };
}
