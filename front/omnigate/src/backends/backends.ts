import type { Env, NetAddress, Timer } from '@ron/kernel';
import { limits } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import type { LiveConfig } from '@ron/service';
import type { OmnigateConfig } from '../config.ts';
import { Backend, noOap } from './backend.ts';
import { leastLoaded } from './choice.ts';
import { outliersOf } from './outliers.ts';
import { OwnLag } from './own-lag.ts';
import { Prober } from './prober.ts';

export interface BackendAddress {
  /** Shown in views, logs and metric labels. */
  readonly name: string;
  readonly address: NetAddress;
}

export interface BackendsOptions {
  readonly env: Env;
  readonly config: LiveConfig<OmnigateConfig>;
  readonly addresses: readonly BackendAddress[];
  readonly onPhase: (backend: Backend) => void;
}

/** How many a front may have: each is asked twice a second, and each choice looks at all. */
export const backendsMax = 64;
const tickMs = 250;

/** The gateways behind the front, and which of them gets the next call. */
export class Backends implements Disposable {
  readonly all: readonly Backend[];
  readonly #env: Env;
  readonly #config: LiveConfig<OmnigateConfig>;
  readonly #probers: readonly Prober[];
  #timer: Timer | undefined;

  constructor({ env, config, addresses, onPhase }: BackendsOptions) {
    this.#env = env;
    this.#config = config;
    if (addresses.length === 0 || addresses.length > backendsMax)
      throw new RangeError(`a front has 1 to ${backendsMax} backends`);
    if (new Set(addresses.map(({ name }) => name)).size < addresses.length)
      throw new RangeError('two backends have one name');
    const probers = new Map<Backend, Prober>();
    const onSuspicion = (backend: Backend): void => probers.get(backend)?.probe();
    const lag = new OwnLag(env.clock);
    this.all = addresses.map(
      ({ name, address }) => new Backend({ env, name, address, config: config.current(), lag, onPhase, onSuspicion }),
    );
    for (const backend of this.all) {
      const intervalMs = () => config.current().probe_interval_ms;
      const timeoutMs = () => config.current().probe_timeout_ms;
      probers.set(backend, new Prober({ env, backend, intervalMs, timeoutMs }));
    }
    this.#probers = [...probers.values()];
  }

  start(): void {
    for (const prober of this.#probers) prober.start();
    this.#arm();
  }

  /** Calls that may run at once. */
  get capacity(): number {
    let sum = 0;
    for (const backend of this.all) if (backend.takesCalls) sum += Math.max(backend.limit.limit, backend.inflight);
    return sum;
  }

  /** Room at the backend that has most of it; it is counted as a call there. */
  take(except?: Backend): Backend | undefined {
    const free = this.all.filter((backend) => backend.hasRoom && backend !== except);
    const best = leastLoaded(free, () => this.#env.random.unit());
    if (best !== undefined) best.inflight += 1;
    return best;
  }

  giveBack(backend: Backend): void {
    backend.inflight -= 1;
  }

  /** A place for a call that waits idle. */
  takeWaiting(): Backend | undefined {
    const { connections_max } = this.#config.current();
    // Half of the streams: calls that work always find one.
    const room = connections_max * (limits.streamsPerConnectionMax / 2);
    const taking = this.all.filter((backend) => backend.takesCalls && backend.waiting < room);
    const loads = taking.map((backend) => ({ backend, inflight: backend.waiting, weight: backend.weight }));
    const best = leastLoaded(loads, () => this.#env.random.unit())?.backend;
    if (best !== undefined) best.waiting += 1;
    return best;
  }

  /** Why nothing can be served at all; undefined while one takes calls. The gate is never `draining`: the front stays. */
  refusal(): RonError | undefined {
    if (this.all.some((backend) => backend.takesCalls)) return undefined;
    const draining = this.all.some(({ health }) => health.phase === 'draining');
    const retryAfterMs = this.#config.current().probe_interval_ms;
    const strange = this.all.some(({ health }) => health.reason === noOap);
    const silent = strange ? 'a backend does not speak OAP/1; start the node with --oap' : 'no backend answers';
    const why = draining ? 'all backends are draining' : silent;
    return new RonError('unavailable', why, { retryAfterMs, details: { gate: 'backends' } });
  }

  /** Those that take no calls and may still answer: for operators, who must get at a front that has drained all. */
  get lastResorts(): readonly Backend[] {
    const { all } = this;
    const draining = all.filter(({ health }) => health.phase === 'draining');
    return [...draining, ...all.filter((backend) => backend.ejectedByStatistics)];
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    for (const prober of this.#probers) prober.stop();
    for (const backend of this.all) backend.close();
  }

  #arm(): void {
    this.#timer = this.#env.clock.after(tickMs, () => {
      const nowMs = this.#env.clock.monotonicMs();
      for (const backend of this.all) backend.tick(nowMs);
      for (const { backend, reason } of outliersOf(this.all)) backend.note({ kind: 'outlier', reason });
      this.#arm();
    });
  }
}
