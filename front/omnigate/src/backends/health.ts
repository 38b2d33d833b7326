import type { BackendPhase } from '@ron/proto/omnigate';

export interface HealthOptions {
  /** Milliseconds in which a backend that joined comes to its whole share. */
  readonly slowStartMs: number;
}

/** What happened to a backend. */
export type HealthEvent =
  /** A probe was answered, or a call was. */
  | { readonly kind: 'probe_ok' | 'call_ok' }
  /** No connection, or no answer in time. */
  | { readonly kind: 'probe_failed'; readonly reason: string }
  | { readonly kind: 'call_failed' }
  /** It said itself that it stops. */
  | { readonly kind: 'said_draining' }
  /** It stands out among the others; the caller has made sure that enough of them are left. */
  | { readonly kind: 'outlier'; readonly reason: string }
  | { readonly kind: 'operator'; readonly drain: boolean };

/** Probes in a row that fail before a backend is ejected. With the first failure the next probe comes at once. */
export const probeFailuresMax = 2;
/** Calls in a row that fail before a backend stands out: as Envoy's outlier detection counts consecutive failures. */
export const callFailuresMax = 5;
/** Share of a backend that has just joined. */
const weightMin = 0.1;
const readmitMsMin = 500;
const readmitMsMax = 10_000;
/** An outlier stays out this long for each time that it was one, up to the eighth. */
const outlierMs = 2_000;
/** Healthy for this long, its past is forgotten. */
const forgiveMs = 60_000;

/**
 * Where a backend stands. Ejected by two failed probes (it is dead or silent), or as an outlier; it comes back by a probe that is
 * answered once its time is over, and each ejection doubles that time, from 0.5 to 10 s (outliers: 2 to 16 s).
 */
export class BackendHealth {
  readonly #options: HealthOptions;
  #phase: BackendPhase = 'ejected';
  #reason: string | undefined = 'not reached yet';
  #sinceMs: number;
  #probeFailures = 0;
  #callFailures = 0;
  #ejections = 0;
  #ejectionsTotal = 0;
  #readmitAtMs = Number.NEGATIVE_INFINITY;
  #operatorDrain = false;
  #byStatistics = false;

  constructor(options: HealthOptions, nowMs: number) {
    this.#options = options;
    this.#sinceMs = nowMs;
  }

  get phase(): BackendPhase {
    return this.#phase;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  get operatorDrain(): boolean {
    return this.#operatorDrain;
  }

  get ejectionsTotal(): number {
    return this.#ejectionsTotal;
  }

  /** Out because it stood out, not because it is dead. */
  get ejectedByStatistics(): boolean {
    return this.#phase === 'ejected' && this.#byStatistics;
  }

  /** New calls may go there. */
  get takesCalls(): boolean {
    return this.#phase === 'joining' || this.#phase === 'healthy';
  }

  /** Its calls in a row failed often enough to stand out. */
  get failsCalls(): boolean {
    return this.#callFailures >= callFailuresMax;
  }

  /** A probe failed, and the next one decides. */
  get suspected(): boolean {
    return this.#probeFailures > 0 && this.#phase !== 'ejected';
  }

  phaseMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#sinceMs);
  }

  /** The part of its full share that it gets: while it joins, from a tenth up in a line. */
  weight(nowMs: number): number {
    if (this.#phase === 'healthy') return 1;
    if (this.#phase !== 'joining') return 0;
    const part = this.phaseMs(nowMs) / this.#options.slowStartMs;
    return Math.min(1, Math.max(weightMin, part));
  }

  /** Milliseconds from now to the next probe. */
  nextProbeMs(intervalMs: number, nowMs: number): number {
    if (this.suspected) return 0;
    if (this.#phase !== 'ejected') return intervalMs;
    return Math.max(Math.min(intervalMs, readmitMsMin), Math.min(this.#readmitAtMs - nowMs, readmitMsMax));
  }

  /** True when the phase changed. */
  on(event: HealthEvent, nowMs: number): boolean {
    const before = this.#phase;
    this.#apply(event, nowMs);
    return this.#phase !== before;
  }

  /** Time passes: who has joined for long enough is healthy. True when the phase changed. */
  tick(nowMs: number): boolean {
    if (this.#phase === 'joining' && this.phaseMs(nowMs) >= this.#options.slowStartMs) {
      this.#enter('healthy', undefined, nowMs);
      return true;
    }
    if (this.#phase === 'healthy' && this.phaseMs(nowMs) >= forgiveMs) this.#ejections = 0;
    return false;
  }

  #apply(event: HealthEvent, nowMs: number): void {
    switch (event.kind) {
      case 'probe_ok':
        this.#probeFailures = 0;
        this.#answered(nowMs);
        return;
      case 'call_ok':
        this.#probeFailures = 0;
        this.#callFailures = 0;
        return;
      case 'call_failed':
        this.#callFailures += 1;
        return;
      case 'probe_failed':
        this.#probeFailures += 1;
        if (this.#phase === 'ejected') {
          this.#reason = event.reason;
          this.#wait(nowMs);
        } else if (this.#probeFailures >= probeFailuresMax) this.#eject(event.reason, false, nowMs);
        return;
      case 'outlier':
        if (this.takesCalls) this.#eject(event.reason, true, nowMs);
        return;
      case 'said_draining':
        this.#probeFailures = 0;
        if (this.#phase !== 'draining') this.#enter('draining', 'it stops', nowMs);
        else if (!this.#operatorDrain) this.#reason = 'it stops';
        return;
      case 'operator':
        this.#operatorDrain = event.drain;
        if (event.drain && this.takesCalls) this.#enter('draining', 'an operator drains it', nowMs);
        return;
    }
  }

  /** It is there, and does not say that it stops. */
  #answered(nowMs: number): void {
    if (this.#phase === 'ejected' && nowMs < this.#readmitAtMs) return;
    if (this.takesCalls) return;
    if (!this.#operatorDrain) this.#enter('joining', undefined, nowMs);
    else if (this.#phase !== 'draining') this.#enter('draining', 'an operator drains it', nowMs);
  }

  #eject(reason: string, byStatistics: boolean, nowMs: number): void {
    this.#enter('ejected', reason, nowMs);
    this.#byStatistics = byStatistics;
    this.#ejections += 1;
    this.#ejectionsTotal += 1;
    this.#callFailures = 0;
    if (byStatistics) this.#readmitAtMs = nowMs + outlierMs * 2 ** Math.min(3, this.#ejections - 1);
    else this.#wait(nowMs);
  }

  #wait(nowMs: number): void {
    const doublings = Math.min(5, Math.max(0, this.#probeFailures - probeFailuresMax));
    const waitMs = Math.min(readmitMsMax, readmitMsMin * 2 ** doublings);
    this.#readmitAtMs = Math.max(this.#readmitAtMs, nowMs + waitMs);
  }

  #enter(phase: BackendPhase, reason: string | undefined, nowMs: number): void {
    this.#phase = phase;
    this.#reason = reason;
    this.#sinceMs = nowMs;
    if (phase !== 'ejected') this.#readmitAtMs = Number.NEGATIVE_INFINITY;
  }
}
