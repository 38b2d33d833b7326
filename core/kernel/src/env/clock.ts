/** Time. Everything that waits or measures asks this port, so that a whole cluster can run on virtual time. */
export interface Clock {
  /** Whole milliseconds since the Unix epoch; may jump. For records and expiry dates only. */
  wallMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. For deadlines, leases, quotas and durations. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs` (0 to 2^31−1). The timer does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer;
}

export interface Timer {
  /** Idempotent; after it returns the task will not run. */
  cancel(): void;
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
