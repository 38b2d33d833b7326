/** What is refused under pressure, in this order: what comes later is refused only when all before it is. */
export const shedOrder = ['write', 'costly', 'read', 'free'] as const;
export type ShedKind = (typeof shedOrder)[number];

/** `calm`, or the kind of call that is being refused, the earlier ones altogether. */
export type PressureLevel = 'calm' | ShedKind;

export const pressureSignals = ['loop_delay', 'inflight', 'heap'] as const;
export type PressureSignal = (typeof pressureSignals)[number];

export interface PressureReading {
  /** Milliseconds by which the event loop is late. */
  readonly loopDelayMs: number;
  /** Calls that wait for the loop at the same time: those that arrive a second, times the delay (Little's law). */
  readonly queued: number;
  /** Calls from outside in flight. */
  readonly inflight: number;
  /** Of what the process may have, 0 to 1. */
  readonly heapShare: number;
}

/** Where pressure begins; it ends further below, so that it does not flicker. */
export interface PressureLimits {
  /** Milliseconds; ends at half of it. */
  readonly loopDelayMs: number;
  /** Milliseconds that a write may stand in line behind others of its own address; other kinds wait longer. */
  readonly queueDelayMs: number;
  /** With fewer calls than this waiting, a late loop is not theirs, and refusing them would not help it. */
  readonly queuedMin: number;
  /** Begins at 7/8 of it, as for `Ceilings`, and ends at 3/4. */
  readonly inflightMax: number;
  /** Of what the process may have; ends 0.05 below. At `heapShareMax` everything is refused. */
  readonly heapShare: number;
  /** Milliseconds after the last rise before it falls. */
  readonly dwellMs: number;
}

/**
 * Multiples of `queueDelayMs` that a call of each kind may have stood in line. It is the line of its own address: who
 * floods a node waits for his own sake, and is refused for it; the others are not.
 */
const patience: Readonly<Record<ShedKind, number>> = { write: 1, costly: 1, read: 2, free: 4 };

/** Whether its caller had better be told to come later than be served so late. */
export function waitedTooLong(kind: ShedKind, waitedMs: number, { queueDelayMs }: PressureLimits): boolean {
  return waitedMs >= queueDelayMs * patience[kind];
}

export interface SignalState {
  readonly over: boolean;
  readonly value: number;
  readonly bound: number;
}

export const heapShareMax = 0.97;
/** Kinds a second by which a late loop adds to what is refused, for each multiple of its bound, at most three. */
const risePerSecond = 4;
const riseFactorMax = 3;
/** From everything refused to nothing in some three seconds where the loop is just in time again, in under one where it is idle. */
const fallPerSecond = 1.5;
const fallIdlePerSecond = 6;
/** Between two readings further apart, nobody called: the loop cannot have been late for so long. */
const riseMsMax = 100;

/**
 * How much is refused, from readings alone: `depth` 0 is nothing, 1 every write, 2 every costly read too, 3 every other
 * read, 4 everything; in between, that share of the next kind. A share and not a switch: what is admitted then settles
 * where the loop is just in time, and does not swing between all and nothing. A late loop moves it step by step (its cause is
 * not known); calls in flight and heap say by themselves how much room is left.
 */
export class PressureState {
  #fromLoop = 0;
  #depth = 0;
  #atMs: number | undefined;
  #roseMs = Number.NEGATIVE_INFINITY;
  #signals: Record<PressureSignal, SignalState> = {
    loop_delay: { over: false, value: 0, bound: 0 },
    inflight: { over: false, value: 0, bound: 0 },
    heap: { over: false, value: 0, bound: 0 },
  };
  #reason: PressureSignal = 'loop_delay';

  /** 0 to 4. */
  get depth(): number {
    return this.#depth;
  }

  get level(): PressureLevel {
    return this.#depth === 0 ? 'calm' : shedOrder[Math.min(3, Math.ceil(this.#depth) - 1)]!;
  }

  /** What the present depth comes from. */
  get reason(): PressureSignal {
    return this.#reason;
  }

  get signals(): Readonly<Record<PressureSignal, SignalState>> {
    return this.#signals;
  }

  /** The share of such calls that is to be refused, 0 to 1. */
  share(kind: ShedKind): number {
    return Math.min(1, Math.max(0, this.#depth - shedOrder.indexOf(kind)));
  }

  update(reading: PressureReading, limits: PressureLimits, nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - (this.#atMs ?? nowMs));
    this.#atMs = nowMs;
    const delay = reading.queued >= limits.queuedMin ? reading.loopDelayMs : 0;
    this.#signals = {
      loop_delay: this.#latched('loop_delay', delay, limits.loopDelayMs, limits.loopDelayMs / 2),
      inflight: this.#latched('inflight', reading.inflight, (limits.inflightMax * 7) / 8, (limits.inflightMax * 3) / 4),
      heap: this.#latched('heap', reading.heapShare, limits.heapShare, limits.heapShare - 0.05),
    };
    this.#followLoop(delay / limits.loopDelayMs, elapsedMs, nowMs, limits.dwellMs);
    const inflight = this.#room('inflight', limits.inflightMax);
    const heap = this.#room('heap', Math.max(heapShareMax, limits.heapShare + 0.01));
    this.#depth = Math.max(this.#fromLoop, inflight, heap);
    this.#reason = this.#depth === this.#fromLoop ? 'loop_delay' : this.#depth === inflight ? 'inflight' : 'heap';
  }

  #latched(signal: PressureSignal, value: number, bound: number, end: number): SignalState {
    const over = value >= bound || (this.#signals[signal].over && value > end);
    return { over, value, bound };
  }

  #followLoop(multiple: number, elapsedMs: number, nowMs: number, dwellMs: number): void {
    if (multiple >= 1) {
      const rise = risePerSecond * Math.min(riseFactorMax, multiple);
      this.#fromLoop = Math.min(4, this.#fromLoop + (rise * Math.min(elapsedMs, riseMsMax)) / 1_000);
      this.#roseMs = nowMs;
    } else if (!this.#signals.loop_delay.over) {
      // Of the time since the last reading only what lies behind the dwell counts.
      const fallMs = Math.min(elapsedMs, nowMs - this.#roseMs - dwellMs);
      const slack = Math.max(0, 1 - 2 * multiple);
      const fall = fallPerSecond + (fallIdlePerSecond - fallPerSecond) * slack;
      if (fallMs > 0) this.#fromLoop = Math.max(0, this.#fromLoop - (fall * fallMs) / 1_000);
    }
  }

  /** Writes from where it begins, and everything where it ends. */
  #room(signal: PressureSignal, full: number): number {
    const { over, value, bound } = this.#signals[signal];
    if (!over) return 0;
    return Math.min(4, 1 + (3 * Math.max(0, value - bound)) / (full - bound));
  }
}
