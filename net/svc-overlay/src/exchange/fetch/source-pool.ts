import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Held } from '@ron/proto/exchange';
import { Coverage } from '../coverage.ts';
import type { FetchLimits } from './fetch-limits.ts';
import type { Evidence, ExchangePeers } from './fetch-ports.ts';
import type { Plan } from './plan.ts';
import { following, orAborted } from './slice-stream.ts';

export interface SourcePoolOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly peers: ExchangePeers;
  readonly limits: FetchLimits;
  readonly signal: AbortSignal;
  readonly findSources?: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly onLiar?: (node: string, evidence: Evidence) => void;
  /** Where bitmaps of partial sources should begin. */
  readonly firstMissing: () => number;
  readonly onChange: () => void;
  /** `onLiar` threw. */
  readonly onFailure: (error: unknown) => void;
}

interface Candidate {
  readonly node: string;
  state: 'waiting' | 'asked' | 'ready';
  faults: number;
  askAtMs: number;
  held: Held | undefined;
  coverage: Coverage | undefined;
  /** The coverage is newer than what the plan knows. */
  isNews: boolean;
}

/**
 * Who may have the object, and what each says that it has. Asks HAVE of up to `sourcesMax` at a time; whoever lies never
 * comes back, whoever fails too often is dropped and may be found again.
 */
export class SourcePool {
  readonly #options: SourcePoolOptions;
  readonly #candidates = new Map<string, Candidate>();
  /** Everybody heard of, with how they are out; liars stay out. */
  readonly #out = new Map<string, 'liar' | 'absent' | 'failed'>();
  readonly #stopped = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #size: number | undefined;
  #findAtMs = 0;
  #finding = false;
  /** The last search brought nobody new. */
  #foundNobody = false;
  /** It did not come to its end. */
  #searchFailed = false;

  constructor(options: SourcePoolOptions) {
    this.#options = options;
  }

  get liars(): readonly string[] {
    return [...this.#out].filter(([, how]) => how === 'liar').map(([node]) => node);
  }

  /** Whether nobody had told of it before. */
  add(node: string): boolean {
    if (this.#candidates.has(node) || this.#out.get(node) === 'liar') return false;
    const isNew = !this.#out.has(node);
    if (isNew && this.#candidates.size + this.#out.size >= this.#options.limits.candidatesMax) return false;
    this.#out.delete(node);
    const fresh = {
      state: 'waiting',
      faults: 0,
      askAtMs: 0,
      held: undefined,
      coverage: undefined,
      isNews: false,
    } as const;
    this.#candidates.set(node, { node, ...fresh });
    this.#ask();
    return isNew;
  }

  /** Nodes that can be asked for the end of the object: those that have all of it first. */
  get ready(): readonly string[] {
    const ready = [...this.#candidates.values()].filter(({ state, coverage }) => state === 'ready' && coverage);
    return ready.sort((a, b) => Number(b.coverage!.isAll) - Number(a.coverage!.isAll)).map(({ node }) => node);
  }

  /** Whether nobody is left who has it, may have it, or may be found. */
  get isHopeless(): boolean {
    const mayFind = this.#options.findSources !== undefined && !this.#foundNobody;
    return this.#candidates.size === 0 && !this.#finding && !mayFind;
  }

  /** After each change, besides the owner. Dispose to end it. */
  listen(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  refuseIfNoneLeft(): void {
    if (!this.isHopeless) return;
    const absent = !this.#searchFailed && [...this.#out.values()].every((how) => how === 'absent');
    throw absent
      ? new RonError('not_found', 'no node that was asked has the object')
      : new RonError('unavailable', 'no node is left that could send the rest of the object');
  }

  /** The size is proven: who claimed another lied. */
  sizeIs(size: number): void {
    this.#size = size;
    for (const candidate of this.#candidates.values()) this.#checkClaim(candidate);
  }

  liar(node: string, evidence: Evidence): void {
    if (this.#out.get(node) === 'liar') return;
    this.#leave(node, 'liar');
    try {
      this.#options.onLiar?.(node, evidence);
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  drop(node: string): void {
    this.#leave(node, 'failed');
  }

  /** It did not have what it claimed: what it says now counts. */
  askAgain(node: string): void {
    const candidate = this.#candidates.get(node);
    if (candidate === undefined || candidate.state !== 'ready') return;
    candidate.state = 'waiting';
    candidate.askAtMs = this.#options.clock.monotonicMs() + this.#options.limits.backoffMs;
    this.#ask();
  }

  /** Counts a failure outside of the plan; a source has as many as in it. */
  fault(node: string, waitMs = 0): void {
    const candidate = this.#candidates.get(node);
    if (candidate === undefined) return;
    const { backoffMs, backoffMsMax, faultsMax } = this.#options.limits;
    candidate.faults += 1;
    if (candidate.faults >= faultsMax && waitMs === 0) {
      this.drop(node);
      return;
    }
    const backoff = Math.min(backoffMs * 2 ** (candidate.faults - 1), backoffMsMax);
    candidate.state = 'waiting';
    candidate.askAtMs = this.#options.clock.monotonicMs() + Math.max(waitMs, backoff);
  }

  /** Tells the plan what is new; gives the sources that it must stop reading from. */
  sync(plan: Plan): readonly string[] {
    this.#ask();
    const nowMs = this.#options.clock.monotonicMs();
    for (const candidate of this.#candidates.values()) {
      const { node, coverage, isNews } = candidate;
      if (isNews && coverage !== undefined) {
        plan.setSource(node, coverage);
        candidate.isNews = false;
      }
      if (candidate.state !== 'ready' || coverage?.isAll !== false || !plan.isIdle(node)) continue;
      candidate.state = 'waiting';
      candidate.askAtMs = nowMs + this.#options.limits.refreshMs;
    }
    const stopped = [...this.#stopped];
    this.#stopped.clear();
    for (const node of stopped) if (!this.#candidates.has(node)) plan.dropSource(node);
    return stopped;
  }

  /** When it wants to be looked at again: `sync`, or `poll`, does what is due. */
  wakeAtMs(): number {
    let wake = this.#options.findSources === undefined || this.#finding ? Number.POSITIVE_INFINITY : this.#findDueMs();
    for (const { state, askAtMs } of this.#candidates.values()) if (state === 'waiting') wake = Math.min(wake, askAtMs);
    return Math.max(wake, this.#options.clock.monotonicMs() + 1);
  }

  poll(): void {
    this.#ask();
  }

  /** Asks under a deadline, that of answers by default, which aborts `own` when it passes. */
  async answerOf<T>(
    ask: (signal: AbortSignal) => Promise<T>,
    own: AbortController,
    withinMs = this.#options.limits.answerMs,
  ): Promise<T> {
    const late = () => own.abort(new RonError('deadline_exceeded', 'there was no answer in time'));
    const timer = this.#options.clock.after(withinMs, late);
    try {
      return await orAborted(ask(own.signal), own.signal);
    } finally {
      timer.cancel();
    }
  }

  #findDueMs(): number {
    return this.#candidates.size < this.#options.limits.sourcesWanted ? this.#findAtMs : Number.POSITIVE_INFINITY;
  }

  #ask(): void {
    if (this.#options.signal.aborted) return;
    const nowMs = this.#options.clock.monotonicMs();
    let busy = [...this.#candidates.values()].filter(({ state }) => state !== 'waiting').length;
    for (const candidate of this.#candidates.values()) {
      if (busy >= this.#options.limits.sourcesMax) break;
      if (candidate.state !== 'waiting' || candidate.askAtMs > nowMs) continue;
      busy += 1;
      candidate.state = 'asked';
      void this.#askOne(candidate);
    }
    if (!this.#finding && this.#options.findSources !== undefined && this.#findDueMs() <= nowMs) void this.#find(nowMs);
  }

  async #askOne(candidate: Candidate): Promise<void> {
    const { peers, address, signal } = this.#options;
    const windowFirst = Math.floor(this.#options.firstMissing() / 8) * 8;
    try {
      const have = (own: AbortSignal) => peers.have(candidate.node, address, windowFirst, own);
      using question = following(signal);
      const held = await this.answerOf(have, question.controller);
      if (this.#candidates.get(candidate.node) !== candidate) return;
      const coverage = held && Coverage.of(held, windowFirst);
      if (coverage === undefined) this.#leave(candidate.node, 'absent');
      else Object.assign(candidate, { state: 'ready', held, coverage, isNews: true });
      if (this.#size !== undefined) candidate.faults = 0;
      this.#checkClaim(candidate);
    } catch (error) {
      if (signal.aborted || this.#candidates.get(candidate.node) !== candidate) return;
      this.fault(candidate.node, error instanceof RonError ? (error.retryAfterMs ?? 0) : 0);
    }
    this.#changed();
  }

  #checkClaim({ node, held }: Candidate): void {
    if (this.#size === undefined || held === undefined || held.size === this.#size) return;
    this.liar(node, { address: this.#options.address, kind: 'claim', group: undefined });
  }

  async #find(nowMs: number): Promise<void> {
    const { findSources, signal, limits } = this.#options;
    this.#finding = true;
    this.#findAtMs = nowMs + limits.findEveryMs;
    this.#foundNobody = true;
    this.#searchFailed = false;
    try {
      using question = following(signal);
      for (const node of await this.answerOf((own) => findSources!(own), question.controller, limits.findMs)) {
        if (this.add(node)) this.#foundNobody = false;
      }
    } catch (error) {
      // Who cannot be asked for sources has found none, which does not say that there is none.
      this.#searchFailed = true;
      if (!(error instanceof RonError)) this.#options.onFailure(error);
    } finally {
      this.#finding = false;
    }
    this.#changed();
  }

  #leave(node: string, how: 'liar' | 'absent' | 'failed'): void {
    this.#candidates.delete(node);
    if (this.#out.get(node) === 'liar') return;
    this.#out.set(node, how);
    this.#stopped.add(node);
    this.#changed();
  }

  #changed(): void {
    this.#options.onChange();
    for (const listener of this.#listeners) listener();
  }
}
