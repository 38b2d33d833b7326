import { RonError } from '@ron/proto/errors';

/** Objects whose proof is being fetched at a time; more are refused. */
export const provingMax = 4_096;

/** Outboards that are being fetched, together: eight of the largest. Their memory is taken by the source's word. */
export const outboardsInFlightBytesMax = 64 * 1024 * 1024;

/** The refusal is this cache's own: no other source would help. */
export class CrowdedError extends RonError {
  constructor(message: string, limit: number) {
    super('unavailable', message, { retryAfterMs: 1_000, details: { gate: 'edge.fetches', limit } });
  }
}

/** What may be under way for objects that are not known yet. One of them may stand before several caches. */
export class FetchGate {
  #objects = 0;
  #bytes = 0;

  /** Returns what ends it, to be called once. Throws {@link CrowdedError}. */
  begin(): () => void {
    if (this.#objects >= provingMax) throw new CrowdedError('too many objects are being fetched', provingMax);
    this.#objects += 1;
    return () => {
      this.#objects -= 1;
    };
  }

  /** For an outboard of so many bytes; as `begin`. */
  reserve(bytes: number): () => void {
    if (this.#bytes + bytes > outboardsInFlightBytesMax) {
      throw new CrowdedError('too many large objects are being fetched', outboardsInFlightBytesMax);
    }
    this.#bytes += bytes;
    return () => {
      this.#bytes -= bytes;
    };
  }
}
