import type { Metrics } from '@ron/metrics';
import type { Clock } from './env/clock.ts';
import type { Random } from './env/random.ts';
import type { HealthState } from './health.ts';
import type { KernelBus } from './kernel-bus.ts';
import { SupervisedService } from './supervised-service.ts';

/** What a start gives back. */
export interface Running extends AsyncDisposable {
  /** Rejects when the service crashes; resolves when it ends by itself, which is no crash. Absent: it runs until disposed. */
  readonly done?: Promise<void>;
}

export interface ServiceSpec {
  readonly name: string;
  /** `signal` aborts when the start has become pointless: its deadline passed or the node is stopping. */
  start(signal: AbortSignal): Promise<Running>;
  /** 30 s by default. */
  readonly startDeadlineMs?: number;
  /** 10 s by default; after it the service is left behind. */
  readonly stopDeadlineMs?: number;
}

export type ServiceState = 'starting' | 'running' | 'waiting' | 'quarantined' | 'finished' | 'stopped';

export interface ServiceStatus {
  readonly service: string;
  readonly state: ServiceState;
  /** Since the process started. */
  readonly restarts: number;
  /** Of the last crash. */
  readonly reason: string | undefined;
}

export interface SupervisorPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly bus: KernelBus;
  /** Gets a gate `service:<name>` for each. */
  readonly health: HealthState;
  /** Gets `service_restarts_total{service}`. */
  readonly metrics?: Metrics;
  /** The error itself, for the log; the event on the bus holds only its message. */
  readonly onCrash?: (service: string, error: unknown) => void;
}

/** Starts services in the order of the calls, restarts those that crash, stops all in reverse. */
export interface Supervisor extends AsyncDisposable {
  /** Resolves when the service runs. A first start that fails rejects and leaves nothing behind: that is a wrong configuration, not a crash. */
  supervise(spec: ServiceSpec): Promise<void>;
  /** Ends a quarantine; false when there is none. A `ConfigUpdated` on the bus ends all of them. */
  release(service: string): boolean;
  readonly status: readonly ServiceStatus[];
  /** Publishes `Shutdown`, then stops in reverse, each within its deadline. Idempotent. */
  stop(): Promise<void>;
}

export function createSupervisor(ports: SupervisorPorts): Supervisor {
  return new OrderedSupervisor(ports);
}

class OrderedSupervisor implements Supervisor {
  readonly #ports: SupervisorPorts;
  readonly #services: SupervisedService[] = [];
  readonly #configEvents: Disposable;
  #stopped: Promise<void> | undefined;

  constructor(ports: SupervisorPorts) {
    this.#ports = ports;
    this.#configEvents = ports.bus.onEvent((event) => {
      if (event.type === 'ConfigUpdated') for (const service of this.#services) service.release();
    });
  }

  get status(): readonly ServiceStatus[] {
    return this.#services.map((service) => service.status);
  }

  async supervise(spec: ServiceSpec): Promise<void> {
    if (this.#stopped !== undefined) throw new Error('the supervisor is stopped');
    if (this.#services.some((service) => service.name === spec.name))
      throw new Error(`${spec.name} is already supervised`);
    const service = new SupervisedService(spec, this.#ports);
    this.#services.push(service);
    try {
      await service.startFirst();
    } catch (error) {
      this.#services.splice(this.#services.indexOf(service), 1);
      throw error;
    }
  }

  release(service: string): boolean {
    return this.#services.find((candidate) => candidate.name === service)?.release() ?? false;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stopAll(): Promise<void> {
    this.#configEvents[Symbol.dispose]();
    this.#ports.bus.publish({ type: 'Shutdown' });
    for (const service of this.#services.toReversed()) await service.stop();
  }
}
