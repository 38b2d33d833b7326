import type { Env, Log, Metrics } from '@ron/kernel';
import type { Call, CallContext, Contract, Operation, Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, emptyBody, ResidentBody } from '@ron/proto/stream';
import { AbortableBody } from './abortable-body.ts';
import {
  type AuthenticatedPrincipal,
  type Authenticator,
  authorize,
  type Credential,
  type Requirement,
  requirementsOf,
  tenantOf,
} from './access.ts';
import { abandoned, boundedBody, discardBody, MeasuredBody, tooLarge } from './bodies.ts';
import { type CallShape, type CeilingOptions, Ceilings, shapeOf } from './ceilings.ts';
import { Context } from './context.ts';
import { type Deadline, Deadlines, late } from './deadlines.ts';
import type { QuotaReport, Running } from './define.ts';
import { createMeters, type OperationMeter, type ServiceMeters } from './golden-metrics.ts';
import { IdempotencyStore } from './idempotency.ts';
import { compilerLoaded, loadCompiler, type Validator, validatorOf } from './validators.ts';

/** A request as every binding hands it over: parsed and bounded on its own wire, nothing decided yet. */
export interface Incoming {
  readonly operation: string;
  readonly input: unknown;
  readonly body?: ByteStream | undefined;
  readonly bodyBytes?: number | undefined;
  readonly credential: Credential;
  readonly corrId: string;
  readonly traceparent?: string | undefined;
  readonly tenant?: string | undefined;
  /** Milliseconds that the caller grants; the operation's own limit holds when it is less. */
  readonly timeoutMs?: number | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly remote: string;
  /** Set by the local binding: the call on whose behalf this one is made. */
  readonly parent?: CallContext | undefined;
}

export interface Outgoing {
  readonly output: unknown;
  /** To be read to its end or left; it ends with the call on whose behalf it was asked for, at the latest. */
  readonly body: ByteStream | undefined;
  readonly quota: QuotaReport | undefined;
  /** To be called when the body will not be read. Idempotent. */
  release(): void;
}

export interface Dispatcher {
  readonly contract: Contract;
  /** Rejects with `RonError` only. `onStart` receives the call's context, so that a binding can abort it. */
  dispatch(incoming: Incoming, onStart?: (context: Context) => void): Promise<Outgoing>;
  /** Calls being served, streamed bodies included. */
  readonly inflight: number;
  /**
   * From now on new calls are refused with `unavailable`, and those that wait idle end with it, their streams too.
   * Resolves when none is in flight any more.
   */
  drain(): Promise<void>;
  /** Aborts what is in flight. */
  abort(reason: RonError): void;
}

export interface DispatcherOptions extends CeilingOptions {
  readonly contract: Contract;
  readonly running: Running<Contract>;
  readonly authenticator: Authenticator;
  readonly env: Env;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Bytes of a streamed body when the operation has no limit of its own. Default unlimited: the handler bounds it. */
  readonly bodyBytesMax?: number;
  readonly idempotency?: IdempotencyStore;
}

const timeoutMsDefault = 30_000;
/** A call that takes a body has no deadline of its own, but may not spend more than this between two pieces, or after the last. */
const pieceMsMax = 300_000;

/** parse and bound → authenticate → policy → quota → in-flight ceiling → handler → map error → measure. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new Pipeline(options);
}

/** An operation with everything that a call of it needs, found once at start. */
interface Bound {
  readonly name: string;
  readonly operation: Operation;
  readonly takesBody: boolean;
  readonly sendsBody: boolean;
  readonly validator: Validator;
  readonly requirements: readonly Requirement[];
  readonly handler: (input: unknown, call: Call) => unknown;
  readonly meter: OperationMeter;
}

/** A call that passed the gates. */
interface Admitted {
  readonly bound: Bound;
  readonly incoming: Incoming;
  readonly shape: CallShape;
  readonly context: Context;
  readonly quota: QuotaReport | undefined;
  readonly startMs: number;
}

class Pipeline implements Dispatcher {
  readonly contract: Contract;
  readonly #options: DispatcherOptions;
  readonly #operations = new Map<string, Bound>();
  readonly #meters: ServiceMeters;
  readonly #deadlines: Deadlines;
  readonly #idempotency: IdempotencyStore;
  readonly #ceilings: Ceilings;

  constructor(options: DispatcherOptions) {
    this.contract = options.contract;
    this.#options = options;
    this.#deadlines = new Deadlines(options.env.clock);
    this.#idempotency = options.idempotency ?? new IdempotencyStore(options.env);
    this.#ceilings = new Ceilings(options);
    this.#meters = createMeters(options.metrics, options.contract.name);
    for (const [name, operation] of Object.entries(options.contract.operations)) {
      const handler = options.running.handlers[name] as Bound['handler'] | undefined;
      if (handler === undefined) throw new Error(`service ${options.contract.name} has no handler for ${name}`);
      this.#operations.set(name, {
        name,
        operation,
        takesBody: operation.body === 'in' || operation.body === 'both',
        sendsBody: operation.body === 'out' || operation.body === 'both',
        validator: validatorOf(operation.input),
        requirements: requirementsOf(operation),
        handler,
        meter: this.#meters.operation(name),
      });
    }
  }

  get inflight(): number {
    return this.#ceilings.size;
  }

  drain(): Promise<void> {
    return this.#ceilings.drain();
  }

  abort(reason: RonError): void {
    this.#ceilings.abort(reason);
  }

  async dispatch(incoming: Incoming, onStart?: (context: Context) => void): Promise<Outgoing> {
    const bound = this.#operations.get(incoming.operation);
    if (bound === undefined) throw this.#unknown(incoming);
    const startMs = this.#options.env.clock.monotonicMs();
    let principal: AuthenticatedPrincipal | undefined;
    let stage: 'gate' | 'handler' = 'gate';
    try {
      if (!compilerLoaded()) await loadCompiler();
      if (!bound.validator.check(incoming.input)) throw bound.validator.refusal(incoming.input, 'the request');
      const deadlineMs = deadlineOf(bound, incoming, startMs);
      const who = this.#authenticate(incoming, Math.min(deadlineMs, startMs + timeoutMsDefault));
      principal = who instanceof Promise ? await who : who;
      authorize(bound.requirements, principal, incoming.input);
      const tenant = tenantOf(principal, incoming.parent?.tenant ?? incoming.tenant ?? '');
      const { bodyBytes } = incoming;
      const bytesMax = this.#bodyBytesMax(bound, principal);
      if (bound.takesBody && bodyBytes !== undefined && bodyBytes > bytesMax) throw tooLarge(bytesMax);
      const shape = shapeOf(bound.operation, incoming.input);
      const admission = { operation: bound.name, mutation: shape.mutation, principal, tenant, bodyBytes };
      const quota = this.#options.running.admit?.(admission);
      this.#ceilings.check(shape);
      if (deadlineMs <= this.#options.env.clock.monotonicMs()) throw late();
      stage = 'handler';
      const { corrId, traceparent, idempotencyKey, parent } = incoming;
      const context = new Context({ corrId, traceparent, tenant, principal, deadlineMs, idempotencyKey, parent });
      onStart?.(context);
      return await this.#serve({ bound, incoming, shape, context, quota, startMs }, bytesMax);
    } catch (thrown) {
      const error = this.#asRefusal(bound, thrown);
      if (stage === 'gate') bound.meter.rejected(error.code);
      this.#record(bound, incoming, principal, error, thrown, startMs);
      throw error;
    }
  }

  #unknown({ corrId, operation }: Incoming): RonError {
    const error = new RonError('not_found', 'there is no such operation');
    this.#meters.rejected(error.code);
    const op = `${this.contract.name}.${operation.slice(0, 64)}`;
    this.#options.log.info({ corr_id: corrId, op, code: error.code }, 'request refused');
    return error;
  }

  #authenticate(
    { credential: { principal, token }, remote }: Incoming,
    deadlineMs: number,
  ): AuthenticatedPrincipal | Promise<AuthenticatedPrincipal> {
    if (principal !== undefined) return principal;
    const who = this.#options.authenticator.authenticate(token === undefined ? {} : { token }, remote);
    return who instanceof Promise ? this.#deadlines.race(who, { deadlineMs }, nothing) : who;
  }

  /** The least of what the operation, the service and the caller's capability allow. */
  #bodyBytesMax({ operation }: Bound, { limits }: Principal): number {
    const own = operation.limits?.bodyBytesMax ?? this.#options.bodyBytesMax ?? Number.POSITIVE_INFINITY;
    return Math.min(own, limits.bodyBytesMax ?? Number.POSITIVE_INFINITY);
  }

  async #serve(admitted: Admitted, bytesMax: number): Promise<Outgoing> {
    const { bound, incoming, shape, context, quota } = admitted;
    this.#ceilings.enter(context, shape);
    bound.meter.inflight(1);
    let streaming = false;
    try {
      const deadline = new CallDeadline(context, bound.takesBody, this.#options.env.clock);
      const call: Call = {
        context,
        body: bodyOf(bound, incoming, bytesMax, deadline),
        bodyBytes: incoming.bodyBytes,
      };
      const running = this.#run(bound, incoming, call);
      const reply = running instanceof Promise ? await this.#inTime(running, context, deadline) : running;
      if (!bound.sendsBody) return this.#finish(admitted, reply, undefined);
      const { output, body } = reply as { output: unknown; body: ByteStream };
      if (body instanceof ResidentBody) {
        bound.meter.bytesOut(body.bytes.byteLength);
        return this.#finish(admitted, output, body);
      }
      streaming = true;
      context.deadlineMs = Number.POSITIVE_INFINITY;
      const measured = this.#measure(admitted, body);
      return { output, body: measured, quota, release: () => measured.release() };
    } finally {
      if (!streaming) this.#leave(admitted);
    }
  }

  /** A reply that comes too late still holds what its body was made of. */
  #inTime(running: Promise<unknown>, context: Context, deadline: Deadline): Promise<unknown> {
    return this.#deadlines.race(running, deadline, () => {
      context.abort(late());
      running.then((reply) => {
        const body = (reply as { body?: ByteStream } | undefined)?.body;
        if (body !== undefined) discardBody(body);
      }, nothing);
    });
  }

  #run(bound: Bound, incoming: Incoming, call: Call): unknown {
    const { idempotencyKey, input } = incoming;
    const { mutation, body, idempotency } = bound.operation;
    const remembers = mutation && body === undefined && idempotency !== 'handler';
    if (!remembers || idempotencyKey === undefined) return bound.handler(input, call);
    const { tenant, principal } = call.context;
    const who = [tenant, principal.subject, bound.name, idempotencyKey];
    return this.#idempotency.once(who, input, () => bound.handler(input, call));
  }

  #finish({ bound, quota, startMs }: Admitted, output: unknown, body: ByteStream | undefined): Outgoing {
    bound.meter.done('ok', this.#secondsSince(startMs));
    return { output, body, quota, release: nothing };
  }

  #measure(admitted: Admitted, body: ByteStream): MeasuredBody {
    const { bound, incoming, context, startMs } = admitted;
    let disown: (() => void) | undefined;
    const { waits } = bound.operation;
    const source = waits ? new AbortableBody(body, context.signal) : body;
    const measured = new MeasuredBody(source, bound.meter.bytesOut, (outcome) => {
      disown?.();
      if (outcome === abandoned) context.abort(new RonError('request_timeout', 'the reader left'));
      this.#leave(admitted);
      if (outcome === undefined) bound.meter.done('ok', this.#secondsSince(startMs));
      else if (outcome === abandoned) bound.meter.done('abandoned', this.#secondsSince(startMs));
      else {
        this.#record(bound, incoming, context.principal, this.#asRefusal(bound, outcome), outcome, startMs);
      }
    });
    // What waits ends with its call at once, whether its source is silent or its reader does not ask.
    if (waits) context.signal.addEventListener('abort', () => measured.fail(context.signal.reason), { once: true });
    // A caller inside the process may lose its way between our reply and its end.
    if (incoming.parent instanceof Context) disown = incoming.parent.own(() => measured.release());
    return measured;
  }

  #leave({ bound, context }: Admitted): void {
    if (!this.#ceilings.leave(context)) return;
    bound.meter.inflight(-1);
    context.end();
  }

  #secondsSince(startMs: number): number {
    return (this.#options.env.clock.monotonicMs() - startMs) / 1_000;
  }

  /** A code that the contract does not declare would surprise its callers: it becomes `internal`. */
  #asRefusal(bound: Bound, thrown: unknown): RonError {
    if (thrown instanceof RonError && (implicit.has(thrown.code) || bound.operation.errors.includes(thrown.code)))
      return thrown;
    return new RonError('internal', 'the node failed on this request', { cause: thrown });
  }

  #record(
    bound: Bound,
    incoming: Incoming,
    principal: Principal | undefined,
    error: RonError,
    thrown: unknown,
    startMs: number,
  ): void {
    bound.meter.done(error.code, this.#secondsSince(startMs));
    const fields = {
      corr_id: incoming.corrId,
      op: `${this.contract.name}.${bound.name}`,
      code: error.code,
      subject: principal?.subject,
      capability_id: principal?.capabilityId,
    };
    if (error.code === 'internal') this.#options.log.error({ ...fields, err: thrown }, 'request failed');
    else this.#options.log.info({ ...fields, detail: error.message, err: error.cause }, 'request refused');
  }
}

const implicit = new Set([
  'bad_request',
  'unauthenticated',
  'forbidden',
  'payload_too_large',
  'quota_exhausted',
  'unavailable',
  'deadline_exceeded',
  'request_timeout',
  'conflict',
  'internal',
]);

/** When the call is late, on the monotonic clock: the least of what the operation, the caller and the call above it grant. */
function deadlineOf({ operation, takesBody }: Bound, { timeoutMs, parent }: Incoming, startMs: number): number {
  const own = operation.limits?.timeoutMs ?? (takesBody ? Number.POSITIVE_INFINITY : timeoutMsDefault);
  const granted = Math.min(own, timeoutMs ?? Number.POSITIVE_INFINITY);
  return Math.min(startMs + granted, parent?.deadlineMs ?? Number.POSITIVE_INFINITY);
}

/** The call's deadline; while it takes a body, also one that moves on with each piece. */
class CallDeadline implements Deadline {
  readonly #context: Context;
  readonly #clock: Env['clock'];
  #pieceMs = Number.POSITIVE_INFINITY;

  constructor(context: Context, takesBody: boolean, clock: Env['clock']) {
    this.#context = context;
    this.#clock = clock;
    if (takesBody) this.moved();
  }

  get deadlineMs(): number {
    return Math.min(this.#context.deadlineMs, this.#pieceMs);
  }

  moved(): void {
    this.#pieceMs = this.#clock.monotonicMs() + pieceMsMax;
  }
}

function bodyOf(bound: Bound, incoming: Incoming, bytesMax: number, deadline: CallDeadline): ByteStream {
  if (!bound.takesBody || incoming.body === undefined) return emptyBody;
  return boundedBody(incoming.body, { bytesMax, announcedBytes: incoming.bodyBytes }, (bytes) => {
    deadline.moved();
    bound.meter.bytesIn(bytes);
  });
}

function nothing(): void {
  // What it stands for has nothing to release or to tell.
}
