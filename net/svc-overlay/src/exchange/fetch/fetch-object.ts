import { createSliceVerifier, groupBytes, groupCount, groupLength } from '@ron/b3';
import type { Clock, Timer } from '@ron/kernel';
import { hashFromAddress, parseAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { GroupSet } from '../group-set.ts';
import { type FetchLimits, fetchLimitsDefault } from './fetch-limits.ts';
import type { Evidence, ExchangePeers, PositionalSink } from './fetch-ports.ts';
import { type Assignment, type Ending, Plan } from './plan.ts';
import { proveEnd } from './prove-end.ts';
import { busyMs, isAbsence, lieOf, type ProvenEnd, untilAborted } from './slice-stream.ts';
import { SourcePool } from './source-pool.ts';
import { encodeTransferState, parseTransferState, type TransferState } from './transfer-state.ts';

export interface FetchOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly peers: ExchangePeers;
  readonly sink: PositionalSink;
  /** Nodes that may have it; nothing is believed of them. */
  readonly sources: readonly string[];
  /** Asked for more when few are left, at most every `findEveryMs`. */
  readonly findSources?: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Called once for each source that lied, at its first bad group. */
  readonly onLiar?: (node: string, evidence: Evidence) => void;
  readonly signal?: AbortSignal;
  /** Of an earlier transfer into the same sink. */
  readonly resume?: TransferState;
  /** Bytes of the object where they are proven already. Otherwise its last group is fetched and written as well. */
  readonly size?: number;
  /** Which groups are wanted; all by default. */
  readonly range?: { readonly first: number; readonly count: number };
  /** Groups from this one on are not asked for yet. `Transfer.wake` is to be called when it has risen. */
  readonly horizon?: () => number;
  /** What a run of groups brought: verified bytes in so many milliseconds; no bytes when the source failed. */
  readonly onRun?: (node: string, bytes: number, durationMs: number) => void;
  readonly limits?: Partial<FetchLimits>;
}

export interface FetchResult {
  readonly size: number;
  /** Verified groups that came a second time and were dropped. */
  readonly duplicateGroups: number;
  /** Verified bytes by source. */
  readonly bytesByNode: ReadonlyMap<string, number>;
  readonly liars: readonly string[];
}

/** A transfer that runs. */
export interface Transfer {
  /**
   * Resolves when every group that is wanted is written. Rejects with `not_found` when nobody has the object, `unavailable` when nobody is
   * left who can be asked, `deadline_exceeded` when nothing came for `progressMs`, `payload_too_large`, what the sink
   * threw, or the reason of the signal. Nothing is written after it settled.
   */
  readonly done: Promise<FetchResult>;
  /** Undefined until the size is proven. */
  state(): TransferState | undefined;
  addSource(node: string): void;
  /** The horizon has risen. */
  wake(): void;
}

/**
 * Fetches an object from several sources at once. Each group is verified against the address before it is written, by the
 * path that its slice brings: no outboard is held, so memory is a few sets of one bit a group and, for each of at most 12
 * streams, a piece of its body and one group.
 */
export function fetchObject(options: FetchOptions): Transfer {
  const run = new TransferRun(options);
  return {
    done: run.run(),
    state: () => run.state(),
    addSource: (node) => void run.pool.add(node),
    wake: () => run.wake(),
  };
}

class TransferRun {
  readonly pool: SourcePool;
  readonly #options: FetchOptions;
  readonly #limits: FetchLimits;
  readonly #root: Uint8Array;
  readonly #ending = new AbortController();
  readonly #streams = new Map<number, { readonly stop: AbortController; readonly over: Promise<void> }>();
  readonly #bytesByNode = new Map<string, number>();
  #size = 0;
  #written: GroupSet | undefined;
  /** Groups that are wanted and not written. */
  #missing = Number.POSITIVE_INFINITY;
  #plan: Plan | undefined;
  #duplicates = 0;
  #progressMs: number;
  #failure: { readonly error: unknown } | undefined;
  #woken = false;
  #resume: () => void = () => undefined;

  constructor(options: FetchOptions) {
    this.#options = options;
    this.#limits = { ...fetchLimitsDefault, ...options.limits };
    this.#root = hashFromAddress(parseAddress(options.address));
    this.#progressMs = options.clock.monotonicMs();
    this.pool = new SourcePool({
      ...options,
      limits: this.#limits,
      signal: this.#ending.signal,
      firstMissing: () => this.#plan?.firstFree ?? 0,
      onChange: () => this.wake(),
      onFailure: (error) => this.#fail(error),
    });
  }

  state(): TransferState | undefined {
    return this.#written && encodeTransferState(this.#options.address, this.#size, this.#written);
  }

  async run(): Promise<FetchResult> {
    const { signal } = this.#options;
    const onAbort = () => this.#fail(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      for (const node of this.#options.sources) this.pool.add(node);
      await this.#begin();
      await this.#transfer(this.#plan!);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#ending.abort(new RonError('unavailable', 'the transfer is over'));
      for (const { stop } of this.#streams.values()) stop.abort(this.#ending.signal.reason);
      await this.#streamsOver();
    }
    return {
      size: this.#size,
      duplicateGroups: this.#duplicates,
      bytesByNode: this.#bytesByNode,
      liars: this.pool.liars,
    };
  }

  wake(): void {
    this.#woken = true;
    this.#resume();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.wake();
  }

  async #begin(): Promise<void> {
    const { address, resume, sink, clock, range, horizon } = this.#options;
    const earlier = resume && parseTransferState(resume, address);
    const end = this.#options.size === undefined ? await this.#proveEnd() : undefined;
    const size = end?.size ?? this.#options.size!;
    if (size > this.#limits.sizeBytesMax) throw new RonError('payload_too_large', `the object has ${size} bytes`);
    if (earlier !== undefined && earlier.size !== size) {
      throw new RonError('bad_request', 'the state of the transfer is of another size: begin anew');
    }
    this.#size = size;
    await sink.begin?.(size);
    const groups = groupCount(size);
    const written = earlier?.written ?? new GroupSet(groups);
    if (end !== undefined && !written.has(groups - 1)) {
      await sink.write((groups - 1) * groupBytes(), end.lastGroup);
      written.add(groups - 1);
    }
    const done = written.copy();
    const { first, count } = range ?? { first: 0, count: groups };
    // What is not wanted need not be fetched.
    done.addRun(0, first);
    done.addRun(first + count, groups);
    this.#missing = groups - done.size;
    this.#written = written;
    this.#plan = new Plan(done, done.copy(), this.#limits, horizon);
    this.pool.sizeIs(size);
    this.#progressMs = clock.monotonicMs();
  }

  /** Learns the size from the last group, which counts as the first that is fetched. */
  async #proveEnd(): Promise<ProvenEnd> {
    let end: ProvenEnd | undefined;
    const proving = proveEnd({
      ...this.#options,
      root: this.#root,
      pool: this.pool,
      limits: this.#limits,
      signal: this.#ending.signal,
    });
    const ended = proving.then(
      (proven) => {
        end = proven;
        this.wake();
      },
      (error: unknown) => this.#fail(error),
    );
    while (end === undefined) await this.#pause(this.#nextLook());
    await ended;
    return end as ProvenEnd;
  }

  async #transfer(plan: Plan): Promise<void> {
    const { clock } = this.#options;
    while (this.#missing > 0) {
      for (const node of this.pool.sync(plan)) this.#stopStreamsOf(node);
      for (const step of plan.steps(clock.monotonicMs())) {
        if (step.kind === 'start') this.#start(plan, step.assignment);
        else {
          this.#streams.get(step.assignment.id)?.stop.abort(step.ending === 'fault' ? stalled : stopped);
        }
      }
      if (plan.active === 0 && this.#streams.size === 0) this.pool.refuseIfNoneLeft();
      if (this.#streams.size === 0 && plan.rests) await this.#rest();
      else await this.#pause(Math.min(plan.wakeAtMs(clock.monotonicMs()), this.#nextLook()));
    }
  }

  /** Until something happens: who reads has what is below the horizon, and no source can bring anything. */
  async #rest(): Promise<void> {
    await this.#sleep(Number.POSITIVE_INFINITY);
    this.#progressMs = this.#options.clock.monotonicMs();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Every stream has let go; one whose write does not end is not waited for longer than `answerMs`. */
  async #streamsOver(): Promise<void> {
    const all = Promise.all([...this.#streams.values()].map(({ over }) => over));
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#options.clock.after(this.#limits.answerMs, resolve);
    });
    await Promise.race([all, late]);
    timer?.cancel();
  }

  #nextLook(): number {
    return Math.min(this.pool.wakeAtMs(), this.#progressMs + this.#limits.progressMs);
  }

  /** Until something happens or it is `untilMs`. Throws what ended the transfer. */
  async #pause(untilMs: number): Promise<void> {
    await this.#sleep(untilMs);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#options.clock.monotonicMs() - this.#progressMs >= this.#limits.progressMs) {
      throw new RonError('deadline_exceeded', 'no source sent anything that belongs to the object for too long');
    }
  }

  /** At most `progressMs`. */
  async #sleep(untilMs: number): Promise<void> {
    const { clock } = this.#options;
    let timer: Timer | undefined;
    if (!this.#woken) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
        // At least a millisecond: a difference of times may be less than the least by which they differ.
        const waitMs = Math.max(1, Math.ceil(untilMs - clock.monotonicMs()));
        timer = clock.after(Math.min(waitMs, this.#limits.progressMs), resolve);
      });
    }
    this.#woken = false;
    timer?.cancel();
  }

  #stopStreamsOf(node: string): void {
    for (const assignment of this.#running) {
      if (assignment.node === node) this.#streams.get(assignment.id)?.stop.abort(stopped);
    }
  }

  readonly #running = new Set<Assignment>();

  #start(plan: Plan, assignment: Assignment): void {
    const stop = new AbortController();
    this.#running.add(assignment);
    const over = this.#stream(plan, assignment, stop).then((outcome) => {
      this.#running.delete(assignment);
      this.#streams.delete(assignment.id);
      this.#ended(plan, assignment, outcome);
      this.wake();
    });
    this.#streams.set(assignment.id, { stop, over });
  }

  #ended(plan: Plan, assignment: Assignment, { ending, waitMs, evidence }: Outcome): void {
    const gone = plan.onEnd(assignment, ending, this.#options.clock.monotonicMs(), waitMs);
    this.#ran(assignment, ending === 'fault' || ending === 'lie');
    if (evidence !== undefined) this.pool.liar(assignment.node, evidence);
    else if (gone) this.pool.drop(assignment.node);
    else if (ending === 'refused') this.pool.askAgain(assignment.node);
  }

  #ran({ node, bytes, startedMs }: Assignment, hasFailed: boolean): void {
    if (!hasFailed && bytes === 0) return;
    this.#options.onRun?.(node, hasFailed ? 0 : bytes, this.#options.clock.monotonicMs() - startedMs);
  }

  /** Reads one run. Never rejects: what went wrong is its outcome, or the failure of the transfer. */
  async #stream(plan: Plan, assignment: Assignment, stop: AbortController): Promise<Outcome> {
    const { signal } = stop;
    const { peers, address } = this.#options;
    const { first, end, node } = assignment;
    const start = first * groupBytes();
    const verifier = createSliceVerifier({
      root: this.#root,
      start,
      length: (end - first) * groupBytes(),
      size: this.#size,
    });
    try {
      const want = (own: AbortSignal) => peers.want(node, address, [{ first, count: end - first }], own);
      const body = await this.pool.answerOf(want, stop);
      for await (const piece of untilAborted(body, signal)) {
        plan.onBytes(assignment, this.#options.clock.monotonicMs());
        for (const group of verifier.push(piece)) {
          if (!(await this.#take(plan, assignment, group, signal))) return { ending: 'complete' };
        }
        if (verifier.done) return { ending: 'complete' };
      }
      verifier.finish();
      return { ending: 'complete' };
    } catch (error) {
      if (signal.reason === stopped || this.#ending.signal.aborted) return { ending: 'superseded' };
      const evidence = lieOf(error, address);
      if (evidence !== undefined) return { ending: 'lie', evidence };
      const waitMs = busyMs(error);
      if (waitMs !== undefined) return { ending: 'busy', waitMs };
      return { ending: isAbsence(error) ? 'refused' : 'fault' };
    }
  }

  /** Writes a verified group. False when the rest of the run is not wanted. */
  async #take(plan: Plan, assignment: Assignment, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { clock, sink } = this.#options;
    if (signal.aborted || assignment.next >= assignment.end) return false;
    const { group, isNew, isContested } = plan.onGroup(assignment, bytes.length, clock.monotonicMs());
    if (bytes.length !== groupLength(this.#size, group)) throw new Error('a verified group of another length');
    if (isContested) this.wake();
    if (!isNew) {
      this.#duplicates += 1;
      return assignment.next < assignment.end;
    }
    this.#bytesByNode.set(assignment.node, (this.#bytesByNode.get(assignment.node) ?? 0) + bytes.length);
    assignment.held = true;
    try {
      await sink.write(group * groupBytes(), bytes);
    } catch (error) {
      this.#fail(error);
      return false;
    } finally {
      assignment.held = false;
      assignment.lastByteMs = assignment.lastGroupMs = clock.monotonicMs();
    }
    this.#written!.add(group);
    this.#missing -= 1;
    this.#progressMs = clock.monotonicMs();
    return assignment.next < assignment.end;
  }
}

interface Outcome {
  readonly ending: Ending;
  readonly waitMs?: number;
  readonly evidence?: Evidence;
}

const stopped = new RonError('unavailable', 'the stream is not needed any more');
const stalled = new Error('the run stalled');
