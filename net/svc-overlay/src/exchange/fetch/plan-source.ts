import { groupBytes } from '@ron/b3';
import type { Coverage } from '../coverage.ts';
import type { FetchLimits } from './fetch-limits.ts';

/** Bytes a millisecond that are assumed of who was not measured yet: 1 MiB/s. */
const rateUnknown = 1_048;

/** Groups of the first run, before anything is known. */
const firstRunGroups = 4;

/** What older measurements weigh against a new one. */
const memory = 0.9;

/** One source as the planner knows it: what it has, how fast it was, how often it failed. */
export class PlanSource {
  readonly node: string;
  coverage: Coverage;
  /** Groups below are of no use to it: done, or not what it has. */
  cursor = 0;
  streams = 0;
  /** Failures since its last group. */
  faults = 0;
  /** Not asked before this. */
  retryAtMs = 0;
  readonly #limits: FetchLimits;
  #bytes = 0;
  #ms = 0;
  #markMs = 0;
  #latencyMs: number | undefined;

  constructor(node: string, coverage: Coverage, limits: FetchLimits) {
    this.node = node;
    this.coverage = coverage;
    this.#limits = limits;
  }

  /** Bytes a millisecond over all its streams, as measured. */
  get rate(): number {
    return this.#bytes === 0 ? rateUnknown : this.#bytes / Math.max(this.#ms, 0.001);
  }

  get measured(): boolean {
    return this.#bytes > 0;
  }

  get latencyMs(): number {
    return this.#latencyMs ?? 0;
  }

  opened(nowMs: number): void {
    if (this.streams === 0) this.#markMs = nowMs;
    this.streams += 1;
  }

  answered(waitedMs: number): void {
    this.#latencyMs = this.#latencyMs === undefined ? waitedMs : this.#latencyMs * memory + waitedMs * (1 - memory);
  }

  /** A verified group came: time between groups, waits for the first of a run included, is what it takes. */
  delivered(bytes: number, nowMs: number): void {
    this.#bytes = this.#bytes * memory + bytes;
    this.#ms = this.#ms * memory + (nowMs - this.#markMs);
    this.#markMs = nowMs;
    this.faults = 0;
  }

  failed(nowMs: number, waitMs = 0): void {
    const { backoffMs, backoffMsMax } = this.#limits;
    this.faults += 1;
    this.retryAtMs = nowMs + Math.max(waitMs, Math.min(backoffMs * 2 ** (this.faults - 1), backoffMsMax));
  }

  get runGroups(): number {
    if (!this.measured) return firstRunGroups;
    const groups = Math.round((this.rate * this.#limits.runMs) / groupBytes());
    return Math.min(Math.max(groups, 1), this.#limits.runGroupsMax);
  }

  /** Enough streams that the next run is on its way while one is served; one until it was measured. */
  get streamsWanted(): number {
    if (!this.measured || this.faults > 0) return 1;
    const runMs = (this.runGroups * groupBytes()) / this.rate;
    return Math.min(Math.ceil(1 + this.latencyMs / Math.max(runMs, 1)) + 1, this.#limits.streamsPerSourceMax);
  }
}
