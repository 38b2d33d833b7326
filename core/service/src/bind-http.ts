import type { Env, HttpHandler, HttpRefusal, HttpRequest, HttpResponse, Log } from '@ron/kernel';
import { type ErrorCode, RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { Credential } from './access.ts';
import type { Context } from './context.ts';
import { corrIdOf } from './corr-id.ts';
import type { Dispatcher, Outgoing } from './dispatcher.ts';
import type { AccessLog, Seen } from './http/access-log.ts';
import {
  addJsonBody,
  bodyBytesOf,
  credentialOf,
  idempotencyKeyOf,
  refuseCodedBody,
  refuseUnexpectedBody,
  traceparentOf,
  wantsReceipt,
} from './http/request.ts';
import { addQuota, errorResponse, replyOf } from './http/response.ts';
import { type BoundRoute, createRouteTable, type Match, type RouteTable } from './http/router.ts';
import { isOpsTarget, type OpsEndpoints, opsMethods } from './ops.ts';

export interface HttpBindingOptions {
  readonly env: Env;
  readonly dispatchers: readonly Dispatcher[];
  readonly ops: OpsEndpoints;
  /** Origins whose pages may call this node, exactly as browsers send them, or `*`. Default none. */
  readonly corsOrigins?: () => readonly string[];
  /** Bytes of a JSON body, 1 MiB at most and by default. */
  readonly controlBytesMax?: () => number;
  /** Told of each refusal that comes before a service's pipeline, which counts and logs its own. */
  readonly onRefusal?: OnRefusal;
  /** Gets what broke outside a service's pipeline; the caller is only told `internal`. */
  readonly log?: Log;
  /** The address that a request counts for; its connection's by default. See `clientAddressOf`. */
  readonly clientAddress?: (request: HttpRequest) => string;
  readonly accessLog?: AccessLog;
}

type Headers = Record<string, string | number>;

/** `reason` is one of a bounded set, fit for a metric label. */
export type OnRefusal = (reason: string, corrId: string) => void;

/** Contracts over HTTP: one handler for every route of the given services, and the operations endpoints. */
export function bindHttp(options: HttpBindingOptions): HttpHandler {
  const table = createRouteTable(options.dispatchers);
  const { accessLog } = options;
  return (request) => {
    const seen = seenOf(options, request);
    if (accessLog === undefined || accessLog.mode() === 'off') return answer(options, table, request, seen);
    const startMs = options.env.clock.monotonicMs();
    return answer(options, table, request, seen).then((response) => accessLog.follow(request, seen, response, startMs));
  };
}

function seenOf({ clientAddress, env }: HttpBindingOptions, request: HttpRequest): Seen {
  return {
    corrId: corrIdOf(request.headers['x-corr-id'], env),
    route: '-',
    remote: clientAddress === undefined ? request.remote : clientAddress(request),
    bytesIn: 0,
    capabilityId: undefined,
    shedBy: undefined,
    endless: false,
  };
}

function answer(
  options: HttpBindingOptions,
  table: RouteTable,
  request: HttpRequest,
  seen: Seen,
): Promise<HttpResponse> {
  const opsReply = options.ops(request);
  return opsReply === undefined ? serve(options, table, request, seen) : operations(options, opsReply, request, seen);
}

async function operations(
  options: HttpBindingOptions,
  reply: HttpResponse | Promise<HttpResponse>,
  request: HttpRequest,
  seen: Seen,
): Promise<HttpResponse> {
  // Bounded: these are the paths of the operations endpoints.
  seen.route = request.target.split('?', 1)[0]!;
  const headers: Headers = { 'x-corr-id': seen.corrId };
  addCors(options, request, headers);
  try {
    const { status, headers: own, body } = await reply;
    return { status, headers: Object.assign(headers, own), ...(body === undefined ? {} : { body }) };
  } catch (thrown) {
    return failed(options, thrown, seen, headers);
  }
}

async function serve(
  options: HttpBindingOptions,
  table: RouteTable,
  request: HttpRequest,
  seen: Seen,
): Promise<HttpResponse> {
  const { corrId } = seen;
  const headers: Headers = { 'x-corr-id': corrId };
  addCors(options, request, headers);
  try {
    const match = table.find(request.method, request.target);
    if (match === undefined) return unrouted(options, table, request, corrId, headers);
    seen.route = match.bound.route.path;
    seen.endless = match.bound.operation.waits === true;
    return await call(options, request, match, seen, headers);
  } catch (thrown) {
    return failed(options, thrown, seen, headers);
  }
}

/** What a pipeline did not record is a defect of ours: the log gets it. */
function failed({ log, onRefusal }: HttpBindingOptions, thrown: unknown, seen: Seen, headers: Headers): HttpResponse {
  const { corrId } = seen;
  if (thrown instanceof RonError) {
    const gate = thrown.code === 'unavailable' ? thrown.details?.['gate'] : undefined;
    if (typeof gate === 'string') seen.shedBy = gate;
    // RFC 9110, 15.5.16.
    const codings = thrown.code === 'unsupported_media_type' ? thrown.details?.['codings'] : undefined;
    if (typeof codings === 'string') headers['accept-encoding'] = codings;
    return errorResponse(thrown, corrId, headers);
  }
  onRefusal?.('internal', corrId);
  log?.error({ corr_id: corrId, err: thrown }, 'an HTTP request failed outside its pipeline');
  return errorResponse(new RonError('internal', 'the node failed on this request'), corrId, headers);
}

async function call(
  options: HttpBindingOptions,
  request: HttpRequest,
  { bound, params }: Match,
  seen: Seen,
  headers: Headers,
): Promise<HttpResponse> {
  const { onRefusal } = options;
  const { corrId } = seen;
  // Before anything is parsed or read of it: what is refused anyway need not cost that much.
  const pressureAsked = bound.dispatcher.askPressure !== undefined;
  if (pressureAsked) bound.dispatcher.askPressure!(bound.operationName, request.waitedMs);
  let parsed: Parsed | Promise<Parsed>;
  try {
    parsed = parse(options, request, bound, params, seen);
    if (parsed instanceof Promise) parsed = await parsed;
  } catch (thrown) {
    // What is no refusal is the client's own doing: it left, or its connection failed, in the middle of its body.
    const error = thrown instanceof RonError ? thrown : new RonError('request_timeout', 'the body did not arrive');
    onRefusal?.(error.code, corrId);
    throw error;
  }
  const { input, bodyBytes, credential, idempotencyKey, receipt } = parsed;
  let context: Context | undefined;
  let outgoing: Outgoing | undefined;
  let left = false;
  request.onAbort(() => {
    left = true;
    context?.abort(gone());
    outgoing?.release();
  });
  const dispatched = bound.dispatcher.dispatch(
    {
      operation: bound.operationName,
      input,
      body: bodyBytes === undefined && options.accessLog !== undefined ? counted(request.body, seen) : request.body,
      bodyBytes,
      credential,
      corrId,
      traceparent: traceparentOf(request),
      idempotencyKey,
      receipt,
      remote: seen.remote,
      pressureAsked,
    },
    (started) => {
      context = started;
      if (left) started.abort(gone());
      seen.capabilityId = started.principal.capabilityId;
    },
  );
  try {
    outgoing = await dispatched;
  } catch (error) {
    // What was admitted was charged, whatever became of it.
    addQuota(headers, context?.quota);
    throw error;
  }
  if (left) outgoing.release();
  try {
    // A copy: should this fail, nothing of the answer stands in the refusal.
    return replyOf(bound.route, outgoing, { ...headers });
  } catch (error) {
    outgoing.release();
    throw error;
  }
}

function gone(): RonError {
  return new RonError('request_timeout', 'the client left');
}

/** Chunked bodies have no length to log. */
async function* counted(body: ByteStream, seen: Seen): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    seen.bytesIn += piece.byteLength;
    yield piece;
  }
}

interface Parsed {
  readonly input: Record<string, unknown>;
  readonly bodyBytes: number | undefined;
  readonly credential: Credential;
  readonly idempotencyKey: string | undefined;
  readonly receipt: boolean;
}

/** What the wire itself can get wrong. A promise only where there is a body to wait for: most requests have none. */
function parse(
  { env, controlBytesMax }: HttpBindingOptions,
  request: HttpRequest,
  bound: BoundRoute,
  params: Match['params'],
  seen: Seen,
): Parsed | Promise<Parsed> {
  const question = request.target.indexOf('?');
  const input = bound.fields(request, params, question < 0 ? '' : request.target.slice(question + 1));
  const bodyBytes = bodyBytesOf(request);
  refuseUnexpectedBody(bound, bodyBytes);
  refuseCodedBody(bound, request, bodyBytes);
  seen.bytesIn = bodyBytes ?? 0;
  const parsed = {
    input,
    bodyBytes,
    credential: credentialOf(request),
    idempotencyKey: idempotencyKeyOf(request),
    receipt: wantsReceipt(request),
  };
  if (!bound.route.json) return parsed;
  const { clock, work } = env;
  return addJsonBody(request, input, { clock, work, bytesMax: controlBytesMax?.() }).then((bytes) => {
    seen.bytesIn = bytes;
    return parsed;
  });
}

function unrouted(
  { onRefusal }: HttpBindingOptions,
  table: RouteTable,
  request: HttpRequest,
  corrId: string,
  headers: Headers,
): HttpResponse {
  const allowed = isOpsTarget(request.target) ? opsMethods : table.methodsOf(request.target);
  if (allowed.length > 0) headers['allow'] = [...new Set([...allowed, 'OPTIONS'])].join(', ');
  if (allowed.length > 0 && request.method === 'OPTIONS') return { status: 204, headers };
  onRefusal?.('no_route', corrId);
  if (allowed.length === 0) {
    // A word for programs: an object or a name that is missing is another matter.
    const details = { reason: 'no_such_route' };
    return errorResponse(new RonError('not_found', 'there is no such route', { details }), corrId, headers);
  }
  const refusal = errorResponse(new RonError('bad_request', 'this route does not take that method'), corrId, headers);
  return { ...refusal, status: 405 };
}

const corsExposed =
  'etag, location, content-range, retry-after, ratelimit, ratelimit-policy, x-corr-id, ron-address, ron-size, ron-name, ron-name-version, ron-missing, ron-durability, ron-audit-receipt, ron-upload-id, age, x-cache, upload-offset, upload-length, upload-expires, tus-resumable, tus-version, tus-extension, tus-max-size, accept-ranges';

/**
 * Capabilities travel in headers, never by themselves as cookies do, so an allowed origin gains no ambient authority.
 * What a cache may keep is the same for every caller of one URL, or says `vary`, whether or not this caller has an origin.
 */
function addCors(options: HttpBindingOptions, request: HttpRequest, headers: Headers): void {
  const allowed = options.corsOrigins?.() ?? [];
  if (allowed.length === 0) return;
  const origin = request.headers['origin'];
  const all = allowed.includes('*');
  if (!all) headers['vary'] = 'origin';
  if (!all && (origin === undefined || !allowed.includes(origin))) return;
  headers['access-control-allow-origin'] = all ? '*' : (origin as string);
  headers['access-control-expose-headers'] = corsExposed;
  if (request.method !== 'OPTIONS') return;
  headers['access-control-allow-methods'] = 'GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS';
  const asked = request.headers['access-control-request-headers'];
  if (asked !== undefined) headers['access-control-allow-headers'] = asked.slice(0, 1_024);
  headers['access-control-max-age'] = 600;
}

interface RefusalWords {
  readonly code: ErrorCode;
  readonly message: string;
  readonly gate?: string;
}

const refusals: Readonly<Record<HttpRefusal, RefusalWords>> = {
  malformed: { code: 'bad_request', message: 'this is not a well-formed HTTP request' },
  headers_too_large: { code: 'headers_too_large', message: 'the header block is too large' },
  header_timeout: { code: 'request_timeout', message: 'the header block came too slowly' },
  body_timeout: { code: 'request_timeout', message: 'the body came too slowly' },
  two_hosts: { code: 'bad_request', message: 'exactly one Host header is allowed' },
  over_capacity: { code: 'unavailable', message: 'too many connections', gate: 'connections' },
};

/** A place is free when somebody's idle connection ends: `httpKeepAliveMs` at the latest, mostly much sooner. */
const refusedConnectionMs = 1_000;

/** The envelope for what the HTTP parser itself refuses; `onRefusal` is told of it. */
export function httpRefusal(env: Env, onRefusal: OnRefusal): (reason: HttpRefusal) => HttpResponse {
  return (reason) => {
    const corrId = corrIdOf(undefined, env);
    onRefusal(reason, corrId);
    const { code, message, gate } = refusals[reason];
    const details = gate === undefined ? {} : { retryAfterMs: refusedConnectionMs, details: { gate } };
    return errorResponse(new RonError(code, message, details), corrId, {});
  };
}
