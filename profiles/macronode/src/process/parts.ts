import type { Config, Env, KernelBus, LoadMeter, Log, Metrics } from '@ron/kernel';
import type { Dispatcher, Gate, HostedService, OapPool } from '@ron/service';
import type { MacronodeTables } from '../config.ts';
import type { Role } from '../topology.ts';
import type { Facts, StartOrder } from './messages.ts';

/** What a role is made of. What it opens goes on the stack, which is disposed in reverse. */
export interface RoleParts {
  readonly order: StartOrder;
  readonly env: Env;
  readonly config: Config<MacronodeTables>;
  readonly log: Log;
  readonly accessLog: Log;
  readonly metrics: Metrics;
  readonly bus: KernelBus;
  readonly load: LoadMeter;
  readonly stack: AsyncDisposableStack;
  /** The process of a role, on the Private Plane, with the capability for it. */
  pool(role: Role): OapPool;
  /** The same process on the Public Plane: calls carry the capabilities of clients. */
  publicPool(role: Role): OapPool;
}

/** A role that runs. */
export interface RunningRole {
  readonly hosted: readonly HostedService[];
  /** Served to the other processes, with their capabilities. */
  readonly privately?: readonly Dispatcher[];
  /** Served to clients, through omnigate or a gateway. */
  readonly publicly?: readonly Dispatcher[];
  readonly facts?: Facts;
  readonly gates?: () => readonly Gate[];
  /** Another process is about to be replaced, or is back. Resolves when calls for it are held, or go there again. */
  readonly pause?: (target: string, paused: boolean) => Promise<void>;
  /** How the rest of the cluster is. */
  readonly cluster?: (gates: readonly Gate[]) => void;
  /** Bytes of one request's JSON from clients. */
  readonly controlBytesMax?: () => number;
}
