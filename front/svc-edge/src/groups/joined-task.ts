/**
 * Work that several wait for and that is done once. It is given up when the last of them has left, and not before;
 * its signal then aborts with what that one left for.
 */
export class JoinedTask<T> {
  readonly #controller = new AbortController();
  readonly #outcome: Promise<T>;
  #waiting = 0;
  #settled = false;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#outcome = work(this.#controller.signal).finally(() => {
      this.#settled = true;
    });
    // Each that waits sees the failure; when all have left, nobody has to.
    this.#outcome.catch(() => undefined);
  }

  /** False when everybody has left: what is wanted then begins anew. */
  get alive(): boolean {
    return !this.#controller.signal.aborted;
  }

  /** Rejects with the signal's reason as soon as that aborts. */
  wait(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting += 1;
    return new Promise<T>((resolve, reject) => {
      let left = false;
      const leave = (): void => {
        if (left) return;
        left = true;
        signal?.removeEventListener('abort', onAbort);
        this.#waiting -= 1;
        if (this.#waiting === 0 && !this.#settled) this.#controller.abort(signal?.reason);
      };
      const onAbort = (): void => {
        leave();
        reject(signal!.reason);
      };
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#outcome.then(
        (value) => {
          leave();
          resolve(value);
        },
        (error) => {
          leave();
          reject(error);
        },
      );
    });
  }
}
