import type { Env, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { uuidV7 } from '@ron/service';
import { type Backend, noOap, saidByBackend, saysDraining, speaksNoOap } from './backend.ts';

export interface ProberOptions {
  readonly env: Env;
  readonly backend: Backend;
  intervalMs(): number;
  timeoutMs(): number;
}

/** A timer of ours that fires this much late says that this process stood still, not the backend. */
const ownLagMs = 200;

/**
 * Asks one backend every `intervalMs`, with a call that needs no capability and touches nothing: any answer says that it is
 * there, and `unavailable` for draining that it stops. After a failure the next probe goes out at once, so that a backend which accepts and
 * never answers is ejected after `intervalMs + 2 · timeoutMs`: 1.5 s by default.
 */
export class Prober {
  readonly #options: ProberOptions;
  #timer: Timer | undefined;
  #probing = false;
  #stopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    this.probe();
  }

  /** Asks now, unless a question is on its way. */
  probe(): void {
    if (this.#probing || this.#stopped) return;
    this.#timer?.cancel();
    this.#probing = true;
    void this.#ask().then(() => {
      this.#probing = false;
      if (this.#stopped) return;
      const { env, backend, intervalMs } = this.#options;
      const delayMs = backend.health.nextProbeMs(intervalMs(), env.clock.monotonicMs());
      this.#timer = env.clock.after(Math.max(0, Math.ceil(delayMs)), () => this.probe());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #ask(): Promise<void> {
    const { env, backend, timeoutMs } = this.#options;
    const startMs = env.clock.monotonicMs();
    const grantedMs = timeoutMs();
    const answersBefore = backend.answers;
    const deadline = new AbortController();
    const timer = env.clock.after(grantedMs, () => deadline.abort('late'));
    try {
      await backend.ping(uuidV7(env), grantedMs, deadline.signal);
      backend.note({ kind: 'probe_ok' });
    } catch (error) {
      if (!(error instanceof RonError)) throw error;
      if (saidByBackend(error)) {
        backend.note({ kind: saysDraining(error) ? 'said_draining' : 'probe_ok' });
        return;
      }
      const tookMs = env.clock.monotonicMs() - startMs;
      // Either this process was late itself, or the backend is busy and answers others: neither is a death.
      if (tookMs > grantedMs + ownLagMs) return;
      if (deadline.signal.aborted && backend.answers > answersBefore) return;
      const silence = deadline.signal.aborted ? 'it does not answer in time' : 'it cannot be reached';
      backend.note({ kind: 'probe_failed', reason: speaksNoOap(error) ? noOap : silence });
    } finally {
      timer.cancel();
    }
  }
}
