import type { Env, KernelBus, Log, Metrics } from '@ron/kernel';
import type { Contract, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Authenticator } from './access.ts';
import type { CeilingOptions } from './ceilings.ts';
import type { Gate, LiveConfig, Running, Service } from './define.ts';
import { createDispatcher } from './dispatch.ts';
import type { Dispatcher, DispatcherOptions } from './dispatcher.ts';

export interface HostOptions
  extends CeilingOptions,
    Pick<DispatcherOptions, 'policy' | 'audit' | 'admit' | 'pressure'> {
  readonly env: Env;
  readonly bus: KernelBus;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly authenticator: Authenticator;
  /** Milliseconds that running calls get at stop before they are aborted. Default 5,000. */
  readonly drainMs?: number;
}

export interface StartOptions {
  readonly config: LiveConfig<unknown>;
  readonly peers: Readonly<Record<string, Peer<Contract>>>;
  readonly engines: unknown;
}

/** A service that runs behind its pipeline, whatever binding carries its requests. */
export interface HostedService extends AsyncDisposable {
  readonly name: string;
  readonly dispatcher: Dispatcher;
  /** The quota stage of the service, for those that have none of their own. */
  readonly admit: Running<Contract>['admit'];
  gates(): readonly Gate[];
}

const drainMsDefault = 5_000;

/**
 * Starts a service with its ports. Dispose drains it: new calls are refused, those that wait idle end at once, the
 * others get `drainMs` to end and are then aborted, and its resources are released last.
 */
export async function hostService(service: Service, options: HostOptions, start: StartOptions): Promise<HostedService> {
  const { name } = service.contract;
  for (const used of Object.keys(service.uses)) {
    if (start.peers[used] === undefined) throw new Error(`service ${name} uses ${used}, and no peer was given`);
  }
  const stopping = new AbortController();
  const log = options.log.child({ service: name });
  const running: Running<Contract> = await service.start({
    config: start.config,
    peers: start.peers,
    engines: start.engines,
    bus: options.bus,
    metrics: options.metrics,
    log,
    env: options.env,
    signal: stopping.signal,
  });
  const dispatcher = await dispatcherOf(service, running, { ...options, log });
  return {
    name,
    dispatcher,
    admit: running.admit,
    gates: () => (running.gates?.() ?? []).map((gate) => ({ ...gate, gate: `${name}.${gate.gate}` })),
    async [Symbol.asyncDispose]() {
      await drained(dispatcher, options);
      stopping.abort();
      await running[Symbol.asyncDispose]();
    },
  };
}

/** A service whose pipeline cannot be built is not left running. */
async function dispatcherOf(service: Service, running: Running<Contract>, options: HostOptions): Promise<Dispatcher> {
  try {
    return createDispatcher({ contract: service.contract, running, ...options });
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

function drained(dispatcher: Dispatcher, { env, drainMs = drainMsDefault }: HostOptions): Promise<void> {
  return new Promise((resolve) => {
    const timer = env.clock.after(drainMs, () => {
      dispatcher.abort(new RonError('unavailable', 'the node is stopping', { retryAfterMs: 1_000 }));
      resolve();
    });
    void dispatcher.drain().then(() => {
      timer.cancel();
      resolve();
    });
  });
}
