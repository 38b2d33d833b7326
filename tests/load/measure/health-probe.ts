import { Agent, get } from 'node:http';
import { performance } from 'node:perf_hooks';
import { Histogram } from '../generator/histogram.ts';

export interface ProbeResult {
  readonly times: Histogram;
  /** Not 200, or nothing within `timeoutMs`. */
  readonly failures: number;
  readonly points: readonly { readonly atMs: number; readonly tookMs: number }[];
}

const everyMs = 100;
const timeoutMs = 5_000;

/**
 * Asks a path each 100 ms on a connection of its own, whether or not the last answer has come. A probe that waits for
 * the one before it has that wait in its time; the lateness of the probe's own timer is not in it.
 */
export class HealthProbe {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #times = new Histogram();
  readonly #points: { atMs: number; tookMs: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #pending = new Set<() => void>();
  #failures = 0;
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
    this.#timer = setInterval(() => this.#probe(true), everyMs);
  }

  async stop(): Promise<ProbeResult> {
    clearInterval(this.#timer);
    this.#stopped = true;
    const until = performance.now() + timeoutMs;
    while (this.#pending.size > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const abort of this.#pending) abort();
    this.#agent.destroy();
    return { times: this.#times, failures: this.#failures, points: this.#points };
  }

  #probe(mayRepeat: boolean, from = performance.now()): void {
    const finish = (ok: boolean) => {
      if (!this.#pending.delete(abort)) return;
      const tookMs = performance.now() - from;
      this.#points.push({ atMs: Date.now() - tookMs, tookMs });
      this.#times.recordMs(tookMs);
      if (!ok) this.#failures += 1;
    };
    const request = get(this.#url, { agent: this.#agent, timeout: timeoutMs }, (response) => {
      response.resume();
      response.once('end', () => finish(response.statusCode === 200));
      response.once('error', () => finish(false));
    });
    const abort = () => void request.destroy();
    this.#pending.add(abort);
    request.once('timeout', abort);
    request.once('error', () => {
      // The server may close a connection while it is idle: RFC 9112 section 9.3.1.
      if (mayRepeat && request.reusedSocket && !this.#stopped && this.#pending.delete(abort)) {
        this.#probe(false, from);
      } else finish(false);
    });
  }
}
