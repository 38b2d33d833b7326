import { type ErrorCode, errorFromEnvelope, errorTable, RonError } from '@ron/proto/errors';
import { webPlatform } from './platform.ts';
import { type ClientRoute, routes } from './routes.ts';
import type { Access, TransportReply, TransportRequest } from './transport.ts';

/** An operation as an HTTP request, whatever sends it. */
export interface HttpCall {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly json: string | undefined;
}

/** Header of an answer whose call asked for a receipt. */
const receiptHeader = 'ron-audit-receipt';

export function routeOf({ service, operation }: Pick<TransportRequest, 'service' | 'operation'>): ClientRoute {
  const route = (service?.routes ?? routes)[operation];
  if (route === undefined) throw new Error(`there is no operation ${operation}`);
  return route;
}

/** The call with the headers that say who makes it. */
export async function signedHttpCall(request: TransportRequest, access: Access): Promise<HttpCall> {
  const capability = request.anonymous ? undefined : access.capability();
  const call = encodeHttpCall(request, capability);
  if (capability === undefined || access.proof === undefined) return call;
  const proof = await access.proof(capability, `${call.method} ${call.target}`);
  return { ...call, headers: { ...call.headers, 'ron-proof': proof } };
}

export function encodeHttpCall(request: TransportRequest, capability: string | undefined): HttpCall {
  const route = routeOf(request);
  const { head, ...rest }: Record<string, unknown> = request.input;
  const path = route.path.replace(/([:*])([a-z_]+)/g, (_match, kind: string, field: string) => {
    const value = String(rest[field]);
    delete rest[field];
    return kind === ':' ? encodeSegment(value) : value.split('/').map(encodeSegment).join('/');
  });
  const headers: Record<string, string> = { 'x-corr-id': request.corrId };
  if (capability !== undefined) headers['authorization'] = `Bearer ${capability}`;
  if (request.idempotencyKey !== undefined) headers['idempotency-key'] = request.idempotencyKey;
  if (request.receipt) headers['ron-receipt'] = '1';
  for (const [field, header] of Object.entries(route.headers ?? {})) {
    if (rest[field] !== undefined) headers[header] = String(rest[field]);
    delete rest[field];
  }
  const query = new URLSearchParams();
  for (const field of route.query ?? []) {
    if (rest[field] !== undefined) query.set(field, String(rest[field]));
    delete rest[field];
  }
  const json = route.json ? JSON.stringify(rest) : undefined;
  if (json !== undefined) headers['content-type'] = 'application/json';
  const suffix = query.size > 0 ? `?${query}` : '';
  return { method: head === true ? 'HEAD' : route.method, target: path + suffix, headers, json };
}

export interface HttpReply {
  readonly status: number;
  header(name: string): string | undefined;
  /** The whole body; for JSON and errors. */
  text(): Promise<string>;
  readonly body: TransportReply['body'];
}

export async function decodeHttpReply(
  request: Pick<TransportRequest, 'service' | 'operation'>,
  reply: HttpReply,
): Promise<TransportReply> {
  if (reply.status >= 400) throw await refusalOf(reply);
  const route = routeOf(request);
  // Only reads have more than one kind of success; the other outputs are the same without their status.
  const output: Record<string, unknown> = route.reply === 'stream' ? { status: reply.status } : {};
  for (const [header, field] of Object.entries(route.replyHeaders ?? {})) {
    const value = reply.header(header);
    if (value !== undefined) output[field] = numeric.has(field) ? Number(value) : value;
  }
  if (route.reply === 'json') Object.assign(output, parseObject(await reply.text()));
  // Even nothing must be read to its end, or the connection is not free for the next call.
  if (route.reply === 'empty') await reply.text();
  const receipt = reply.header(receiptHeader);
  const body = route.reply === 'stream' ? reply.body : undefined;
  return { output, body, ...(receipt === undefined ? {} : { receipt }) };
}

const numeric = new Set(['size', 'content_length', 'name_version', 'offset']);

async function refusalOf(reply: HttpReply): Promise<RonError> {
  let envelope: unknown;
  try {
    envelope = JSON.parse((await reply.text()) || '{}');
  } catch {
    envelope = undefined;
  }
  const asked = retryAfterOf(reply.header('retry-after'), reply.header('date'));
  const corrId = reply.header('x-corr-id');
  const known = typeof envelope === 'object' && envelope !== null && 'code' in envelope;
  const error = known
    ? errorFromEnvelope(envelope)
    : new RonError(codeOfStatus(reply.status), `the node answered ${reply.status}`, { details: { corr_id: corrId } });
  const retryAfterMs = longerOf(error.retryAfterMs, asked);
  if (retryAfterMs === undefined || retryAfterMs === error.retryAfterMs) return error;
  return new RonError(error.code, error.message, {
    retryAfterMs,
    ...(error.details ? { details: error.details } : {}),
  });
}

/** The envelope has milliseconds and the header the same in whole seconds; whoever stands between may ask for more. */
function longerOf(exactMs: number | undefined, askedMs: number | undefined): number | undefined {
  if (exactMs === undefined || askedMs === undefined) return exactMs ?? askedMs;
  return askedMs - exactMs < 1_000 ? exactMs : askedMs;
}

/** `Retry-After`: seconds, or a date (RFC 9110, 10.2.3), which is compared with the server's own clock where it tells it. */
function retryAfterOf(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]+$/.test(value)) return Number(value) * 1_000;
  const until = parseHttpDate(value);
  if (until === undefined) return undefined;
  return Math.max(0, until - (parseHttpDate(date ?? '') ?? webPlatform.wallMs()));
}

/** Milliseconds of an HTTP-date in one of its three forms (RFC 9110, 5.6.7); `Date` alone takes far more for a date. */
function parseHttpDate(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  // The form of asctime has no zone, and is UTC.
  const ms = Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** What the status says when no node said more: a gateway on the way that got no good answer knows nothing of bytes. */
function codeOfStatus(status: number): ErrorCode {
  if (status === 502) return 'unavailable';
  for (const [code, entry] of Object.entries(errorTable)) if (entry.http === status) return code as ErrorCode;
  return status >= 500 ? 'unavailable' : 'bad_request';
}

function parseObject(text: string): object {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new RonError('internal', 'the node sent an unreadable answer');
  return value;
}

/** `:` may stand in a path segment as it is (RFC 3986, pchar), and addresses read better with it. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll('%3A', ':');
}
