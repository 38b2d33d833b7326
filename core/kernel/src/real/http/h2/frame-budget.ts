import type { Http2Limits } from '../../../env/http.ts';

/** Resets are judged over so many seconds, so that a browser may leave a page at once. */
export const resetWindowSeconds = 10;

/**
 * A frame around few bytes, and an update of the window for few bytes read, are no flood: for each byte that is transferred
 * so much of a byte is allowed beside it. An update a KiB, on stream and connection, is 26 bytes.
 */
const overheadShare = 1 / 16;
/** A header block may come in more bytes than its fields have: literals, frames, a table update. */
const headerShare = 2;

/** What one connection may spend on frames that bring nothing. Buckets that leak with time. */
export class FrameBudget {
  readonly #limits: Http2Limits;
  #resets = 0;
  #useful = 0;
  #lastReceived = 0;
  #lastSent = 0;
  #controlBytes = 0;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  /** A stream ended before its response. False when there were too many. CVE-2023-44487. */
  reset(): boolean {
    this.#resets++;
    return this.#resets <= this.#limits.resetsPerSecondMax * resetWindowSeconds;
  }

  headers(bytes: number): void {
    this.#useful += bytes * headerShare;
  }

  data(bytes: number): void {
    this.#useful += bytes * (1 + overheadShare);
  }

  /** `received` and `sent` are the connection's bytes so far. False when frames without use take too many of them. */
  tick(received: number, sent: number, ms: number): boolean {
    const seconds = ms / 1000;
    this.#resets = Math.max(0, this.#resets - this.#limits.resetsPerSecondMax * seconds);
    const allowed = this.#useful + (sent - this.#lastSent) * overheadShare;
    const control = received - this.#lastReceived - allowed;
    this.#useful = 0;
    this.#lastReceived = received;
    this.#lastSent = sent;
    const bytesMax = this.#limits.controlBytesPerSecondMax;
    this.#controlBytes = Math.max(0, this.#controlBytes + control - bytesMax * seconds);
    return this.#controlBytes <= bytesMax;
  }
}
