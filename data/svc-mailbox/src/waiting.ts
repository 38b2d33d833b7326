import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

/**
 * Waits until `register`'s wake is called, the time is up, or the signal aborts. Never rejects: who waits looks again
 * for itself.
 */
export function waitFor(
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
  register: (wake: () => void) => Disposable,
): Promise<'woken' | 'late' | 'left'> {
  return new Promise((resolve) => {
    const end = (how: 'woken' | 'late' | 'left') => {
      timer.cancel();
      signal.removeEventListener('abort', left);
      registered[Symbol.dispose]();
      resolve(how);
    };
    const left = () => end('left');
    const timer = clock.after(waitMs, () => end('late'));
    const registered = register(() => end('woken'));
    signal.addEventListener('abort', left, { once: true });
    if (signal.aborted) left();
  });
}

/** How many of each tenant wait. Bounded by those who wait. */
export class WaitingRoom {
  readonly #waiting = new Map<string, number>();
  readonly #max: () => number;

  constructor(max: () => number) {
    this.#max = max;
  }

  /** A place, given back once. Undefined: full. */
  enter(tenant: string): Disposable | undefined {
    const count = this.#waiting.get(tenant) ?? 0;
    if (count >= this.#max()) return undefined;
    this.#waiting.set(tenant, count + 1);
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (!left) this.#leave(tenant);
        left = true;
      },
    };
  }

  #leave(tenant: string): void {
    const count = this.#waiting.get(tenant) ?? 0;
    if (count > 1) this.#waiting.set(tenant, count - 1);
    else this.#waiting.delete(tenant);
  }
}

export function tooManyWait(): RonError {
  return new RonError('quota_exhausted', 'too many receivers of the tenant wait', { retryAfterMs: 1_000 });
}
