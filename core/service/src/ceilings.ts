import type { Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Context } from './context.ts';

export interface CeilingOptions {
  /** Requests in flight; writes are refused at 7/8 of it, so that reads stay open longest. Default 512. */
  readonly inflightMax?: number;
  /** Calls that wait idle, counted apart from the others. Default 4,096. */
  readonly waitingMax?: number;
  /**
   * Calls that wait for their client, for the next piece of its body or until it takes the next one, counted apart too.
   * What is past it is refused nothing, but counts as work. Default 1,024.
   */
  readonly heldMax?: number;
}

/** What of a call decides where it is counted. */
export interface CallShape {
  readonly mutation: boolean;
  readonly waits: boolean;
}

export function shapeOf({ mutation, waits }: Operation, input: unknown): CallShape {
  const doesWait =
    typeof waits === 'string' ? Number((input as Record<string, unknown>)[waits] ?? 0) > 0 : waits === true;
  return { mutation: mutation === true, waits: doesWait };
}

/** Where one call is counted. */
export interface Place {
  /** Its client is waited for from here on: to be ended with as many calls of `resume`. */
  hold(): void;
  resume(): void;
}

/** The calls of a service that run, and how many more may. */
export class Ceilings {
  readonly #inflightMax: number;
  readonly #waitingMax: number;
  readonly #counts: Counts;
  /** Bounded by all three ceilings together: who comes back from its client works, however many work. */
  readonly #running = new Set<CountedPlace>();
  #draining: PromiseWithResolvers<void> | undefined;

  constructor({ inflightMax = 512, waitingMax = 4_096, heldMax = 1_024 }: CeilingOptions) {
    this.#inflightMax = inflightMax;
    this.#waitingMax = waitingMax;
    this.#counts = { working: 0, waiting: 0, held: 0, heldMax };
  }

  get size(): number {
    return this.#running.size;
  }

  get working(): number {
    return this.#counts.working;
  }

  /** Those that wait for their client. */
  get held(): number {
    return this.#counts.held;
  }

  /** @throws RonError `unavailable` when there is no room for one more such call. */
  check({ waits, mutation }: CallShape): void {
    if (this.#draining !== undefined) throw stopping();
    if (waits) {
      if (this.#counts.waiting >= this.#waitingMax) throw tooMany('too many requests wait', 'waiting');
      return;
    }
    const room = mutation ? (this.#inflightMax * 7) >> 3 : this.#inflightMax;
    if (this.#counts.working >= room) throw tooMany('too many requests in flight', 'inflight');
  }

  /** `onWork` is told when the call begins (1) and ceases (-1) to count as work. */
  enter(context: Context, { waits }: CallShape, onWork: OnWork = nothing): Place {
    const place = new CountedPlace(context, this.#counts, waits, onWork);
    this.#running.add(place);
    return place;
  }

  /** False when it had left before. */
  leave(place: Place): boolean {
    const own = place as CountedPlace;
    if (!this.#running.delete(own)) return false;
    own.leave();
    if (this.size === 0) this.#draining?.resolve();
    return true;
  }

  /** Nothing enters any more, and what waits is told to end. Resolves when nothing is left. */
  drain(): Promise<void> {
    if (this.#draining === undefined) {
      this.#draining = Promise.withResolvers();
      for (const { context, count } of this.#running) if (count === 'waiting') context.abort(stopping());
      if (this.size === 0) this.#draining.resolve();
    }
    return this.#draining.promise;
  }

  abort(reason: RonError): void {
    for (const { context } of this.#running) context.abort(reason);
  }
}

type OnWork = (change: 1 | -1) => void;

interface Counts {
  working: number;
  waiting: number;
  held: number;
  readonly heldMax: number;
}

class CountedPlace implements Place {
  readonly context: Context;
  count: 'working' | 'waiting' | 'held' | undefined;
  readonly #counts: Counts;
  readonly #onWork: OnWork;
  #holds = 0;

  constructor(context: Context, counts: Counts, waits: boolean, onWork: OnWork) {
    this.context = context;
    this.#counts = counts;
    this.#onWork = onWork;
    this.#move(waits ? 'waiting' : 'working');
  }

  hold(): void {
    this.#holds += 1;
    if (this.count === 'working' && this.#counts.held < this.#counts.heldMax) this.#move('held');
  }

  resume(): void {
    this.#holds -= 1;
    if (this.#holds === 0 && this.count === 'held') this.#move('working');
  }

  leave(): void {
    this.#move(undefined);
  }

  #move(to: CountedPlace['count']): void {
    const { count: from } = this;
    this.count = to;
    if (from !== undefined) this.#counts[from] -= 1;
    if (to !== undefined) this.#counts[to] += 1;
    if (from === 'working') this.#onWork(-1);
    if (to === 'working') this.#onWork(1);
  }
}

function nothing(): void {
  // Nobody asked to be told.
}

/** To be asked again where the next process may be up. */
export function stopping(): RonError {
  return new RonError('unavailable', 'the node is stopping', { retryAfterMs: 1_000, details: { gate: 'draining' } });
}

function tooMany(message: string, gate: string): RonError {
  return new RonError('unavailable', message, { retryAfterMs: 250, details: { gate } });
}
