import type { Env, HttpHandler, HttpRefusal, HttpRequest, HttpResponse, Log } from '@ron/kernel';
import { type ErrorCode, RonError } from '@ron/proto/errors';
import type { Credential } from './access.ts';
import type { Context } from './context.ts';
import { corrIdOf } from './corr-id.ts';
import type { Dispatcher, Outgoing } from './dispatch.ts';
import {
  addJsonBody,
  bodyBytesOf,
  credentialOf,
  idempotencyKeyOf,
  refuseUnexpectedBody,
  traceparentOf,
} from './http/request.ts';
import { errorResponse, replyOf } from './http/response.ts';
import { type BoundRoute, createRouteTable, type Match, type RouteTable } from './http/router.ts';
import { isOpsTarget, type OpsEndpoints, opsMethods } from './ops.ts';

export interface HttpBindingOptions {
  readonly env: Env;
  readonly dispatchers: readonly Dispatcher[];
  readonly ops: OpsEndpoints;
  /** Origins whose pages may call this node, exactly as browsers send them, or `*`. Default none. */
  readonly corsOrigins?: () => readonly string[];
  /** Told of each refusal that comes before a service's pipeline, which counts and logs its own. */
  readonly onRefusal?: OnRefusal;
  /** Gets what broke outside a service's pipeline; the caller is only told `internal`. */
  readonly log?: Log;
}

type Headers = Record<string, string | number>;

/** `reason` is one of a bounded set, fit for a metric label. */
export type OnRefusal = (reason: string, corrId: string) => void;

/** Contracts over HTTP: one handler for every route of the given services, and the operations endpoints. */
export function bindHttp(options: HttpBindingOptions): HttpHandler {
  const table = createRouteTable(options.dispatchers);
  return (request) => {
    const opsReply = options.ops(request);
    return opsReply === undefined ? serve(options, table, request) : operations(options, opsReply, request);
  };
}

async function operations(
  options: HttpBindingOptions,
  reply: HttpResponse | Promise<HttpResponse>,
  request: HttpRequest,
): Promise<HttpResponse> {
  const corrId = corrIdOf(request.headers['x-corr-id'], options.env);
  const headers: Headers = { 'x-corr-id': corrId };
  addCors(options, request, headers);
  try {
    const { status, headers: own, body } = await reply;
    return { status, headers: Object.assign(headers, own), ...(body === undefined ? {} : { body }) };
  } catch (thrown) {
    return failed(options, thrown, corrId, headers);
  }
}

async function serve(options: HttpBindingOptions, table: RouteTable, request: HttpRequest): Promise<HttpResponse> {
  const corrId = corrIdOf(request.headers['x-corr-id'], options.env);
  const headers: Headers = { 'x-corr-id': corrId };
  addCors(options, request, headers);
  try {
    const match = table.find(request.method, request.target);
    if (match === undefined) return unrouted(options, table, request, corrId, headers);
    return await call(options, request, match, corrId, headers);
  } catch (thrown) {
    return failed(options, thrown, corrId, headers);
  }
}

/** What a pipeline did not record is a defect of ours: the log gets it. */
function failed(
  { log, onRefusal }: HttpBindingOptions,
  thrown: unknown,
  corrId: string,
  headers: Headers,
): HttpResponse {
  if (thrown instanceof RonError) return errorResponse(thrown, corrId, headers);
  onRefusal?.('internal', corrId);
  log?.error({ corr_id: corrId, err: thrown }, 'an HTTP request failed outside its pipeline');
  return errorResponse(new RonError('internal', 'the node failed on this request'), corrId, headers);
}

async function call(
  { env, onRefusal }: HttpBindingOptions,
  request: HttpRequest,
  { bound, params }: Match,
  corrId: string,
  headers: Headers,
): Promise<HttpResponse> {
  let parsed: Parsed | Promise<Parsed>;
  try {
    parsed = parse(env, request, bound, params);
    if (parsed instanceof Promise) parsed = await parsed;
  } catch (thrown) {
    // What is no refusal is the client's own doing: it left, or its connection failed, in the middle of its body.
    const error = thrown instanceof RonError ? thrown : new RonError('request_timeout', 'the body did not arrive');
    onRefusal?.(error.code, corrId);
    throw error;
  }
  const { input, bodyBytes, credential, idempotencyKey } = parsed;
  let context: Context | undefined;
  let outgoing: Outgoing | undefined;
  let left = false;
  request.onAbort(() => {
    left = true;
    context?.abort(new RonError('request_timeout', 'the client left'));
    outgoing?.release();
  });
  outgoing = await bound.dispatcher.dispatch(
    {
      operation: bound.operationName,
      input,
      body: request.body,
      bodyBytes,
      credential,
      corrId,
      traceparent: traceparentOf(request),
      idempotencyKey,
      remote: request.remote,
    },
    (started) => {
      context = started;
    },
  );
  if (left) outgoing.release();
  try {
    // A copy: should this fail, nothing of the answer stands in the refusal.
    return replyOf(bound.route, outgoing, { ...headers });
  } catch (error) {
    outgoing.release();
    throw error;
  }
}

interface Parsed {
  readonly input: Record<string, unknown>;
  readonly bodyBytes: number | undefined;
  readonly credential: Credential;
  readonly idempotencyKey: string | undefined;
}

/** What the wire itself can get wrong. A promise only where there is a body to wait for: most requests have none. */
function parse(env: Env, request: HttpRequest, bound: BoundRoute, params: Match['params']): Parsed | Promise<Parsed> {
  const question = request.target.indexOf('?');
  const input = bound.fields(request, params, question < 0 ? '' : request.target.slice(question + 1));
  const bodyBytes = bodyBytesOf(request);
  refuseUnexpectedBody(bound, bodyBytes);
  const parsed = { input, bodyBytes, credential: credentialOf(request), idempotencyKey: idempotencyKeyOf(request) };
  return bound.route.json ? addJsonBody(request, input, env.clock).then(() => parsed) : parsed;
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
  if (allowed.length === 0) return errorResponse(new RonError('not_found', 'there is no such route'), corrId, headers);
  const refusal = errorResponse(new RonError('bad_request', 'this route does not take that method'), corrId, headers);
  return { ...refusal, status: 405 };
}

const corsExposed =
  'etag, location, content-range, retry-after, x-corr-id, ron-address, ron-size, ron-name, ron-name-version, ron-missing, ron-durability, ron-upload-id, upload-offset, upload-length, upload-expires, tus-resumable, tus-version, tus-extension, tus-max-size, accept-ranges';

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

const refusals: Readonly<Record<HttpRefusal, { readonly code: ErrorCode; readonly message: string }>> = {
  malformed: { code: 'bad_request', message: 'this is not a well-formed HTTP request' },
  headers_too_large: { code: 'headers_too_large', message: 'the header block is too large' },
  header_timeout: { code: 'request_timeout', message: 'the header block came too slowly' },
  body_timeout: { code: 'request_timeout', message: 'the body came too slowly' },
  two_hosts: { code: 'bad_request', message: 'exactly one Host header is allowed' },
  over_capacity: { code: 'unavailable', message: 'too many connections' },
};

/** The envelope for what the HTTP parser itself refuses; `onRefusal` is told of it. */
export function httpRefusal(env: Env, onRefusal: OnRefusal): (reason: HttpRefusal) => HttpResponse {
  return (reason) => {
    const corrId = corrIdOf(undefined, env);
    onRefusal(reason, corrId);
    const { code, message } = refusals[reason];
    return errorResponse(new RonError(code, message), corrId, {});
  };
}
