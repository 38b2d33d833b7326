import type { Static, TSchema } from 'typebox';
import type { ErrorCode } from './errors.ts';
import type { ByteStream } from './stream.ts';

/** What a capability must allow. `{field}` in `resource` is replaced by that field of the input, verbatim. */
export interface Scope {
  readonly method: ScopeMethod;
  /** `o/<address>`, `n/<name>[/path]`, `box/<box>`, `admin/<area>`, or `net/<area>`, which only nodes are allowed. */
  readonly resource: string;
}

export type ScopeMethod = 'read' | 'write' | 'delete' | 'list' | 'admin';

/**
 * How an operation appears over HTTP. Input fields come from path parameters (named as the field), the listed query
 * parameters, the listed request headers, which win over the query, and, with `json`, the request body: a field of it
 * that another place named is refused.
 */
export interface HttpRoute {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** `/o/:address`; a final `*field` takes the rest of the path, slashes included: `/n/*path`. */
  readonly path: string;
  readonly query?: readonly string[];
  /** Lower-case request header → input field. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Input fields that this route sets by itself: `{ head: true }`. */
  readonly fixed?: Readonly<Record<string, unknown>>;
  /** The request body is JSON that fills the remaining input fields. Excludes a streamed body. */
  readonly json?: true;
  /** Status of a success; the output field named by `statusField`, when present, wins. */
  readonly status?: number;
  readonly statusField?: string;
  /** Output field → response header. */
  readonly replyHeaders?: Readonly<Record<string, string>>;
  readonly reply: 'json' | 'stream' | 'empty';
}

export interface OperationLimits {
  /** Bytes of the whole streamed body; without it the service's configuration decides. */
  readonly bodyBytesMax?: number;
  /** Milliseconds for the whole call; streamed bodies are bounded by progress instead. Default 30 000. */
  readonly timeoutMs?: number;
}

/**
 * What the audit log keeps of a call beside who, what, when and the outcome. Fields are listed one by one, so that a
 * secret never gets in by being added to a DTO.
 */
export interface AuditRule {
  /**
   * `privileged`: the intent is on stable storage before the handler runs and the outcome before the answer, and the
   * call is refused (`unavailable`) when the log cannot be written; refusals are kept too. `event`: through a bounded
   * queue; what finds it full is counted, and the count is kept.
   */
  readonly level: 'privileged' | 'event';
  /** Fields of the input, at most 512 characters of each are kept. */
  readonly input?: readonly string[];
  /** Fields of the output. */
  readonly output?: readonly string[];
}

/** Operations that share a quota. */
export const routeClasses = ['reads', 'writes', 'messages', 'admin'] as const;
export type RouteClass = (typeof routeClasses)[number];

/** Administration by its scope, messages by theirs, and of the rest what changes something and what does not. */
export function routeClassOf({ routeClass, scopes, mutation }: Operation): RouteClass {
  if (routeClass !== undefined) return routeClass;
  if (scopes.some(({ resource }) => resource.startsWith('admin/'))) return 'admin';
  if (scopes.some(({ resource }) => resource.startsWith('box/'))) return 'messages';
  return mutation === true ? 'writes' : 'reads';
}

export interface Operation {
  readonly summary: string;
  readonly input: TSchema;
  readonly output: TSchema;
  /** Beyond the pipeline's own (bad_request, unauthenticated, forbidden, quota_exhausted, unavailable, deadline_exceeded, internal). */
  readonly errors: readonly ErrorCode[];
  /** All must be allowed. An empty list is open to everyone and belongs to operations endpoints only. */
  readonly scopes: readonly Scope[];
  readonly body?: 'in' | 'out' | 'both';
  /** Changes state: takes an idempotency key, is refused first under pressure. */
  readonly mutation?: true;
  /** `handler`: the service itself remembers idempotency keys, longer and safer than the pipeline's memory does. */
  readonly idempotency?: 'handler';
  /**
   * Waits idle for something to happen: counted apart, so that those who wait keep nobody from working. The name of an
   * input field: only while that field is above 0.
   */
  readonly waits?: true | string;
  /**
   * Changes nothing of the caller's, but what it answers with is gone for others until a lease ends: a call that nobody knows
   * the end of is not made again.
   */
  readonly leases?: true;
  /** Gives back what the node holds (a lease, an upload, stored bytes): refused last under pressure. */
  readonly frees?: true;
  /** Work out of proportion to its answer, a listing or a report: refused before other reads under pressure. */
  readonly costly?: true;
  /**
   * What it is refused with under pressure, in this order, where the fields above do not tell it: without this, who needs no
   * right goes with the costly.
   */
  readonly shedAs?: 'write' | 'costly' | 'read' | 'free';
  /** Which of a tenant's quotas it counts against beside the general one. Default: by scopes and `mutation`. */
  readonly routeClass?: RouteClass;
  /** Without one, the call leaves no trace in the audit log. */
  readonly audit?: AuditRule;
  readonly limits?: OperationLimits;
  readonly http?: readonly HttpRoute[];
}

export interface Contract {
  /** The service's name without `svc-`: `storage`. */
  readonly name: string;
  /** OAP `app_proto_id`. */
  readonly app: number;
  /**
   * What `admin/…` means here is kept apart by tenant, and each call looks at its own. Otherwise it is the whole node's,
   * and no capability that belongs to a tenant gets to it.
   */
  readonly administersTenants?: true;
  readonly operations: Readonly<Record<string, Operation>>;
}

export function defineContract<const C extends Contract>(contract: C): C {
  return contract;
}

/** Who calls, after authentication. */
export interface Principal {
  readonly subject: string;
  /** Identifies the capability in logs and audit records; not a secret. */
  readonly capabilityId: string;
  /** Empty = not bound to a tenant (a service that acts for its callers). */
  readonly tenant: string;
  readonly limits: { readonly bytesMax?: number; readonly requestsPerSecond?: number; readonly bodyBytesMax?: number };
  /** The id of the node that asks, as its channel proved it; only then. */
  readonly node?: string;
  /** Of the connection that the node asks over: the same at both of its ends and nowhere else (RFC 9266). */
  readonly binding?: Uint8Array;
  allows(method: ScopeMethod, resource: string): boolean;
}

/** What a handler knows of its call. Made by the template; a handler passes it on to its peers. */
export interface CallContext {
  readonly corrId: string;
  readonly traceparent: string | undefined;
  readonly tenant: string;
  readonly principal: Principal;
  /** `env.clock.monotonicMs()` at which the call is late; Infinity for streamed transfers bounded by progress. */
  readonly deadlineMs: number;
  /** Aborted when the caller leaves or the deadline passes. Created on first use. */
  readonly signal: AbortSignal;
  readonly idempotencyKey: string | undefined;
}

export interface Call {
  readonly context: CallContext;
  /** The request's bytes; empty unless the operation has `body: 'in' | 'both'`. */
  readonly body: ByteStream;
  /** Length announced by the caller; untrusted, a hint for early refusal. */
  readonly bodyBytes: number | undefined;
}

type SendsBody<O extends Operation> = O['body'] extends 'out' | 'both' ? true : false;

/** A reply with bytes carries its DTO beside them. */
export type Reply<O extends Operation> =
  SendsBody<O> extends true ? { readonly output: Static<O['output']>; readonly body: ByteStream } : Static<O['output']>;

export type Handler<O extends Operation> = (input: Static<O['input']>, call: Call) => Reply<O> | Promise<Reply<O>>;

export type Handlers<C extends Contract> = { readonly [K in keyof C['operations']]: Handler<C['operations'][K]> };

export interface PeerOptions {
  /** The call on whose behalf this one is made: its corr_id, tenant, deadline and cancellation carry over. */
  readonly context?: CallContext;
  readonly body?: ByteStream;
  readonly bodyBytes?: number;
  readonly idempotencyKey?: string;
}

/** A typed client of a contract, whatever the binding. Rejects with `RonError`. */
export type Peer<C extends Contract> = {
  readonly [K in keyof C['operations']]: (
    input: Static<C['operations'][K]['input']>,
    options?: PeerOptions,
  ) => Promise<Reply<C['operations'][K]>>;
};
