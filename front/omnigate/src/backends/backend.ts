import type { Env, NetAddress } from '@ron/kernel';
import { limits, type OapCall, type RefusalReason } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import { gatewayContract } from '@ron/proto/gateway';
import type { BackendView } from '@ron/proto/omnigate';
import { type Answered, LinkPool, Unsent } from '../calls/link-pool.ts';
import type { OmnigateConfig } from '../config.ts';
import { GradientLimit } from './gradient-limit.ts';
import { BackendHealth, type HealthEvent } from './health.ts';
import type { Measured } from './outliers.ts';
import type { OwnLag } from './own-lag.ts';

export interface BackendOptions {
  readonly env: Env;
  readonly name: string;
  readonly address: NetAddress;
  readonly config: Readonly<OmnigateConfig>;
  /** How late this process itself is. */
  readonly lag: OwnLag;
  /** Its phase changed. */
  readonly onPhase: (backend: Backend) => void;
  /** A call could not reach it: ask it now. */
  readonly onSuspicion: (backend: Backend) => void;
}

/** Answers that its average needs before it says something. */
const latencySamplesMin = 20;
const latencyShare = 0.05;
const agent = 'omnigate';

/** A call without its connection: what is asked, by whom, until when. */
export interface BackendCall extends OapCall {
  /** Waits idle: its time says nothing. */
  readonly waits: boolean;
  /** Cut off when the backend turns out to be dead, to be asked elsewhere. */
  readonly restartable: boolean;
  /** Milliseconds to the answer say how loaded the backend is: false for calls with a body, which its caller sends. */
  readonly timed: boolean;
  /**
   * It has the whole time of its operation, so that being late says something about the backend. How much less a caller
   * grants is the caller's choice, and no tenant's choice takes a backend from the others.
   */
  readonly lateTells: boolean;
  readonly label: string;
}

/** One gateway behind the front: its state, its share, its connections, its calls. */
export class Backend implements Measured {
  readonly name: string;
  readonly address: NetAddress;
  readonly health: BackendHealth;
  readonly limit: GradientLimit;
  readonly #options: BackendOptions;
  readonly #links: LinkPool;
  /** Calls that hold room; bounded by the limit. */
  inflight = 0;
  /** Calls that wait idle, counted apart. */
  waiting = 0;
  #latencyMs: number | undefined;
  #latencySamples = 0;
  /** Answers of any kind, to tell a silent backend from a busy one. */
  #answers = 0;
  readonly #restartable = new Set<() => void>();

  constructor(options: BackendOptions) {
    const { env, name, address, config } = options;
    this.#options = options;
    this.name = name;
    this.address = address;
    this.health = new BackendHealth({ slowStartMs: config.slow_start_ms }, env.clock.monotonicMs());
    const { concurrency_initial, concurrency_min, concurrency_max, connections_max } = config;
    // Half of the streams are for calls that work, the other half for those that wait idle.
    const max = Math.min(concurrency_max, connections_max * (limits.streamsPerConnectionMax / 2));
    const bounded = (count: number) => Math.min(max, count);
    this.limit = new GradientLimit({ initial: bounded(concurrency_initial), min: bounded(concurrency_min), max });
    const dialMs = config.probe_timeout_ms;
    this.#links = new LinkPool({ env, address, connectionsMax: connections_max, dialMs, agent });
  }

  get takesCalls(): boolean {
    return this.health.takesCalls;
  }

  get failsCalls(): boolean {
    return this.health.failsCalls;
  }

  get ejectedByStatistics(): boolean {
    return this.health.ejectedByStatistics;
  }

  get latencyMs(): number | undefined {
    return this.#latencySamples < latencySamplesMin ? undefined : this.#latencyMs;
  }

  get weight(): number {
    return this.health.weight(this.#options.env.clock.monotonicMs());
  }

  get hasRoom(): boolean {
    return this.takesCalls && this.inflight < this.limit.limit;
  }

  get answers(): number {
    return this.#answers;
  }

  /** Tells its health what happened; what follows from a change of phase is done. */
  note(event: HealthEvent): void {
    const nowMs = this.#options.env.clock.monotonicMs();
    const { reason } = this.health;
    if (!this.health.on(event, nowMs)) {
      // It never was anything else than ejected, so that no change of its phase says why.
      if (this.health.reason === noOap && reason !== noOap) this.#options.onPhase(this);
      return;
    }
    if (this.health.phase === 'ejected') this.#ejected();
    if (this.health.phase === 'joining') this.limit.reset(nowMs);
    this.#options.onPhase(this);
  }

  tick(nowMs: number): void {
    if (this.health.tick(nowMs)) this.#options.onPhase(this);
  }

  /** Rejects with `RonError`, or with what the source of the call's body threw. */
  async call(call: BackendCall): Promise<Answered> {
    const { env, lag } = this.#options;
    const { clock } = env;
    lag.watch();
    const startMs = clock.monotonicMs();
    const inflight = this.inflight;
    const cut = call.restartable ? this.#cuttable(call) : undefined;
    try {
      const answered = await this.#links.call(cut === undefined ? call : { ...call, signal: cut.signal });
      this.#answered(call, clock.monotonicMs() - startMs, inflight);
      return answered;
    } catch (thrown) {
      const error = cut?.signal.aborted && !call.signal?.aborted ? lost(thrown) : thrown;
      this.#failed(call, error);
      throw error;
    } finally {
      cut?.end();
    }
  }

  /** A call that anybody may make and that does nothing, past the limit. Rejects with `RonError`: also with what the backend says to it. */
  async ping(corrId: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { app } = gatewayContract;
    const answered = await this.#links.call({ app, operation: 'whoami', input: {}, corrId, timeoutMs, signal });
    answered.done();
  }

  view(): BackendView {
    const nowMs = this.#options.env.clock.monotonicMs();
    const { phase, reason, operatorDrain, ejectionsTotal } = this.health;
    const { latencyMs } = this;
    return {
      backend: this.name,
      address: textOf(this.address),
      phase,
      ...(reason === undefined ? {} : { reason }),
      phase_ms: Math.floor(this.health.phaseMs(nowMs)),
      weight: this.weight,
      inflight: this.inflight,
      waiting: this.waiting,
      limit: this.limit.limit,
      ...(latencyMs === undefined ? {} : { latency_ms: Math.round(latencyMs * 100) / 100 }),
      connections: this.#links.connections,
      ejections: ejectionsTotal,
      operator_drain: operatorDrain,
    };
  }

  close(): void {
    this.#links.close();
  }

  #cuttable({ signal }: BackendCall): { readonly signal: AbortSignal; end(): void } {
    const controller = new AbortController();
    const cut = (): void => controller.abort();
    if (signal?.aborted) cut();
    signal?.addEventListener('abort', cut, { once: true });
    this.#restartable.add(cut);
    return {
      signal: controller.signal,
      end: () => {
        signal?.removeEventListener('abort', cut);
        this.#restartable.delete(cut);
      },
    };
  }

  /** Reads without an answer begin again elsewhere; changes go on to their deadlines, for they may have been made. */
  #ejected(): void {
    this.#latencyMs = undefined;
    this.#latencySamples = 0;
    if (this.health.ejectedByStatistics) return;
    for (const cut of [...this.#restartable]) cut();
  }

  #answered({ label, timed, waits }: BackendCall, latencyMs: number, inflight: number): void {
    this.#answers += 1;
    this.note({ kind: 'call_ok' });
    if (!timed || waits) return;
    const { env, lag } = this.#options;
    this.limit.sample(label, latencyMs - lag.ms, inflight, env.clock.monotonicMs());
    this.#latencySamples += 1;
    this.#latencyMs =
      this.#latencyMs === undefined ? latencyMs : this.#latencyMs + latencyShare * (latencyMs - this.#latencyMs);
  }

  /** What a failure says about the backend, and not about the call. */
  #failed({ signal, lateTells }: BackendCall, error: unknown): void {
    if (signal?.aborted || !(error instanceof RonError)) return;
    const answered = saidByBackend(error);
    if (answered) this.#answers += 1;
    if (!answered) {
      const late = error.code === 'deadline_exceeded';
      if (late && !lateTells) return;
      this.note({ kind: 'call_failed' });
      if (!late) this.#options.onSuspicion(this);
      return;
    }
    if (error.code === 'internal') {
      this.note({ kind: 'call_failed' });
      return;
    }
    this.note({ kind: 'call_ok' });
    if (error.code !== 'unavailable') return;
    if (saysDraining(error)) this.note({ kind: 'said_draining' });
    else this.limit.refused(this.#options.env.clock.monotonicMs());
  }
}

/** An error frame carries the call's corr_id; what our own side of the connection made up does not. */
export function saidByBackend(error: RonError): boolean {
  return !(error instanceof Unsent) && error.details !== undefined && 'corr_id' in error.details;
}

/** What is at the address answers in another protocol: HTTP, as a rule. */
export const noOap = 'it does not speak OAP/1; start the node with --oap';

/** Violations that the first bytes of a stranger are. */
const strangeBytes: ReadonlySet<unknown> = new Set<RefusalReason>([
  'len_too_small',
  'len_too_large',
  'unknown_version',
  'first_frame_not_hello',
  'hello_malformed',
]);

export function speaksNoOap(error: RonError): boolean {
  return !saidByBackend(error) && strangeBytes.has(error.details?.['reason']);
}

export function saysDraining({ code, details }: RonError): boolean {
  return code === 'unavailable' && details?.['gate'] === 'draining';
}

function lost(cause: unknown): RonError {
  return new RonError('unavailable', 'the backend does not answer any more', { cause, retryAfterMs: 250 });
}

function textOf(address: NetAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
