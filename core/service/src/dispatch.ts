import type { Call, Contract, Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, emptyBody, ResidentBody } from '@ron/proto/stream';
import { AbortableBody } from './abortable-body.ts';
import { type AuthenticatedPrincipal, authorize, tenantOf } from './access.ts';
import { type AuditedCall, Auditor, auditedCall } from './audited.ts';
import { abandoned, boundedBody, discardBody, MeasuredBody, tooLarge } from './bodies.ts';
import { asRefusal, type Bound, bindOperations } from './bound.ts';
import { CallDeadline, deadlineOf, timeoutMsDefault } from './call-deadline.ts';
import { type CallShape, Ceilings, type Place, shapeOf } from './ceilings.ts';
import { Context } from './context.ts';
import { type Deadline, Deadlines, late } from './deadlines.ts';
import type { Admission, QuotaReport } from './define.ts';
import type { Dispatcher, DispatcherOptions, Incoming, Outgoing } from './dispatcher.ts';
import { createMeters, type ServiceMeters } from './golden-metrics.ts';
import { IdempotencyStore } from './idempotency.ts';
import { compilerLoaded, loadCompiler } from './validators.ts';

/**
 * capacity → parse and bound → authenticate → policy → quota → in-flight ceiling → audit intent → handler → audit outcome →
 * map error → measure.
 */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new Pipeline(options);
}

/** A call that passed the gates. */
interface Admitted {
  readonly bound: Bound;
  readonly incoming: Incoming;
  readonly shape: CallShape;
  readonly context: Context;
  readonly quota: QuotaReport | undefined;
  readonly startMs: number;
  /** Present when the log keeps it. */
  readonly audited: AuditedCall | undefined;
}

class Pipeline implements Dispatcher {
  readonly contract: Contract;
  readonly #options: DispatcherOptions;
  readonly #operations = new Map<string, Bound>();
  readonly #meters: ServiceMeters;
  readonly #deadlines: Deadlines;
  readonly #idempotency: IdempotencyStore;
  readonly #ceilings: Ceilings;
  readonly #auditor: Auditor | undefined;
  readonly #onWork = (change: 1 | -1): void => this.#options.pressure?.inflight(change);

  constructor(options: DispatcherOptions) {
    this.contract = options.contract;
    this.#options = options;
    this.#deadlines = new Deadlines(options.env.clock);
    this.#idempotency = options.idempotency ?? new IdempotencyStore(options.env);
    this.#ceilings = new Ceilings(options);
    this.#meters = createMeters(options.metrics, options.contract.name, () => this.#ceilings.held);
    const { audit: stage, env, log, metrics } = options;
    this.#auditor =
      stage === undefined
        ? undefined
        : new Auditor({ stage, service: options.contract.name, clock: env.clock, log, metrics });
    for (const each of bindOperations(options, this.#meters)) this.#operations.set(each.name, each);
  }

  get inflight(): number {
    return this.#ceilings.size;
  }

  askPressure(operation: string, waitedMs?: number): void {
    const bound = this.#operations.get(operation);
    if (bound !== undefined) this.#askPressure(bound, this.#options.env.clock.monotonicMs(), waitedMs);
  }

  async drain(): Promise<void> {
    await this.#ceilings.drain();
    this.#auditor?.noteSuppressed();
  }

  abort(reason: RonError): void {
    this.#ceilings.abort(reason);
  }

  async dispatch(incoming: Incoming, onStart?: (context: Context) => void): Promise<Outgoing> {
    const bound = this.#operations.get(incoming.operation);
    if (bound === undefined) throw this.#unknown(incoming);
    const startMs = this.#options.env.clock.monotonicMs();
    if (incoming.pressureAsked !== true && isFromOutside(incoming)) this.#askPressure(bound, startMs);
    let principal: AuthenticatedPrincipal | undefined;
    let stage: 'gate' | 'handler' = 'gate';
    let tenant = '';
    let isWellFormed = false;
    try {
      if (!compilerLoaded()) await loadCompiler();
      if (!bound.validator.check(incoming.input)) throw bound.validator.refusal(incoming.input, 'the request');
      isWellFormed = true;
      const deadlineMs = deadlineOf(bound, incoming, startMs);
      const who = this.#authenticate(incoming, Math.min(deadlineMs, startMs + timeoutMsDefault));
      principal = who instanceof Promise ? await who : who;
      authorize(bound.requirements, principal, incoming.input);
      tenant = tenantOf(principal, incoming.parent?.tenant ?? incoming.tenant ?? '', isFromOutside(incoming));
      const shape = shapeOf(bound.operation, incoming.input);
      if (isFromOutside(incoming)) this.#askTrust(bound, principal, tenant, incoming.input);
      const { bodyBytes } = incoming;
      const bytesMax = this.#bodyBytesMax(bound, principal);
      if (bound.takesBody && bodyBytes !== undefined && bodyBytes > bytesMax) throw tooLarge(bytesMax);
      // Before the quota, which keeps what it takes: who finds no room pays nothing.
      this.#ceilings.check(shape);
      if (deadlineMs <= this.#options.env.clock.monotonicMs()) throw late();
      const quota = this.#admit(incoming, {
        operation: bound.name,
        mutation: shape.mutation,
        routeClass: bound.routeClass,
        principal,
        tenant,
        bodyBytes,
      });
      stage = 'handler';
      const { corrId, traceparent, idempotencyKey, parent } = incoming;
      const context = new Context({
        corrId,
        traceparent,
        tenant,
        principal,
        deadlineMs,
        idempotencyKey,
        parent,
        quota,
      });
      onStart?.(context);
      const audited = this.#auditedCall(bound, incoming, principal, tenant);
      return await this.#serve({ bound, incoming, shape, context, quota, startMs, audited }, bytesMax);
    } catch (thrown) {
      const error = asRefusal(bound, thrown);
      if (stage === 'gate') {
        bound.meter.rejected(error.code);
        // What does not fit its schema can be anything, a secret in the wrong field too: no log keeps it.
        const kept = isWellFormed ? incoming : { ...incoming, input: undefined };
        const audited = this.#auditedCall(bound, kept, principal, tenant);
        if (audited !== undefined) this.#auditor!.refused(audited, error);
      }
      this.#record(bound, incoming, principal, error, thrown, startMs);
      throw error;
    }
  }

  /** The cheapest refusal there is: nothing of the call was looked at, and no line is logged for it alone. */
  #askPressure({ shedKind, meter }: Bound, nowMs: number, waitedMs = 0): void {
    const refusal = this.#options.pressure?.refusal(shedKind, nowMs, waitedMs);
    if (refusal === undefined) return;
    meter.shed(refusal.details!['gate'] as string, refusal.code);
    throw refusal;
  }

  #unknown({ corrId, operation }: Incoming): RonError {
    const error = new RonError('not_found', 'there is no such operation');
    this.#meters.rejected(error.code);
    const op = `${this.contract.name}.${operation.slice(0, 64)}`;
    this.#options.log.info({ corr_id: corrId, op, code: error.code }, 'request refused');
    return error;
  }

  #authenticate(
    { credential, caller, remote }: Incoming,
    deadlineMs: number,
  ): AuthenticatedPrincipal | Promise<AuthenticatedPrincipal> {
    if (credential.principal !== undefined) return credential.principal;
    if (caller !== undefined) return caller;
    const who = this.#options.authenticator.authenticate(credential, remote);
    return who instanceof Promise ? this.#deadlines.race(who, { deadlineMs }, nothing) : who;
  }

  /** What the node's own state says against a call that its capability allows. */
  #askTrust(bound: Bound, principal: Principal, tenant: string, input: unknown): void {
    const stale = bound.operation.mutation ? this.#options.authenticator.mutationRefusal?.() : undefined;
    if (stale !== undefined) {
      throw new RonError('unavailable', stale, { retryAfterMs: 1_000, details: { gate: 'revocations' } });
    }
    const { policy } = this.#options;
    if (policy === undefined) return;
    const op = `${this.contract.name}.${bound.name}`;
    for (const { method, resourceOf } of bound.requirements) {
      policy.decide({ op, method, resource: resourceOf(input as Record<string, unknown>), principal, tenant });
    }
  }

  #admit(incoming: Incoming, admission: Admission): QuotaReport | undefined {
    const { running, admit } = this.#options;
    if (running.admit !== undefined) return running.admit(admission);
    return isFromOutside(incoming) ? admit?.(admission) : undefined;
  }

  #auditedCall(
    { operation: { audit }, name, requirements }: Bound,
    incoming: Incoming,
    principal: AuthenticatedPrincipal | undefined,
    tenant: string,
  ): AuditedCall | undefined {
    if (audit === undefined || this.#auditor === undefined || !isFromOutside(incoming)) return undefined;
    const { corrId, input } = incoming;
    const resources =
      principal === undefined ? [] : requirements.map(({ resourceOf }) => resourceOf(input as Record<string, unknown>));
    return auditedCall(`${this.contract.name}.${name}`, audit, { corrId, principal, tenant }, resources, input);
  }

  /** The least of what the operation, the service and the caller's capability allow. */
  #bodyBytesMax({ operation }: Bound, { limits }: Principal): number {
    const own = operation.limits?.bodyBytesMax ?? this.#options.bodyBytesMax ?? Number.POSITIVE_INFINITY;
    return Math.min(own, limits.bodyBytesMax ?? Number.POSITIVE_INFINITY);
  }

  async #serve(admitted: Admitted, bytesMax: number): Promise<Outgoing> {
    const { bound, incoming, shape, context, quota } = admitted;
    const place = this.#ceilings.enter(context, shape, isFromOutside(incoming) ? this.#onWork : undefined);
    bound.meter.inflight(1);
    let streaming = false;
    try {
      const deadline = new CallDeadline(context, bound.takesBody, this.#options.env.clock);
      const call: Call = {
        context,
        body: bodyOf(bound, incoming, bytesMax, deadline, place),
        bodyBytes: incoming.bodyBytes,
      };
      let receipt: string | undefined;
      const onReceipt = (text: string): void => {
        receipt = text;
      };
      const running = this.#run(admitted, call, onReceipt);
      const reply = running instanceof Promise ? await this.#inTime(running, context, deadline) : running;
      if (!bound.sendsBody) return this.#finish(admitted, reply, undefined, receipt);
      const { output, body } = reply as { output: unknown; body: ByteStream };
      if (body instanceof ResidentBody) {
        bound.meter.bytesOut(body.bytes.byteLength);
        return this.#finish(admitted, output, body);
      }
      streaming = true;
      context.deadlineMs = Number.POSITIVE_INFINITY;
      const measured = this.#measure(admitted, body, place);
      return { output, body: measured, quota, release: () => measured.release() };
    } finally {
      if (!streaming) this.#leave(admitted, place);
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

  #run({ bound, incoming, audited, context }: Admitted, call: Call, onReceipt: (text: string) => void): unknown {
    if (audited === undefined) return this.#handle(bound, incoming, call);
    let ran = false;
    const handle = () => {
      // The log may have taken its time: what its caller has been told is late is not begun.
      if (context.signal.aborted) throw context.signal.reason;
      return this.#handle(bound, incoming, call, () => {
        ran = true;
      });
    };
    return this.#auditor!.around(audited, handle, {
      onReceipt: incoming.receipt ? onReceipt : undefined,
      isReplay: () => !ran,
    });
  }

  #handle(bound: Bound, incoming: Incoming, call: Call, onRun: () => void = nothing): unknown {
    const { idempotencyKey, input } = incoming;
    const { mutation, body, idempotency } = bound.operation;
    const remembers = mutation && body === undefined && idempotency !== 'handler';
    const run = () => {
      onRun();
      return bound.handler(input, call);
    };
    if (!remembers || idempotencyKey === undefined) return run();
    const { tenant, principal } = call.context;
    const who = [tenant, principal.subject, bound.name, idempotencyKey];
    return this.#idempotency.once(who, input, run);
  }

  #finish(
    { bound, quota, startMs }: Admitted,
    output: unknown,
    body: ByteStream | undefined,
    receipt?: string,
  ): Outgoing {
    bound.meter.done('ok', this.#secondsSince(startMs));
    return { output, body, quota, release: nothing, ...(receipt === undefined ? {} : { receipt }) };
  }

  #measure(admitted: Admitted, body: ByteStream, place: Place): MeasuredBody {
    const { bound, incoming, context, startMs } = admitted;
    let disown: (() => void) | undefined;
    const { waits } = bound.operation;
    const source = waits ? new AbortableBody(body, context.signal) : body;
    const onEnd = (outcome: unknown): void => {
      disown?.();
      if (outcome === abandoned) context.abort(new RonError('request_timeout', 'the reader left'));
      this.#leave(admitted, place);
      if (outcome === undefined) bound.meter.done('ok', this.#secondsSince(startMs));
      else if (outcome === abandoned) bound.meter.done('abandoned', this.#secondsSince(startMs));
      else {
        this.#record(bound, incoming, context.principal, asRefusal(bound, outcome), outcome, startMs);
      }
    };
    const measured = new MeasuredBody(source, bound.meter.bytesOut, onEnd, place);
    // What waits ends with its call at once, whether its source is silent or its reader does not ask.
    if (waits) context.signal.addEventListener('abort', () => measured.fail(context.signal.reason), { once: true });
    // A caller inside the process may lose its way between our reply and its end.
    if (incoming.parent instanceof Context) disown = incoming.parent.own(() => measured.release());
    return measured;
  }

  #leave({ bound, context }: Admitted, place: Place): void {
    if (!this.#ceilings.leave(place)) return;
    bound.meter.inflight(-1);
    context.end();
  }

  #secondsSince(startMs: number): number {
    return (this.#options.env.clock.monotonicMs() - startMs) / 1_000;
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

function bodyOf(bound: Bound, incoming: Incoming, bytesMax: number, deadline: CallDeadline, place: Place): ByteStream {
  if (!bound.takesBody || incoming.body === undefined) return emptyBody;
  const onPiece = (bytes: number): void => {
    deadline.moved();
    bound.meter.bytesIn(bytes);
  };
  return boundedBody(incoming.body, { bytesMax, announcedBytes: incoming.bodyBytes }, onPiece, place);
}

/** A call that a binding brought in, and not one that a service of this node makes for another. */
function isFromOutside({ credential }: Incoming): boolean {
  return credential.principal === undefined;
}

function nothing(): void {
  // What it stands for has nothing to release or to tell.
}
