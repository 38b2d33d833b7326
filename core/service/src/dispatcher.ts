import type { Env, Log, Metrics } from '@ron/kernel';
import type { CallContext, Contract, Principal } from '@ron/proto/contract';
import type { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { Authenticator, Credential } from './access.ts';
import type { CeilingOptions } from './ceilings.ts';
import type { Context } from './context.ts';
import type { Admission, QuotaReport, Running } from './define.ts';
import type { IdempotencyStore } from './idempotency.ts';
import type { Pressure } from './pressure-gate.ts';
import type { AuditStage, PolicyStage } from './stages.ts';

/** A request as every binding hands it over: parsed and bounded on its own wire, nothing decided yet. */
export interface Incoming {
  readonly operation: string;
  readonly input: unknown;
  readonly body?: ByteStream | undefined;
  readonly bodyBytes?: number | undefined;
  readonly credential: Credential;
  /** Who asks, as the channel proved it, in place of a capability. Unlike `credential.principal` it is somebody from outside. */
  readonly caller?: Principal | undefined;
  readonly corrId: string;
  readonly traceparent?: string | undefined;
  readonly tenant?: string | undefined;
  /** Milliseconds that the caller grants; the operation's own limit holds when it is less. */
  readonly timeoutMs?: number | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The caller wants the proof that this call is in the audit log. */
  readonly receipt?: boolean | undefined;
  readonly remote: string;
  /** The binding asked about pressure (`askPressure`) before it read the request's body. */
  readonly pressureAsked?: boolean;
  /** Set by the local binding: the call on whose behalf this one is made. */
  readonly parent?: CallContext | undefined;
}

export interface Outgoing {
  readonly output: unknown;
  /** To be read to its end or left; it ends with the call on whose behalf it was asked for, at the latest. */
  readonly body: ByteStream | undefined;
  readonly quota: QuotaReport | undefined;
  /** When the caller asked for one, and the operation is audited: see docs/specs/audit.md. */
  readonly receipt?: string;
  /** To be called when the body will not be read. Idempotent. */
  release(): void;
}

export interface Dispatcher {
  readonly contract: Contract;
  /** Rejects with `RonError` only. `onStart` receives the call's context, so that a binding can abort it. */
  dispatch(incoming: Incoming, onStart?: (context: Context) => void): Promise<Outgoing>;
  /**
   * For a binding that has to read a body before it can dispatch: whether the call is refused for pressure anyway. Throws
   * that refusal, which is counted as the call's. Absent: `dispatch` asks whatever there is to ask.
   */
  askPressure?(operation: string, waitedMs?: number): void;
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
  /** Asked first about calls from outside the process; one for all its services. Absent: nothing is shed. */
  readonly pressure?: Pressure;
  /** Asked about calls from outside the node; those of its own services are part of one that was asked about. */
  readonly policy?: PolicyStage;
  /** Told of calls from outside the node. */
  readonly audit?: AuditStage;
  /** The quota stage of a service that has none of its own; for calls from outside the node. */
  readonly admit?: (admission: Admission) => QuotaReport | undefined;
}
