export interface GradientOptions {
  readonly initial: number;
  readonly min: number;
  readonly max: number;
}

/** A window of measurements is judged when it has this many and is this old. */
const samplesMin = 10;
const windowMsMin = 100;
/** Answers may take this many times what they usually take before the limit falls. */
const tolerance = 1.5;
/** Part of a judgement that becomes the limit. */
const smoothing = 0.2;
/** Part of a measurement in what an operation usually takes, when it was faster, or when little else was going on. */
const usualShare = 0.1;
/** Under load slower answers become usual only over this time: else a load that lasts would raise the limit by itself. */
const driftMs = 600_000;
/** After a refusal for want of room: the multiplicative decrease of AIMD (D.-M. Chiu, R. Jain, 1989). */
const backoff = 0.8;
/** Operations with a baseline of their own. */
const operationsMax = 256;
/** Shorter answers are all the same: a slice of the system's scheduler adds as much. */
const floorMs = 4;

/**
 * How many calls a backend gets at once, learned from how long its answers take, without calls of our own: the "gradient2" of
 * Netflix concurrency-limits (2018), after the delay-based control of TCP Vegas (L. Brakmo, L. Peterson, 1995). Each window
 *
 *     limit ← (1 − s)·limit + s·(limit · clamp(tolerance · usual / now, 0.5, 1) + √limit)
 *
 * so that it grows by its square root while answers take what they usually take, and falls to half at once at most. `now / usual` is
 * taken by operation, so that another mix of calls is no sign of load; what is usual is learned from faster answers and while less than
 * half of the limit is used. It grows only while more than half of it is used,
 * and stays in `min` … `max`.
 */
export class GradientLimit {
  readonly #options: GradientOptions;
  /** What each operation usually takes, and when that was last looked at. */
  readonly #usual = new Map<string, { ms: number; atMs: number }>();
  #limit: number;
  #ratioSum = 0;
  #samples = 0;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #inflightMost = 0;
  #refusedMs = Number.NEGATIVE_INFINITY;

  constructor(options: GradientOptions) {
    this.#options = options;
    this.#limit = options.initial;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** An answer began `latencyMs` after its call, without what this process itself was late, with `inflight` calls at the backend, itself too. */
  sample(operation: string, latencyMs: number, inflight: number, nowMs: number): void {
    const measured = Math.max(floorMs, latencyMs);
    const usual = this.#usualOf(operation, measured, nowMs);
    this.#ratioSum += measured / usual.ms;
    this.#samples += 1;
    this.#inflightMost = Math.max(this.#inflightMost, inflight);
    const calm = inflight * 2 <= this.#limit;
    const share = measured < usual.ms || calm ? usualShare : Math.min(usualShare, (nowMs - usual.atMs) / driftMs);
    usual.ms += share * (measured - usual.ms);
    usual.atMs = nowMs;
    if (this.#samples < samplesMin || nowMs - this.#windowStartMs < windowMsMin) return;
    this.#judge(nowMs);
  }

  /** The backend said that it has no room. Once a window: all calls of one moment tell one thing. */
  refused(nowMs: number): void {
    if (nowMs - this.#refusedMs < windowMsMin) return;
    this.#refusedMs = nowMs;
    this.#set(this.#limit * backoff);
    this.#startWindow(nowMs);
  }

  /** Another process answers there now. */
  reset(nowMs: number): void {
    this.#usual.clear();
    this.#limit = this.#options.initial;
    this.#startWindow(nowMs);
  }

  /** Past the operations that have a baseline, each answer is what it usually takes. */
  #usualOf(operation: string, measured: number, nowMs: number): { ms: number; atMs: number } {
    const known = this.#usual.get(operation);
    if (known !== undefined) return known;
    const first = { ms: measured, atMs: nowMs };
    if (this.#usual.size < operationsMax) this.#usual.set(operation, first);
    return first;
  }

  #judge(nowMs: number): void {
    const ratio = this.#ratioSum / this.#samples;
    const gradient = Math.min(1, Math.max(0.5, tolerance / ratio));
    const target = this.#limit * gradient + Math.sqrt(this.#limit);
    const used = this.#inflightMost * 2 > this.#limit;
    if (target < this.#limit || used) this.#set(this.#limit + smoothing * (target - this.#limit));
    this.#startWindow(nowMs);
  }

  #set(limit: number): void {
    this.#limit = Math.min(this.#options.max, Math.max(this.#options.min, limit));
  }

  #startWindow(nowMs: number): void {
    this.#ratioSum = 0;
    this.#samples = 0;
    this.#inflightMost = 0;
    this.#windowStartMs = nowMs;
  }
}
