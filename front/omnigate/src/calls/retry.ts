import type { RonError } from '@ron/proto/errors';

/** What decides whether a call may be made once more, on another backend. */
export interface FailedAttempt {
  /** The first try. There is one retry, never two. */
  readonly first: boolean;
  readonly mutation: boolean;
  /** What it answers with is away for others: `Operation.leases`. */
  readonly leases: boolean;
  readonly idempotencyKey: boolean;
  /** Bytes of the request's own body were asked for. */
  readonly bodyBegun: boolean;
  readonly error: RonError;
  /** `unsent`: it did not leave. `lost`: nobody knows what became of it. `answered`: the backend said so itself. */
  readonly how: 'unsent' | 'lost' | 'answered';
}

/** Gates that refuse before a handler runs. */
const gatesBefore: ReadonlySet<unknown> = new Set([
  'draining',
  'inflight',
  'loop_delay',
  'queue_delay',
  'heap',
  'waiting',
  'revocations',
]);

/**
 * A read is asked again when the first backend is gone or has no room. A change only with an idempotency key, and only
 * when it surely was not begun. So is what leases: messages leased for an answer that nobody got are away until the lease
 * ends. Nothing whose body was begun: nobody has kept its bytes.
 */
export function mayRetry({ first, mutation, leases, idempotencyKey, bodyBegun, error, how }: FailedAttempt): boolean {
  if (!first || bodyBegun) return false;
  if (error.code !== 'unavailable') return false;
  if (!mutation && !leases) return true;
  if (mutation && !idempotencyKey) return false;
  return how === 'unsent' || (how === 'answered' && gatesBefore.has(error.details?.['gate']));
}

/** Part of the calls that may be asked twice. */
const part = 0.1;
/** Retries that a quiet time saves up: for what a backend has in flight when it dies. */
const savedMax = 100;

/**
 * At most one retry for ten calls, so that a cluster in trouble does not get twice its load: the retry budget of the
 * Site Reliability Engineering book (2016), chapter 22.
 */
export class RetryBudget {
  #saved = savedMax;

  /** A call came in. */
  earn(): void {
    this.#saved = Math.min(savedMax, this.#saved + part);
  }

  /** Whether one more may be made; it counts. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
