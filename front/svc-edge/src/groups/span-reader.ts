import type { ByteStream } from '@ron/proto/stream';
import type { HeldGroup } from '../tiers/ram-tier.ts';
import type { GroupCache } from './group-cache.ts';
import { groupBytes, type ObjectProof } from './object-proof.ts';
import type { RunFlight } from './run-flight.ts';

/** One reader of a span: takes each group from where it is, and follows at most one flight at a time. */
export class SpanReader {
  readonly #cache: GroupCache;
  readonly #proof: ObjectProof;
  readonly #last: number;
  readonly #signal: AbortSignal | undefined;
  #flight: RunFlight | undefined;

  constructor(cache: GroupCache, proof: ObjectProof, last: number, signal: AbortSignal | undefined) {
    this.#cache = cache;
    this.#proof = proof;
    this.#last = last;
    this.#signal = signal;
  }

  /** A group that is in no tier. */
  async group(index: number): Promise<HeldGroup> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    this.#cache.missed();
    let flight = this.#flight;
    if (flight?.covers(index) !== true) {
      flight = this.#cache.flightFor(this.#proof, index, this.#last);
      flight.follow();
      this.leave();
      this.#flight = flight;
    }
    const waiter = Promise.withResolvers<HeldGroup>();
    const onAbort = (): void => {
      flight.unwant(index, waiter);
      this.leave();
      waiter.reject(signal!.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      flight.want(index, waiter);
      const group = await waiter.promise;
      group.reads += 1;
      return group;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Idempotent. */
  leave(): void {
    this.#flight?.leave();
    this.#flight = undefined;
  }

  /** The span's bytes, of which the first group is at hand. Nothing but the group being sent is held here. */
  stream(first: HeldGroup, start: number, length: number): ByteStream {
    return this.#pieces(first, start, start + length);
  }

  async *#pieces(first: HeldGroup, start: number, end: number): AsyncGenerator<Uint8Array> {
    try {
      const { address } = this.#proof;
      yield cutGroup(first, start, end);
      for (let index = first.index + 1; index <= this.#last; index += 1) {
        yield cutGroup(this.#cache.held(address, index) ?? (await this.group(index)), start, end);
      }
    } finally {
      this.leave();
    }
  }
}

function cutGroup({ bytes, index }: HeldGroup, start: number, end: number): Uint8Array {
  const from = index * groupBytes;
  if (start <= from && end >= from + bytes.byteLength) return bytes;
  return bytes.subarray(Math.max(0, start - from), Math.min(bytes.byteLength, end - from));
}
