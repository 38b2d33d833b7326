import type { Env, LoadMeter, Log, Metrics } from '@ron/kernel';
import type { Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { stopping } from './ceilings.ts';
import type { Gate } from './define.ts';
import {
  type PressureLimits,
  type PressureSignal,
  PressureState,
  pressureSignals,
  type ShedKind,
  waitedTooLong,
} from './pressure.ts';

export interface PressureOptions {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly load: LoadMeter;
  /** Read with every measurement, so that a reload holds at once. */
  readonly limits: () => PressureLimits;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * The first question of every pipeline about a call from outside: is there capacity for it? One for all services of a
 * process, because they share its loop and its heap.
 */
export interface Pressure extends Disposable {
  /** The refusal of one such call, which waited for its turn, or undefined. Under 0.2 µs while it is calm. */
  refusal(kind: ShedKind, nowMs: number, waitedMs?: number): RonError | undefined;
  /** A call that works, and does not wait idle, began (1) or ended (-1). */
  inflight(change: 1 | -1): void;
  /** From now on every call from outside is refused; those that services make for admitted ones go on. */
  drain(): void;
  /** `pressure`, `loop_delay`, `inflight` and `heap`, each with its value and bound. Red while much is still served. */
  gates(): readonly Gate[];
}

/** Between two measurements, milliseconds. */
const sampleMs = 20;
/** Over which the rate of calls is averaged, milliseconds. */
const rateWindowMs = 200;
/** Between two lines of the log about what was refused, milliseconds. */
const noteMs = 5_000;
/** Waits that are told at one depth: enough to spread those who were refused, few enough to be made once. */
const jitterSteps = 16;
/** `pressure` is red when every write is refused: reads, which come last, are then still served. */
const readyDepth = 1;

/** As declared, or else derived: a costly flag, or who asks for no right and so has none to lose. */
export function shedKindOf({ mutation, frees, costly, scopes, shedAs }: Operation): ShedKind {
  if (shedAs !== undefined) return shedAs;
  if (frees === true) return 'free';
  if (mutation === true) return 'write';
  return costly === true || scopes.length === 0 ? 'costly' : 'read';
}

export function createPressure(options: PressureOptions): Pressure {
  return new PressureGate(options);
}

class PressureGate implements Pressure {
  readonly #options: PressureOptions;
  readonly #state = new PressureState();
  /** Bounded by signals × half depths × steps; an error costs a stack trace, thousands a second are refused. */
  readonly #refusals = new Map<number, RonError>();
  readonly #collecting: Disposable;
  #sampledMs = Number.NEGATIVE_INFINITY;
  #inflight = 0;
  #calls = 0;
  #callsPerSecond = 0;
  #shed = 0;
  #notedMs = Number.NEGATIVE_INFINITY;
  #draining = false;

  constructor(options: PressureOptions) {
    this.#options = options;
    const { metrics, load } = options;
    const depth = metrics.gauge('pressure_depth', '0 calm, 1 every write refused … 4 everything').labels();
    const delay = metrics.gauge('event_loop_delay_seconds', 'Recent delay of the event loop').labels();
    const busy = metrics.gauge('event_loop_utilization', 'Share of time in which the loop worked').labels();
    this.#collecting = metrics.onCollect(() => {
      this.#sample(options.env.clock.monotonicMs());
      const { loopDelayMs, loopUtilization } = load.read();
      depth.set(this.#state.depth);
      delay.set(loopDelayMs / 1_000);
      busy.set(loopUtilization);
    });
  }

  refusal(kind: ShedKind, nowMs: number, waitedMs = 0): RonError | undefined {
    if (this.#draining) return stopping();
    this.#calls += 1;
    if (nowMs - this.#sampledMs >= sampleMs) this.#sample(nowMs);
    if (waitedMs > 0 && waitedTooLong(kind, waitedMs, this.#options.limits())) {
      this.#shed += 1;
      return late;
    }
    if (this.#state.depth === 0) return undefined;
    const share = this.#state.share(kind);
    if (share === 0) return undefined;
    const roll = this.#options.env.random.unit();
    if (roll >= share) return undefined;
    this.#shed += 1;
    // Below the share the roll is still even: it serves for the wait too.
    return this.#refusalOf(this.#state.reason, Math.floor((roll / share) * jitterSteps));
  }

  inflight(change: 1 | -1): void {
    this.#inflight += change;
  }

  drain(): void {
    this.#draining = true;
    if (this.#shed > 0) this.#note(this.#sampledMs, this.#options.load.read().loopDelayMs);
  }

  gates(): readonly Gate[] {
    this.#sample(this.#options.env.clock.monotonicMs());
    const { depth, level, signals } = this.#state;
    const calm = depth < readyDepth;
    return [
      {
        gate: 'pressure',
        ok: calm,
        value: rounded(depth),
        bound: readyDepth,
        ...(calm ? {} : { reason: `calls are refused, up to the kind "${level}"` }),
      },
      ...pressureSignals.map((signal): Gate => {
        const { over, value, bound } = signals[signal];
        const shown = { gate: signal, ok: !over, value: rounded(value), bound: rounded(bound) };
        return over ? { ...shown, reason: `${shown.value} of ${shown.bound}${units[signal]}` } : shown;
      }),
    ];
  }

  [Symbol.dispose](): void {
    this.#collecting[Symbol.dispose]();
  }

  #sample(nowMs: number): void {
    const { load, limits } = this.#options;
    const elapsedMs = Math.min(nowMs - this.#sampledMs, 10_000);
    if (elapsedMs <= 0) return;
    this.#sampledMs = nowMs;
    const fresh = 1 - Math.exp(-elapsedMs / rateWindowMs);
    this.#callsPerSecond += ((this.#calls * 1_000) / elapsedMs - this.#callsPerSecond) * fresh;
    this.#calls = 0;
    const { loopDelayMs, heapUsedBytes, heapLimitBytes } = load.read();
    const reading = {
      loopDelayMs,
      queued: (this.#callsPerSecond * loopDelayMs) / 1_000,
      inflight: this.#inflight,
      heapShare: heapUsedBytes / heapLimitBytes,
    };
    this.#state.update(reading, limits(), nowMs);
    if (this.#shed > 0 && nowMs - this.#notedMs >= noteMs) this.#note(nowMs, loopDelayMs);
  }

  /** One line for all that was refused: a line for each would cost more than serving it. */
  #note(nowMs: number, loopDelayMs: number): void {
    const { level, reason } = this.#state;
    this.#options.log.warn(
      { level, reason, shed: this.#shed, loop_delay_ms: rounded(loopDelayMs) },
      'calls refused under pressure',
    );
    this.#shed = 0;
    this.#notedMs = nowMs;
  }

  #refusalOf(signal: PressureSignal, step: number): RonError {
    const halves = Math.ceil(this.#state.depth * 2);
    const key = (pressureSignals.indexOf(signal) * 16 + halves) * jitterSteps + step;
    let refusal = this.#refusals.get(key);
    if (refusal === undefined) {
      refusal = new RonError('unavailable', 'the node is at its capacity', {
        retryAfterMs: waitMs(halves / 2, step / jitterSteps),
        details: { gate: signal },
      });
      this.#refusals.set(key, refusal);
    }
    return refusal;
  }
}

const units: Readonly<Record<PressureSignal, string>> = {
  loop_delay: ' ms',
  inflight: ' calls',
  heap: ' of the heap',
};

/** Whoever waited so long for his own sake is told to wait about as long again. One for all: an error costs a stack trace. */
const late = new RonError('unavailable', 'too many requests of this address are in line', {
  retryAfterMs: 1_000,
  details: { gate: 'queue_delay' },
});

/** Longer the more is refused, and spread evenly over as long again: those who were refused together do not come together. */
function waitMs(depth: number, spread: number): number {
  return Math.round(250 * (1 + depth) * (1 + spread));
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
