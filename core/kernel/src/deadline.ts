import type { Clock } from './env/clock.ts';
import { SystemError } from './env/system-error.ts';

/** The promise's outcome, or a rejection with `ETIMEDOUT` after `deadlineMs`. What comes later is ignored. */
export function withDeadline<T>(clock: Clock, promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(deadlineMs, () =>
      reject(new SystemError('ETIMEDOUT', `${what} took over ${deadlineMs} ms`)),
    );
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
