import { fullJitterMs } from './backoff.ts';
import { withDeadline } from './deadline.ts';
import type { Timer } from './env/clock.ts';
import type { Running, ServiceSpec, ServiceState, ServiceStatus, SupervisorPorts } from './supervisor.ts';

/** A service that ran this long has recovered: its next crash starts the backoff anew. */
const healthyMs = 60_000;
export const restartsMax = 5;
const restartWindowMs = 60_000;
const reasonLengthMax = 300;

/** One service under supervision: at any time it starts, runs, waits for its turn, or rests. */
export class SupervisedService {
  readonly name: string;
  readonly #spec: ServiceSpec;
  readonly #ports: SupervisorPorts;
  #state: ServiceState = 'starting';
  #reason: string | undefined;
  #restarts = 0;
  #failures = 0;
  /** Monotonic times of the restarts inside the window; at most `restartsMax`. */
  #recent: number[] = [];
  #running: Running | undefined;
  #runningSinceMs = 0;
  #timer: Timer | undefined;
  #starting: { readonly abort: AbortController; readonly settled: Promise<void> } | undefined;

  constructor(spec: ServiceSpec, ports: SupervisorPorts) {
    this.name = spec.name;
    this.#spec = spec;
    this.#ports = ports;
  }

  get status(): ServiceStatus {
    return { service: this.name, state: this.#state, restarts: this.#restarts, reason: this.#reason };
  }

  async startFirst(): Promise<void> {
    this.#gate(false, 'starting');
    try {
      await this.#start();
    } catch (error) {
      this.#state = 'stopped';
      this.#ports.health.remove(this.#gateName);
      throw error;
    }
  }

  release(): boolean {
    if (this.#state !== 'quarantined') return false;
    this.#recent = [];
    this.#failures = 0;
    this.#restart();
    return true;
  }

  async stop(): Promise<void> {
    const wasFinished = this.#state === 'finished';
    this.#state = 'stopped';
    this.#timer?.cancel();
    this.#gate(false, 'stopped');
    if (this.#starting !== undefined) {
      this.#starting.abort.abort(new Error('the node is stopping'));
      await this.#starting.settled;
    }
    if (!wasFinished) await this.#dispose();
  }

  /** Settles within the start's deadline. A start that succeeds after it, or after a stop, is disposed. */
  async #start(): Promise<void> {
    const { clock } = this.#ports;
    const deadlineMs = this.#spec.startDeadlineMs ?? 30_000;
    const abort = new AbortController();
    const settled = Promise.withResolvers<void>();
    this.#starting = { abort, settled: settled.promise };
    this.#state = 'starting';
    // `async` turns a synchronous throw into a rejection.
    const attempt = (async () => this.#spec.start(abort.signal))();
    try {
      const running = await withDeadline(clock, attempt, deadlineMs, `the start of ${this.name}`);
      this.#running = running;
      if (this.#stopping) return;
      this.#runningSinceMs = clock.monotonicMs();
      this.#state = 'running';
      this.#gate(true, '');
      running.done?.then(
        () => this.#finished(running),
        (error: unknown) => this.#crashed(running, error),
      );
    } catch (error) {
      abort.abort(error);
      attempt.then((late) => this.#disposeOf(late)).catch(() => undefined); // Its failure is the one being reported.
      throw error;
    } finally {
      this.#starting = undefined;
      settled.resolve();
    }
  }

  get #stopping(): boolean {
    return this.#state === 'stopped';
  }

  #finished(running: Running): void {
    if (this.#running !== running || this.#stopping) return;
    this.#state = 'finished';
    this.#gate(true, 'finished');
    void this.#dispose();
  }

  #crashed(running: Running, error: unknown): void {
    if (this.#running !== running || this.#stopping) return;
    if (this.#ports.clock.monotonicMs() - this.#runningSinceMs >= healthyMs) this.#failures = 0;
    this.#state = 'waiting';
    // What is left of it must be gone before its successor wants the same port or file.
    void this.#dispose().then(() => this.#afterFailure(error));
  }

  #afterFailure(error: unknown): void {
    if (this.#stopping) return;
    const { bus, clock, onCrash, random } = this.#ports;
    const reason = reasonOf(error);
    this.#reason = reason;
    onCrash?.(this.name, error);
    bus.publish({ type: 'ServiceCrashed', service: this.name, reason });
    const now = clock.monotonicMs();
    this.#recent = this.#recent.filter((at) => now - at < restartWindowMs);
    if (this.#recent.length >= restartsMax) {
      this.#state = 'quarantined';
      this.#gate(false, `quarantined after ${restartsMax} restarts: ${reason}`);
      return;
    }
    this.#state = 'waiting';
    this.#gate(false, `crashed: ${reason}`);
    this.#timer = clock.after(fullJitterMs(random, this.#failures++), () => this.#restart());
  }

  #restart(): void {
    this.#restarts++;
    this.#recent.push(this.#ports.clock.monotonicMs());
    this.#ports.metrics
      ?.counter('service_restarts_total', 'Restarts after a crash', ['service'])
      .labels({ service: this.name })
      .inc();
    this.#start().catch((error: unknown) => this.#afterFailure(error));
  }

  async #dispose(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running !== undefined) await this.#disposeOf(running);
  }

  async #disposeOf(running: Running): Promise<void> {
    const deadlineMs = this.#spec.stopDeadlineMs ?? 10_000;
    try {
      const stopped = (async () => running[Symbol.asyncDispose]())();
      await withDeadline(this.#ports.clock, stopped, deadlineMs, `the stop of ${this.name}`);
    } catch (error) {
      // The others are still stopped; the log says who did not.
      this.#ports.onCrash?.(this.name, error);
    }
  }

  get #gateName(): string {
    return `service:${this.name}`;
  }

  #gate(ok: boolean, reason: string): void {
    this.#ports.health.set(this.#gateName, ok, reason);
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, reasonLengthMax);
}
