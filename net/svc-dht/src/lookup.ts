import type { Clock, Timer } from '@ron/kernel';
import type { DhtKey } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';
import { groupOf } from './address-group.ts';
import { type Candidate, LookupPath } from './lookup-path.ts';

export interface LookupRules {
  /** Requests that are waited for at once: Kademlia’s α. */
  readonly parallel: number;
  /** Nearest nodes of a path that have to have answered before it ends: k, or fewer where a few do. */
  readonly width: number;
  /** Milliseconds after which another node is asked beside one that is silent. */
  readonly hedgeMs: number;
  readonly rpcTimeoutMs: number;
  /** Milliseconds for the whole lookup. What was found by then is its result. */
  readonly deadlineMs: number;
  /** Requests in all. */
  readonly asksMax: number;
  /** Nodes of one address group that are asked. */
  readonly groupAsksMax: number;
}

export interface LookupPlan<Answer extends { readonly contacts: readonly Contact[] }> {
  readonly self: NodeId;
  /** The points that are gone towards, each by nodes that no other path asks: one path that is led astray is one only. */
  readonly paths: readonly DhtKey[];
  /** From the node's own table. */
  start(toward: DhtKey): readonly Contact[];
  query(contact: Contact, toward: DhtKey, timeoutMs: number, candidate: Candidate): Promise<Answer>;
  /** Milliseconds that an answer of this node is expected to take. */
  expectedMs(contact: Contact): number;
  /** Not asked, whoever names it. */
  isBanned(id: NodeId): boolean;
  /** Nodes that share so many bits with a path's point are as good as each other: the quickest is asked first. */
  readonly regionBits: number;
  /** True ends the lookup. */
  found?(answer: Answer, from: Candidate): boolean | Promise<boolean>;
}

export interface LookupOutcome {
  /** Nodes that answered, by path, nearest to its point first. */
  readonly nearest: readonly (readonly Contact[])[];
  /** Everybody that was heard of and did not fail to answer, answered or not. */
  readonly heard: readonly Contact[];
  readonly asked: number;
  readonly failed: number;
  /** Every path went to its end. */
  readonly complete: boolean;
}

interface Flight {
  readonly path: LookupPath;
  hedge: Timer | undefined;
  /** Silent for so long that it is not waited for any more. */
  slow: boolean;
}

/** Unanswered requests at once, the hedged ones included, for each that is waited for. */
const flightsPerParallel = 3;

/** An iterative lookup: from answer to answer nearer to the points of its paths, which share its requests fairly. */
export class Lookup<Answer extends { readonly contacts: readonly Contact[] }> {
  readonly #rules: LookupRules;
  readonly #plan: LookupPlan<Answer>;
  readonly #clock: Clock;
  readonly #paths: readonly LookupPath[];
  readonly #taken = new Set<NodeId>();
  readonly #groups = new Map<string, number>();
  readonly #flights = new Set<Flight>();
  readonly #end = Promise.withResolvers<LookupOutcome>();
  #deadline: Timer | undefined;
  #asked = 0;
  #failed = 0;
  #ended = false;

  constructor(clock: Clock, rules: LookupRules, plan: LookupPlan<Answer>) {
    this.#clock = clock;
    this.#rules = rules;
    this.#plan = plan;
    const { regionBits, expectedMs, isBanned } = plan;
    this.#paths = plan.paths.map(
      (toward) => new LookupPath({ toward, width: rules.width, regionBits, expectedMs, isBanned, taken: this.#taken }),
    );
    this.#taken.add(plan.self);
  }

  /** Rejects only with what `found` throws. */
  run(): Promise<LookupOutcome> {
    this.#deadline = this.#clock.after(this.#rules.deadlineMs, () => this.#finish(false));
    for (const path of this.#paths) for (const contact of this.#plan.start(path.toward)) path.offer(contact, undefined);
    this.#pump();
    return this.#end.promise;
  }

  #pump(): void {
    const { parallel, asksMax } = this.#rules;
    while (!this.#ended && this.#waitedFor() < parallel && this.#flights.size < parallel * flightsPerParallel) {
      const next = this.#asked < asksMax ? this.#next() : undefined;
      if (next === undefined) break;
      this.#launch(next.path, next.candidate);
    }
    if (this.#flights.size === 0) this.#finish(this.#asked < asksMax);
  }

  /** The path that waits for the fewest goes first. */
  #next(): { path: LookupPath; candidate: Candidate } | undefined {
    const byLoad = this.#paths.toSorted((a, b) => a.inFlight - b.inFlight);
    for (const path of byLoad) {
      for (;;) {
        const candidate = path.next();
        if (candidate === undefined) break;
        if (this.#admits(candidate.contact)) return { path, candidate };
        path.skip(candidate);
      }
    }
    return undefined;
  }

  #admits({ address }: Contact): boolean {
    const group = groupOf(address);
    const count = this.#groups.get(group) ?? 0;
    if (count >= this.#rules.groupAsksMax) return false;
    this.#groups.set(group, count + 1);
    return true;
  }

  #launch(path: LookupPath, candidate: Candidate): void {
    const flight: Flight = { path, hedge: undefined, slow: false };
    this.#flights.add(flight);
    this.#taken.add(candidate.contact.id);
    path.launched(candidate);
    this.#asked++;
    flight.hedge = this.#clock.after(this.#rules.hedgeMs, () => {
      flight.slow = true;
      this.#pump();
    });
    this.#plan.query(candidate.contact, path.toward, this.#rules.rpcTimeoutMs, candidate).then(
      (answer) => this.#answered(flight, candidate, answer),
      () => this.#land(flight, () => this.#fail(path, candidate)),
    );
  }

  #answered(flight: Flight, candidate: Candidate, answer: Answer): void {
    if (this.#ended) return;
    flight.path.answered(candidate, answer.contacts);
    // Judging what was found may take a while; the lookup goes on meanwhile.
    void this.#judge(answer, candidate);
    this.#land(flight, () => undefined);
  }

  async #judge(answer: Answer, candidate: Candidate): Promise<void> {
    try {
      const verdict = this.#plan.found?.(answer, candidate);
      if (verdict === true || (verdict !== false && (await verdict))) this.#finish(false);
    } catch (error) {
      this.#end.reject(error);
      this.#finish(false);
    }
  }

  #fail(path: LookupPath, candidate: Candidate): void {
    this.#failed++;
    path.failed(candidate);
  }

  #land(flight: Flight, then: () => void): void {
    flight.hedge?.cancel();
    this.#flights.delete(flight);
    if (this.#ended) return;
    then();
    this.#pump();
  }

  #waitedFor(): number {
    let count = 0;
    for (const { slow } of this.#flights) if (!slow) count++;
    return count;
  }

  #finish(complete: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline?.cancel();
    for (const flight of this.#flights) flight.hedge?.cancel();
    const heard = new Map<NodeId, Contact>();
    for (const path of this.#paths) for (const contact of path.heard()) heard.set(contact.id, contact);
    this.#end.resolve({
      nearest: this.#paths.map((path) => path.nearest()),
      heard: [...heard.values()],
      asked: this.#asked,
      failed: this.#failed,
      complete,
    });
  }
}
