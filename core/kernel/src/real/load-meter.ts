import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { LoadMeter, LoadReading } from '../env/load.ts';

/** Between two probes of the loop, when it is on time. */
const pauseMs = 19;
/** A probe: a timer so short that what it comes late is the length of one turn of the loop. */
const probeMs = 1;
/** Probes of which the least counts. */
const probesKept = 3;
const windowMs = 250;

/** Watches this process with one timer, which does not keep it alive. */
export function createLoadMeter(): LoadMeter {
  return new RealLoadMeter();
}

class RealLoadMeter implements LoadMeter {
  readonly #probes: number[] = new Array<number>(probesKept).fill(0);
  #next = 0;
  #standingMs = 0;
  #dueMs = 0;
  #worstMs = 0;
  #worstBeforeMs = 0;
  #windowEndMs = performance.now() + windowMs;
  #utilization = 0;
  #elapsed = performance.eventLoopUtilization();
  #heap = getHeapStatistics();
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.#pause();
  }

  read(): LoadReading {
    const pendingMs = Math.max(0, performance.now() - this.#dueMs);
    return {
      loopDelayMs: this.#standingMs,
      loopDelayMaxMs: Math.max(this.#worstMs, this.#worstBeforeMs, pendingMs),
      loopUtilization: this.#utilization,
      heapUsedBytes: this.#heap.used_heap_size,
      heapLimitBytes: this.#heap.heap_size_limit,
    };
  }

  #pause(): void {
    this.#dueMs = performance.now() + pauseMs;
    this.#timer = setTimeout(() => this.#probe(), pauseMs).unref();
  }

  #probe(): void {
    this.#dueMs = performance.now() + probeMs;
    this.#timer = setTimeout(() => this.#measured(), probeMs).unref();
  }

  #measured(): void {
    const nowMs = performance.now();
    const lateMs = Math.max(0, nowMs - this.#dueMs);
    this.#probes[this.#next] = lateMs;
    this.#next = (this.#next + 1) % probesKept;
    this.#standingMs = Math.min(...this.#probes);
    this.#worstMs = Math.max(this.#worstMs, lateMs);
    if (nowMs >= this.#windowEndMs) this.#roll(nowMs);
    this.#pause();
  }

  #roll(nowMs: number): void {
    const elapsed = performance.eventLoopUtilization();
    this.#utilization = performance.eventLoopUtilization(elapsed, this.#elapsed).utilization;
    this.#elapsed = elapsed;
    this.#heap = getHeapStatistics();
    this.#worstBeforeMs = this.#worstMs;
    this.#worstMs = 0;
    this.#windowEndMs = nowMs + windowMs;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
