import type { Env, KernelBus, Log, Metrics } from '@ron/kernel';
import type { Contract, Handlers, Peer, Principal, RouteClass } from '@ron/proto/contract';
import type { Static, TSchema } from 'typebox';

/** A configuration table that may change while the service runs. `current()` is cheap; read it per call, do not keep it. */
export interface LiveConfig<T> {
  current(): Readonly<T>;
  /** Called after a reload that changed this table. */
  onChange(listener: (next: Readonly<T>) => void): Disposable;
}

export type Uses = Readonly<Record<string, Contract>>;

/** Everything that a service is given; it reaches for nothing else. */
export interface Ports<Config, U extends Uses, Engines> {
  readonly config: LiveConfig<Config>;
  readonly peers: { readonly [K in keyof U]: Peer<U[K]> };
  /** Chosen by the profile: RAM, disk, … */
  readonly engines: Engines;
  readonly bus: KernelBus;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly env: Env;
  /** Aborted when the service is to stop. */
  readonly signal: AbortSignal;
}

/** One condition of readiness. `reason` is for people and required when not ok. */
export interface Gate {
  readonly gate: string;
  readonly ok: boolean;
  readonly reason?: string;
  /** What was measured, and from where on it is not ok, in the gate's own unit; for gates that measure. */
  readonly value?: number;
  readonly bound?: number;
}

/** What admission may look at before a handler runs. */
export interface Admission {
  readonly operation: string;
  readonly mutation: boolean;
  readonly routeClass: RouteClass;
  readonly principal: Principal;
  readonly tenant: string;
  readonly bodyBytes: number | undefined;
}

/** The state of the bucket that was charged, for RateLimit headers. */
export interface QuotaReport {
  /** The name of the bucket: letters, digits and `_`. Default `default`. */
  readonly quota?: string;
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds in which no more than `remaining` should be used: at least until the bucket is full again. */
  readonly windowMs: number;
  /** The value of `RateLimit-Policy`. */
  readonly policy?: string;
}

export interface Running<C extends Contract> extends AsyncDisposable {
  readonly handlers: Handlers<C>;
  /** Conditions beside "started"; asked on each readiness probe. */
  readonly gates?: () => readonly Gate[];
  /** The quota stage of the pipeline. Throws `quota_exhausted` with the exact wait. */
  readonly admit?: (admission: Admission) => QuotaReport | undefined;
}

export interface ServiceDefinition<C extends Contract, S extends TSchema, U extends Uses, Engines> {
  readonly contract: C;
  /** Table of the configuration file, named as the contract. */
  readonly config: S;
  readonly uses: U;
  start(ports: Ports<Static<S>, U, Engines>): Promise<Running<C>>;
}

/** A service with its types erased, as profiles and tools hold it. */
export interface Service {
  readonly contract: Contract;
  readonly config: TSchema;
  readonly uses: Uses;
  start(ports: Ports<unknown, Uses, unknown>): Promise<Running<Contract>>;
}

/** Checks a service's types in one place and hands it to profiles as plain data. */
export function defineService<C extends Contract, S extends TSchema, U extends Uses, Engines>(
  definition: ServiceDefinition<C, S, U, Engines>,
): Service {
  // The one cast of the template: the profile supplies config, peers and engines of the definition's own shapes.
  return definition as unknown as Service;
}
