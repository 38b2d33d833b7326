import type { Env, Log } from '@ron/kernel';
import type { CapabilityView } from '@ron/proto/capability';
import type { Contract, Operation, Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import {
  Context,
  type Dispatcher,
  type Incoming,
  type LiveConfig,
  type OperationMeter,
  type Outgoing,
} from '@ron/service';
import type { Backend } from './backends/backend.ts';
import type { Backends } from './backends/backends.ts';
import { passedOn, refusalOf } from './calls/call-request.ts';
import { Passage } from './calls/passage.ts';
import type { RetryBudget } from './calls/retry.ts';
import { type WaitingRoom, waitsIdle } from './calls/waiting-room.ts';
import type { OmnigateConfig } from './config.ts';
import { OperationCost } from './cost.ts';
import type { FairQueue } from './fair/fair-queue.ts';
import type { TenantIdentity } from './identity.ts';
import type { FrontMeters } from './metrics.ts';

/** What all dispatchers of a front share. */
export interface FrontParts {
  readonly env: Env;
  readonly log: Log;
  readonly config: LiveConfig<OmnigateConfig>;
  readonly backends: Backends;
  readonly queue: FairQueue<Backend>;
  readonly identity: TenantIdentity;
  readonly meters: FrontMeters;
  readonly budget: RetryBudget;
  readonly waitingRoom: WaitingRoom;
}

/** An operation with what the front knows of it, found once at start. */
export interface FrontOperation {
  /** `gateway.get`, for logs and metrics. */
  readonly label: string;
  readonly operation: Operation;
  readonly takesBody: boolean;
  readonly sendsBody: boolean;
  readonly cost: OperationCost;
  readonly meter: OperationMeter;
}

export interface GoldenMeters {
  operation(name: string): OperationMeter;
  rejected(reason: string): void;
}

/** For an operation without a limit of its own, milliseconds. */
export const timeoutMsDefault = 30_000;
/** Calls of one contract at a time, those included whose tenant is being asked for. */
const callsMax = 16_384;

/**
 * One contract of the backends, at the front: identify the tenant → wait for its turn → choose a backend → pass the call on
 * as it came, and its answer back. What the call may do, the backend decides: nothing is checked here but what protects the line.
 */
export class FrontDispatcher implements Dispatcher {
  readonly contract: Contract;
  readonly #parts: FrontParts;
  readonly #operations = new Map<string, FrontOperation>();
  /** Bounded by the line, the limits of the backends and `waiting_max`; and by those who are being identified. */
  readonly #calls = new Map<Context, { readonly waits: boolean }>();
  #draining: PromiseWithResolvers<void> | undefined;
  readonly #golden: GoldenMeters;

  constructor(contract: Contract, parts: FrontParts, golden: GoldenMeters) {
    this.contract = contract;
    this.#parts = parts;
    this.#golden = golden;
    for (const [name, operation] of Object.entries(contract.operations)) {
      const label = `${contract.name}.${name}`;
      this.#operations.set(name, {
        label,
        operation,
        takesBody: operation.body === 'in' || operation.body === 'both',
        sendsBody: operation.body === 'out' || operation.body === 'both',
        cost: new OperationCost(label, operation),
        meter: golden.operation(label),
      });
    }
  }

  get inflight(): number {
    return this.#calls.size;
  }

  async dispatch(incoming: Incoming, onStart?: (context: Context) => void): Promise<Outgoing> {
    const known = this.#operations.get(incoming.operation);
    if (known === undefined) {
      this.#golden.rejected('not_found');
      throw new RonError('not_found', 'there is no such operation');
    }
    const startMs = this.#parts.env.clock.monotonicMs();
    const waits = waitsIdle(known.operation, incoming.input);
    const context = contextOf(known, incoming, startMs);
    const finish = (error: RonError | undefined): void => this.#finish(known, context, startMs, error);
    try {
      this.#refuseNow(known);
      const { app } = this.contract;
      const request = passedOn(app, incoming);
      this.#calls.set(context, { waits });
      known.meter.inflight(1);
      onStart?.(context);
      this.#parts.budget.earn();
      const found = this.#parts.identity.callerOf(incoming.credential, incoming.remote);
      const caller = found instanceof Promise ? await found : found;
      if (found instanceof Promise) this.#refuseFor(known, this.#parts.backends.refusal());
      const passage = new Passage({ parts: this.#parts, known, incoming, request, context, caller, waits, finish });
      const outgoing = await passage.run();
      this.#learn(incoming, outgoing);
      return outgoing;
    } catch (thrown) {
      // Who ended the call knows better why than those who were ended.
      const { aborted, reason } = context.signal;
      const error = refusalOf(aborted && reason instanceof RonError ? reason : thrown);
      finish(error);
      throw error;
    }
  }

  drain(): Promise<void> {
    if (this.#draining === undefined) {
      this.#draining = Promise.withResolvers();
      for (const [context, { waits }] of this.#calls) if (waits) context.abort(stopping());
      if (this.#calls.size === 0) this.#draining.resolve();
    }
    return this.#draining.promise;
  }

  abort(reason: RonError): void {
    for (const context of [...this.#calls.keys()]) context.abort(reason);
  }

  /** Before anything is spent on the call. */
  #refuseNow(known: FrontOperation): void {
    const refusal =
      this.#draining !== undefined
        ? stopping()
        : this.#calls.size >= callsMax
          ? crowded()
          : this.#parts.backends.refusal();
    this.#refuseFor(known, refusal);
  }

  #refuseFor({ meter }: FrontOperation, refusal: RonError | undefined): void {
    if (refusal === undefined) return;
    meter.rejected(refusal.code);
    this.#parts.meters.refused(refusal.details?.['gate'] === 'draining' ? 'draining' : 'backends');
    throw refusal;
  }

  /** The one answer that says whose a token is; a proof that came with it worked. */
  #learn({ operation, credential }: Incoming, { output }: Outgoing): void {
    if (operation !== 'whoami' || this.contract.name !== 'gateway' || credential.token === undefined) return;
    this.#parts.identity.learn(credential.token, output as CapabilityView);
  }

  #finish({ label, meter }: FrontOperation, context: Context, startMs: number, error: RonError | undefined): void {
    if (this.#calls.delete(context)) {
      meter.inflight(-1);
      context.end();
    }
    if (this.#calls.size === 0) this.#draining?.resolve();
    meter.done(error?.code ?? 'ok', (this.#parts.env.clock.monotonicMs() - startMs) / 1_000);
    if (error === undefined) return;
    const { code, message: detail, cause: err } = error;
    this.#parts.log.info({ corr_id: context.corrId, op: label, code, detail, err }, 'request refused');
  }
}

/** The backends know who calls; here nobody is anybody. */
const nobody: Principal = { subject: '', capabilityId: '', tenant: '', limits: {}, allows: () => false };

/** The least of what the operation and its caller grant; none for calls that bring a body, which progress bounds. */
function contextOf({ operation, takesBody }: FrontOperation, incoming: Incoming, startMs: number): Context {
  const { corrId, traceparent, idempotencyKey, timeoutMs = Number.POSITIVE_INFINITY } = incoming;
  const own = operation.limits?.timeoutMs ?? (takesBody ? Number.POSITIVE_INFINITY : timeoutMsDefault);
  const deadlineMs = startMs + Math.min(own, timeoutMs);
  return new Context({
    corrId,
    traceparent,
    tenant: '',
    principal: nobody,
    deadlineMs,
    idempotencyKey,
    parent: undefined,
  });
}

function stopping(): RonError {
  return new RonError('unavailable', 'the node is stopping', { retryAfterMs: 1_000, details: { gate: 'draining' } });
}

function crowded(): RonError {
  return new RonError('unavailable', 'too many requests in flight', {
    retryAfterMs: 250,
    details: { gate: 'inflight' },
  });
}
