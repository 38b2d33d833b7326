/** Judges one direction of one stream by the bytes that move while it waits for the peer. */
export class TransferWatch {
  readonly #windowMs: number;
  readonly #bytesMin: number;
  #sinceMs: number | undefined;
  #sinceBytes = 0;

  /** Fewer than `bytesMin` bytes in `windowMs` of waiting are too few. */
  constructor(windowMs: number, bytesMin: number) {
    this.#windowMs = windowMs;
    this.#bytesMin = bytesMin;
  }

  /** To be asked on each tick. `waiting` is false while the delay is our own: the window then begins anew. */
  isTooSlow(nowMs: number, waiting: boolean, movedBytes: number): boolean {
    if (!waiting) {
      this.#sinceMs = undefined;
      return false;
    }
    if (this.#sinceMs !== undefined) {
      if (nowMs - this.#sinceMs < this.#windowMs) return false;
      if (movedBytes - this.#sinceBytes < this.#bytesMin) return true;
    }
    this.#sinceMs = nowMs;
    this.#sinceBytes = movedBytes;
    return false;
  }
}
