import { asClientError, endedByCaller, givenUp, RonClientError } from './errors.ts';
import type { Platform } from './transport.ts';

const attemptsMax = 5;
const firstDelayMs = 100;
const delayMsMax = 10_000;
/** Nobody is made to wait longer for another attempt, also when the call itself has no deadline. */
const pauseMsMax = 300_000;
/** Retries may be at most this share of requests, over a budget that starts with a few for free. */
const budgetShare = 0.1;
const budgetMax = 10;

/** Keeps retries of a whole client at 10 % of its requests, so that clients do not hold an overloaded node down. */
export class RetryBudget {
  #tokens = budgetMax;

  onRequest(): void {
    this.#tokens = Math.min(budgetMax, this.#tokens + budgetShare);
  }

  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

export interface RetryOptions {
  readonly platform: Platform;
  readonly budget: RetryBudget;
  readonly corrId: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** False once a body was consumed that cannot be read again. */
  readonly repeatable: () => boolean;
  /** Default 5. */
  readonly attemptsMax?: number;
}

/**
 * Full-jitter backoff (100 ms doubling to 10 s, 5 attempts), only for retryable codes, inside one deadline.
 * `Retry-After` is always honoured: the wait is never shorter, and the call fails at once when it is longer than what
 * the deadline leaves. The error of the last attempt says how many there were and when to try again.
 */
export async function withRetry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  options.budget.onRequest();
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (thrown) {
      // A call that this one waited for, and that was tried as often as it should be: not once more for each of ours.
      if (thrown instanceof RonClientError) throw thrown;
      await beforeRetry(asClientError(thrown, options.corrId), tries, options);
    }
  }
}

/** Resolves when it is time for the next attempt after `tries`; rejects with the error when there is to be none. */
export async function beforeRetry(error: RonClientError, tries: number, options: RetryOptions): Promise<void> {
  if (options.signal?.aborted) throw endedByCaller(options.corrId, options.signal);
  if (!error.retryable) throw tries === 1 ? error : givenUp(error, tries, 'attempts');
  if (!options.repeatable()) throw givenUp(error, tries, 'body');
  if (tries >= (options.attemptsMax ?? attemptsMax)) throw givenUp(error, tries, 'attempts');
  const waitMs = Math.max(error.retryAfterMs ?? 0, jitterMs(options.platform, tries));
  const leftMs = Math.min(options.deadlineMs - options.platform.monotonicMs(), pauseMsMax);
  if (waitMs >= leftMs) throw givenUp(error, tries, 'wait');
  if (!options.budget.take()) throw givenUp(error, tries, 'budget');
  await pause(options, waitMs);
}

/** Full jitter: uniform between nothing and a ceiling of 100 ms that doubles with each try, to 10 s. */
export function jitterMs(platform: Platform, tries: number): number {
  return unit(platform) * Math.min(delayMsMax, firstDelayMs * 2 ** (tries - 1));
}

function unit(platform: Platform): number {
  const [a = 0, b = 0, c = 0] = platform.randomBytes(3);
  return (a * 65_536 + b * 256 + c) / 16_777_216;
}

/** Rejects with `deadline_exceeded` as soon as the signal aborts. */
export function pause(
  { platform, signal, corrId }: Pick<RetryOptions, 'platform' | 'signal' | 'corrId'>,
  delayMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.cancel();
      reject(endedByCaller(corrId, signal));
    };
    const timer = platform.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
