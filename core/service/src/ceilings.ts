import type { Operation } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Context } from './context.ts';

export interface CeilingOptions {
  /** Requests in flight; writes are refused at 7/8 of it, so that reads stay open longest. Default 512. */
  readonly inflightMax?: number;
  /** Calls that wait idle, counted apart from the others. Default 4,096. */
  readonly waitingMax?: number;
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

/** The calls of a service that run, and how many more may. */
export class Ceilings {
  readonly #inflightMax: number;
  readonly #waitingMax: number;
  /** Bounded by `#inflightMax`. */
  readonly #working = new Set<Context>();
  /** Bounded by `#waitingMax`. */
  readonly #waiting = new Set<Context>();
  #draining: PromiseWithResolvers<void> | undefined;

  constructor({ inflightMax = 512, waitingMax = 4_096 }: CeilingOptions) {
    this.#inflightMax = inflightMax;
    this.#waitingMax = waitingMax;
  }

  get size(): number {
    return this.#working.size + this.#waiting.size;
  }

  /** @throws RonError `unavailable` when there is no room for one more such call. */
  check({ waits, mutation }: CallShape): void {
    if (this.#draining !== undefined) throw stopping();
    if (waits) {
      if (this.#waiting.size >= this.#waitingMax) throw tooMany('too many requests wait', 'waiting');
      return;
    }
    const room = mutation ? (this.#inflightMax * 7) >> 3 : this.#inflightMax;
    if (this.#working.size >= room) throw tooMany('too many requests in flight', 'inflight');
  }

  enter(context: Context, { waits }: CallShape): void {
    (waits ? this.#waiting : this.#working).add(context);
  }

  /** False when it had left before. */
  leave(context: Context): boolean {
    if (!this.#working.delete(context) && !this.#waiting.delete(context)) return false;
    if (this.size === 0) this.#draining?.resolve();
    return true;
  }

  /** Nothing enters any more, and what waits is told to end. Resolves when nothing is left. */
  drain(): Promise<void> {
    if (this.#draining === undefined) {
      this.#draining = Promise.withResolvers();
      for (const context of this.#waiting) context.abort(stopping());
      if (this.size === 0) this.#draining.resolve();
    }
    return this.#draining.promise;
  }

  abort(reason: RonError): void {
    for (const context of this.#working) context.abort(reason);
    for (const context of this.#waiting) context.abort(reason);
  }
}

function stopping(): RonError {
  return new RonError('unavailable', 'the node is stopping', { retryAfterMs: 1_000, details: { gate: 'draining' } });
}

function tooMany(message: string, gate: string): RonError {
  return new RonError('unavailable', message, { retryAfterMs: 250, details: { gate } });
}
