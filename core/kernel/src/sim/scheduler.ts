import type { Clock, Timer } from '../env/clock.ts';
import { hostTurn } from '../real/host-turn.ts';
import { mix } from './random.ts';

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly label: string;
  task: (() => void) | undefined;
}

/** Events of one run; a loop that schedules itself without end is a defect, not a long test. */
const stepsMax = 50_000_000;

/**
 * Virtual time: a queue of events by time, then by insertion. Time moves only from one event to the next, and only when the program is
 * quiet: after each event one turn of the host's event loop passes (`hostTurn`), which runs every promise reaction and `nextTick` that the
 * event caused. Whatever waits for a real timer, file or thread is invisible to this and must not be there.
 */
export class SimScheduler {
  #nowMs = 0;
  #order = 0;
  #steps = 0;
  #heap: Event[] = [];
  #trace = [0x12345678, 0x9abcdef0] as [number, number];
  #running = false;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events run so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Events that wait, cancelled ones included. */
  get pending(): number {
    return this.#heap.length;
  }

  /** Digest of everything that happened, in order: equal for equal seeds. */
  get traceHash(): string {
    return this.#trace.map((word) => word.toString(16).padStart(8, '0')).join('');
  }

  /** Adds an observation to the digest. */
  record(what: string): void {
    const line = `${this.#nowMs} ${what}`;
    this.#trace = [mix(line, this.#trace[0]), mix(line, this.#trace[1] ^ 0x5bd1e995)];
  }

  after(delayMs: number, task: () => void, label = 'timer'): Timer {
    if (!(delayMs >= 0 && delayMs <= 2 ** 31 - 1)) throw new RangeError(`delay ${delayMs} ms is out of range`);
    const event: Event = { atMs: this.#nowMs + delayMs, order: this.#order++, label, task };
    this.#push(event);
    return {
      cancel() {
        event.task = undefined;
      },
    };
  }

  /** Until nothing is left to happen. A timer that renews itself for ever never lets it end: use `runFor` then. */
  runUntilIdle(): Promise<void> {
    return this.#run(Number.POSITIVE_INFINITY, () => false);
  }

  /** `durationMs` of virtual time. */
  async runFor(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.#run(endMs, () => false);
    this.#nowMs = endMs;
  }

  /** Drives time until the promise settles, and gives its outcome. Rejects when nothing is left that could settle it. */
  async settle<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.#run(this.#nowMs + limitMs, () => settled);
    if (!settled)
      throw new Error(
        `nothing settles this promise (virtual time ${this.#nowMs} ms, ${this.#heap.length} events left)`,
      );
    return promise;
  }

  async #run(untilMs: number, enough: () => boolean): Promise<void> {
    if (this.#running) throw new Error('the scheduler is already running');
    this.#running = true;
    try {
      await hostTurn();
      while (!enough()) {
        const event = this.#heap[0];
        if (event === undefined || event.atMs > untilMs) return;
        this.#pop();
        const { task } = event;
        if (task === undefined) continue;
        if (++this.#steps > stepsMax) throw new Error(`more than ${stepsMax} events`);
        this.#nowMs = Math.max(this.#nowMs, event.atMs);
        this.record(event.label);
        task();
        await hostTurn();
      }
    } finally {
      this.#running = false;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** One process's view of virtual time. After `kill` none of its timers fires. */
export class SimClock implements Clock {
  readonly #scheduler: SimScheduler;
  readonly #name: string;
  readonly #epochMs: number;
  #wallOffsetMs = 0;
  #dead = false;

  constructor(scheduler: SimScheduler, name: string, epochMs: number) {
    this.#scheduler = scheduler;
    this.#name = name;
    this.#epochMs = epochMs;
  }

  wallMs(): number {
    return Math.floor(this.#epochMs + this.#wallOffsetMs + this.#scheduler.nowMs);
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }

  after(delayMs: number, task: () => void, label = 'timer'): Timer {
    return this.#scheduler.after(
      delayMs,
      () => {
        if (!this.#dead) task();
      },
      `${this.#name} ${label}`,
    );
  }

  /** The wall clock jumps; monotonic time does not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  kill(): void {
    this.#dead = true;
  }
}
