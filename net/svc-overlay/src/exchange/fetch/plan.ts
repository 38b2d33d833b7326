import { groupBytes } from '@ron/b3';
import type { Coverage } from '../coverage.ts';
import type { GroupSet } from '../group-set.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { PlanSource } from './plan-source.ts';

/** Groups `first` up to but without `end`, asked of one source as one stream. */
export interface Assignment {
  readonly id: number;
  readonly node: string;
  readonly first: number;
  /** Falls when another source takes over the rest. */
  end: number;
  /** The group that comes next; those before are verified. */
  next: number;
  readonly startedMs: number;
  lastByteMs: number;
  lastGroupMs: number;
  /** Its groups were asked of another source as well. */
  readonly duplicate: boolean;
  /** Verified groups that wait for who writes them: no fault of the source. */
  held: boolean;
  answered: boolean;
  /** Verified. */
  bytes: number;
}

/** `complete`: all came. `superseded`: not needed any more. `refused`: it does not have them. */
export type Ending = 'complete' | 'superseded' | 'fault' | 'refused' | 'busy' | 'lie';

export type Step =
  | { readonly kind: 'start'; readonly assignment: Assignment }
  | { readonly kind: 'stop'; readonly assignment: Assignment; readonly ending: 'superseded' | 'fault' };

export interface GroupCame {
  readonly group: number;
  readonly isNew: boolean;
  readonly isContested: boolean;
}

/** Time that stealing or duplicating must at least win, milliseconds. */
const gainMs = 50;

/**
 * Decides which groups are asked of which source. Pure: it is told what happened, and when, and says what to do next; the
 * same calls give the same steps. A source that lies is gone for good, one that fails `faultsMax` times in a row too.
 *
 * Sources take the first free groups that they have, as many as they deliver in `runMs`. When none are free, an idle source
 * takes the rest of the run that would end last, so that both end together; a single group that is late is asked of a
 * second source, while duplicates last.
 */
export class Plan {
  readonly #limits: FetchLimits;
  readonly #done: GroupSet;
  /** Done or asked for. */
  readonly #taken: GroupSet;
  readonly #sources = new Map<string, PlanSource>();
  readonly #assignments = new Map<number, Assignment>();
  readonly #horizon: () => number;
  #duplicatesLeft: number;
  #ids = 0;

  /**
   * Keeps `done`, which its owner reads and nobody else changes. Groups from `horizon` on have to wait until it rises; it
   * never falls.
   */
  constructor(done: GroupSet, taken: GroupSet, limits: FetchLimits, horizon = () => Number.POSITIVE_INFINITY) {
    this.#done = done;
    this.#taken = taken;
    this.#limits = limits;
    this.#horizon = horizon;
    this.#duplicatesLeft = Math.max(
      limits.duplicatesMin,
      Math.floor((done.groupCount - done.size) * limits.duplicatesShare),
    );
  }

  get complete(): boolean {
    return this.#done.complete;
  }

  get active(): number {
    return this.#assignments.size;
  }

  /** Whether nothing is asked of anybody and nothing may be before the horizon rises. */
  get rests(): boolean {
    return this.active === 0 && this.#taken.nextAbsent(0) >= this.#horizon();
  }

  get sources(): number {
    return this.#sources.size;
  }

  /** The first group that nobody was asked for, where new bitmaps should begin; 0 when there is none. */
  get firstFree(): number {
    return Math.max(0, this.#taken.nextAbsent(0));
  }

  /** Adds a source, or says anew what it has. */
  setSource(node: string, coverage: Coverage): void {
    const known = this.#sources.get(node);
    if (known === undefined) this.#sources.set(node, new PlanSource(node, coverage, this.#limits));
    else {
      known.coverage = coverage;
      known.cursor = 0;
    }
  }

  hasSource(node: string): boolean {
    return this.#sources.has(node);
  }

  /** Whether the source is idle because it has nothing that is still free. */
  isIdle(node: string): boolean {
    const source = this.#sources.get(node);
    return source !== undefined && source.streams === 0 && this.#nextFree(source) < 0;
  }

  /** Bytes came on a stream. */
  onBytes(assignment: Assignment, nowMs: number): void {
    if (!assignment.answered) {
      assignment.answered = true;
      this.#sources.get(assignment.node)?.answered(nowMs - assignment.startedMs);
    }
    assignment.lastByteMs = nowMs;
  }

  /**
   * The next group of a stream was verified. `isNew` is false when another source was quicker; `isContested`, when another
   * was asked for it as well and can now be stopped.
   */
  onGroup(assignment: Assignment, bytes: number, nowMs: number): GroupCame {
    const group = assignment.next;
    assignment.next += 1;
    assignment.bytes += bytes;
    assignment.lastGroupMs = nowMs;
    this.#sources.get(assignment.node)?.delivered(bytes, nowMs);
    this.#taken.add(group);
    return { group, isNew: this.#done.add(group), isContested: this.#askedOfAnother(assignment.id, group) };
  }

  /** A stream is over; what it still owed is free again. Returns whether its source is gone. */
  onEnd(assignment: Assignment, ending: Ending, nowMs: number, waitMs = 0): boolean {
    if (!this.#assignments.delete(assignment.id)) return !this.#sources.has(assignment.node);
    this.#free(assignment);
    const source = this.#sources.get(assignment.node);
    if (source === undefined) return true;
    source.streams -= 1;
    if (ending === 'complete' || ending === 'superseded') return false;
    source.failed(nowMs, waitMs);
    // Who is busy says so, and is asked again; who fails without a word may be gone.
    if (ending === 'busy') source.faults = Math.min(source.faults, this.#limits.faultsMax - 1);
    if (ending !== 'lie' && source.faults < this.#limits.faultsMax) return false;
    this.#sources.delete(assignment.node);
    return true;
  }

  /** Forgets a source. Its streams are for the caller to end. */
  dropSource(node: string): void {
    this.#sources.delete(node);
  }

  /** What to do now. The steps are taken as done: each start needs an end. */
  steps(nowMs: number): Step[] {
    const steps = [...this.#stops(nowMs)];
    const ready = [...this.#sources.values()]
      .filter((source) => source.retryAtMs <= nowMs)
      .sort((a, b) => b.rate - a.rate || (a.node < b.node ? -1 : 1));
    for (let round = 0; ready.length > 0 && round < this.#limits.streamsPerSourceMax; round++) {
      for (const source of ready) {
        if (this.#assignments.size >= this.#limits.streamsMax) return steps;
        if (source.streams > round || source.streams >= source.streamsWanted) continue;
        const assignment = this.#assign(source, nowMs);
        if (assignment !== undefined) steps.push({ kind: 'start', assignment });
      }
    }
    return steps;
  }

  /** When time alone can change what to do; Infinity when it cannot. */
  wakeAtMs(nowMs: number): number {
    let wake = Number.POSITIVE_INFINITY;
    for (const source of this.#sources.values()) {
      if (source.retryAtMs > nowMs) wake = Math.min(wake, source.retryAtMs);
    }
    for (const assignment of this.#assignments.values()) {
      if (!assignment.held) wake = Math.min(wake, this.#stalledAtMs(assignment));
    }
    // Whether a run is late depends on who could take it over: looked at again soon while somebody is idle.
    if (this.#assignments.size > 0 && this.#someoneIdle(nowMs)) wake = Math.min(wake, nowMs + gainMs);
    return wake;
  }

  #someoneIdle(nowMs: number): boolean {
    for (const source of this.#sources.values()) if (source.streams === 0 && source.retryAtMs <= nowMs) return true;
    return false;
  }

  *#stops(nowMs: number): Generator<Step, void, undefined> {
    for (const assignment of this.#assignments.values()) {
      if (assignment.held) continue;
      let wanted = false;
      for (let group = assignment.next; group < assignment.end && !wanted; group++) wanted = !this.#done.has(group);
      const ending = !wanted ? 'superseded' : this.#stalledAtMs(assignment) <= nowMs ? 'fault' : undefined;
      if (ending === undefined) continue;
      this.onEnd(assignment, ending, nowMs);
      yield { kind: 'stop', assignment, ending };
    }
  }

  #stalledAtMs({ lastByteMs, lastGroupMs }: Assignment): number {
    return Math.min(lastByteMs + this.#limits.stallMs, lastGroupMs + this.#limits.groupMs);
  }

  #free({ id, next, end }: Assignment): void {
    for (let group = next; group < end; group++) {
      if (this.#done.has(group) || this.#askedOfAnother(id, group)) continue;
      this.#taken.delete(group);
      for (const source of this.#sources.values()) source.cursor = Math.min(source.cursor, group);
    }
  }

  #askedOfAnother(id: number, group: number): boolean {
    for (const other of this.#assignments.values()) {
      if (other.id !== id && other.next <= group && group < other.end) return true;
    }
    return false;
  }

  #nextFree(source: PlanSource): number {
    const free = source.coverage.nextFree(source.cursor, this.#taken);
    source.cursor = free < 0 ? this.#done.groupCount : free;
    return free < this.#horizon() ? free : -1;
  }

  #assign(source: PlanSource, nowMs: number): Assignment | undefined {
    const first = this.#nextFree(source);
    if (first < 0) return this.#takeOver(source, nowMs);
    const last = Math.min(this.#done.groupCount, this.#horizon());
    const most = Math.min(source.runGroups, this.#fairShare(source, last - first));
    let end = first;
    while (end - first < most && end < last && !this.#taken.has(end) && source.coverage.has(end)) {
      this.#taken.add(end);
      end += 1;
    }
    return this.#start(source, first, end, false, nowMs);
  }

  /** Of what is free, as much as it is of the speed of all: towards the end runs get short and sources end together. */
  #fairShare(source: PlanSource, ahead: number): number {
    let rates = 0;
    for (const { rate } of this.#sources.values()) rates += rate;
    const free = Math.min(this.#taken.groupCount - this.#taken.size, ahead);
    return Math.max(1, Math.ceil((free * source.rate) / rates));
  }

  #start(source: PlanSource, first: number, end: number, duplicate: boolean, nowMs: number): Assignment {
    const times = { startedMs: nowMs, lastByteMs: nowMs, lastGroupMs: nowMs };
    const state = { duplicate, held: false, answered: false, bytes: 0 };
    const assignment = { id: this.#ids++, node: source.node, first, end, next: first, ...times, ...state };
    this.#assignments.set(assignment.id, assignment);
    source.opened(nowMs);
    return assignment;
  }

  /** Splits the run that ends last, or duplicates its only group. */
  #takeOver(source: PlanSource, nowMs: number): Assignment | undefined {
    let latest: Assignment | undefined;
    let latestMs = 0;
    for (const assignment of this.#assignments.values()) {
      if (assignment.node === source.node || assignment.duplicate || !this.#canTake(source, assignment)) continue;
      const leftMs = this.#leftMs(assignment, nowMs);
      if (leftMs <= latestMs) continue;
      latest = assignment;
      latestMs = leftMs;
    }
    if (latest === undefined) return undefined;
    const left = latest.end - latest.next;
    const groups = left > 1 ? this.#stealable(source, latest) : 1;
    const mineMs = source.latencyMs + (groups * groupBytes()) / source.rate;
    // Who only waits for the horizon has work soon: it helps where somebody holds up the others, not to save a moment.
    const leastMs = source.cursor < this.#done.groupCount ? this.#limits.runMs : gainMs;
    if (latestMs <= 2 * mineMs + leastMs) return undefined;
    if (left > 1) {
      latest.end -= groups;
      return this.#start(source, latest.end, latest.end + groups, false, nowMs);
    }
    this.#duplicatesLeft -= 1;
    return this.#start(source, latest.next, latest.end, true, nowMs);
  }

  #canTake({ coverage }: PlanSource, { id, next, end }: Assignment): boolean {
    if (end - next < 1 || !coverage.has(end - 1)) return false;
    return end - next > 1 || (this.#duplicatesLeft > 0 && !this.#askedOfAnother(id, next));
  }

  /** So many groups from the end of the run that both would be ready together, as far as the source has them. */
  #stealable(source: PlanSource, { node, next, end }: Assignment): number {
    const theirs = this.#streamRate(node);
    const share = Math.floor(((end - next) * source.rate) / (source.rate + theirs));
    const most = Math.min(Math.max(share, 1), end - next - 1, source.runGroups);
    let groups = 1;
    while (groups < most && source.coverage.has(end - 1 - groups)) groups += 1;
    return groups;
  }

  #streamRate(node: string): number {
    const source = this.#sources.get(node);
    return source === undefined ? 0.001 : source.rate / Math.max(source.streams, 1);
  }

  /** Until a run ends at its source's speed; a source that is silent now is taken to stay so for as long again. */
  #leftMs({ node, next, end, lastByteMs }: Assignment, nowMs: number): number {
    return ((end - next) * groupBytes()) / this.#streamRate(node) + 4 * (nowMs - lastByteMs);
  }
}
