import type { Env } from '@ron/kernel';
import { limits, type OapCall, type OapReply } from '@ron/oap';
import { type Contract, type Operation, type Principal, routeClassOf } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Authenticator } from './access.ts';
import { discardBody } from './bodies.ts';
import { stopping } from './ceilings.ts';
import { Context } from './context.ts';
import type { Admission } from './define.ts';
import type { Dispatcher, Incoming, Outgoing } from './dispatcher.ts';

export interface RelayOptions {
  readonly env: Pick<Env, 'clock'>;
  readonly contract: Contract;
  /** Says whose quota a call counts for; what it may do, the process that serves the contract decides. */
  readonly authenticator: Authenticator;
  /** Throws `quota_exhausted`. */
  readonly admit: (admission: Admission) => unknown;
  readonly send: (call: OapCall, operation: Operation) => Promise<OapReply>;
  /** Calls at a time. Default 512. */
  readonly inflightMax?: number;
}

const nobody: Principal = { subject: '', capabilityId: '', tenant: '', limits: {}, allows: () => false };
const encoder = new TextEncoder();

/** A contract that another process of the node serves to clients: each call is passed on as it came, with its own capability. */
export function createRelay(options: RelayOptions): Dispatcher {
  return new Relay(options);
}

class Relay implements Dispatcher {
  readonly contract: Contract;
  readonly #options: RelayOptions;
  readonly #running = new Set<Context>();
  #draining: PromiseWithResolvers<void> | undefined;

  constructor(options: RelayOptions) {
    this.contract = options.contract;
    this.#options = options;
  }

  get inflight(): number {
    return this.#running.size;
  }

  async dispatch(incoming: Incoming, onStart?: (context: Context) => void): Promise<Outgoing> {
    const operations: Readonly<Record<string, Operation>> = this.contract.operations;
    const operation = Object.hasOwn(operations, incoming.operation) ? operations[incoming.operation] : undefined;
    if (operation === undefined) throw new RonError('not_found', 'there is no such operation');
    if (this.#draining !== undefined) throw stopping();
    if (this.#running.size >= (this.#options.inflightMax ?? 512)) throw crowded();
    const context = this.#contextOf(incoming, operation);
    this.#running.add(context);
    onStart?.(context);
    try {
      await this.#admit(incoming, operation);
      const call = { ...callOf(this.contract.app, incoming, context), timeoutMs: timeoutOf(incoming, operation) };
      const reply = await this.#options.send(call, operation);
      const kept = reply.receipt === undefined ? {} : { receipt: reply.receipt };
      return {
        output: reply.output,
        body: reply.body,
        quota: undefined,
        release: () => reply.body && discardBody(reply.body),
        ...kept,
      };
    } finally {
      context.end();
      this.#left(context);
    }
  }

  #left(context: Context): void {
    this.#running.delete(context);
    if (this.#running.size === 0) this.#draining?.resolve();
  }

  drain(): Promise<void> {
    this.#draining ??= Promise.withResolvers();
    if (this.#running.size === 0) this.#draining.resolve();
    return this.#draining.promise;
  }

  abort(reason: RonError): void {
    for (const context of this.#running) context.abort(reason);
  }

  async #admit(incoming: Incoming, operation: Operation): Promise<void> {
    const { authenticator, admit } = this.#options;
    const principal = await authenticator.authenticate(incoming.credential, incoming.remote);
    admit({
      operation: incoming.operation,
      mutation: operation.mutation === true,
      routeClass: routeClassOf(operation),
      principal,
      tenant: principal.tenant,
      bodyBytes: incoming.bodyBytes,
    });
  }

  #contextOf(incoming: Incoming, operation: Operation): Context {
    const { corrId, traceparent, idempotencyKey } = incoming;
    const timeoutMs = timeoutOf(incoming, operation) ?? Number.POSITIVE_INFINITY;
    return new Context({
      corrId,
      traceparent,
      tenant: '',
      principal: nobody,
      deadlineMs: this.#options.env.clock.monotonicMs() + timeoutMs,
      idempotencyKey,
      parent: undefined,
    });
  }
}

/** The operation's own limit at most: a process that does not keep it must not hold its callers. */
function timeoutOf({ timeoutMs: asked }: Incoming, { body, limits: own }: Operation): number | undefined {
  const takes = body === 'in' || body === 'both';
  const ownMs = own?.timeoutMs ?? (takes ? undefined : limits.controlRequestTimeoutMs);
  return asked === undefined || ownMs === undefined ? (asked ?? ownMs) : Math.min(asked, ownMs);
}

function callOf(app: number, incoming: Incoming, context: Context): OapCall {
  const { token, proof } = incoming.credential;
  return {
    app,
    operation: incoming.operation,
    input: incoming.input,
    body: incoming.bodyBytes === 0 ? undefined : incoming.body,
    bodyBytes: incoming.bodyBytes,
    capability: typeof token === 'string' ? encoder.encode(token) : token,
    proof,
    tenantName: incoming.tenant,
    corrId: incoming.corrId,
    traceparent: incoming.traceparent,
    idempotencyKey: incoming.idempotencyKey,
    ...(incoming.receipt ? { receipt: true } : {}),
    remote: incoming.remote,
    signal: context.signal,
  };
}

function crowded(): RonError {
  return new RonError('unavailable', 'too many requests in flight', {
    retryAfterMs: 250,
    details: { gate: 'inflight' },
  });
}
