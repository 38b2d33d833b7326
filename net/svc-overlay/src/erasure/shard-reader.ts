import { VerificationError, type VerificationReason, verifySlice } from '@ron/b3';
import { hashFromAddress, parseAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { StripeManifest } from './stripe-manifest.ts';

/** Where shards come from. */
export interface ShardSource {
  /**
   * The slice (docs/specs/verified-bytes.md) of a span of a shard. Rejects, or breaks off, when the shard cannot be had; it
   * also ends what takes too long.
   */
  slice(index: number, address: string, start: number, length: number): ByteStream | Promise<ByteStream>;
}

/** Why a shard is not read any more: what about it did not verify, or `unreachable`. */
export type BadShard = (index: number, reason: VerificationReason | 'unreachable') => void;

/**
 * Reads spans of any k shards, each verified against its address before it counts. A shard that fails is reported, is not
 * asked again, and another takes its place for the same span.
 */
export class ShardReader {
  readonly #manifest: StripeManifest;
  readonly #source: ShardSource;
  readonly #onBad: BadShard;
  /** Not tried yet; data shards first, because they need no arithmetic. */
  readonly #spare: number[];
  readonly #chosen: number[] = [];
  #wrong = 0;

  constructor(manifest: StripeManifest, source: ShardSource, without: readonly number[], onBad: BadShard) {
    this.#manifest = manifest;
    this.#source = source;
    this.#onBad = onBad;
    this.#spare = manifest.shards.map(({ index }) => index).filter((index) => !without.includes(index));
  }

  /**
   * The span of k shards, by index. Throws `integrity` when fewer than k are left and one of them was wrong, and
   * `unavailable` when none was.
   */
  async read(start: number, length: number): Promise<ReadonlyMap<number, Uint8Array>> {
    const read = new Map<number, Uint8Array>();
    for (;;) {
      while (this.#chosen.length < this.#manifest.k) {
        const next = this.#spare.shift();
        if (next === undefined) throw this.#tooFew();
        this.#chosen.push(next);
      }
      const missing = this.#chosen.filter((index) => !read.has(index));
      if (missing.length === 0) return new Map([...read].sort(([a], [b]) => a - b));
      await Promise.all(missing.map((index) => this.#readOne(index, start, length, read)));
    }
  }

  async #readOne(index: number, start: number, length: number, into: Map<number, Uint8Array>): Promise<void> {
    const { address } = this.#manifest.shards[index]!;
    try {
      const slice = await this.#source.slice(index, address, start, length);
      const root = hashFromAddress(parseAddress(address));
      const bytes = new Uint8Array(length);
      let at = 0;
      for await (const piece of verifySlice(slice, { root, start, length, size: this.#manifest.shard_size })) {
        bytes.set(piece, at);
        at += piece.length;
      }
      into.set(index, bytes);
    } catch (error) {
      const wrong = error instanceof VerificationError;
      if (wrong) this.#wrong += 1;
      this.#chosen.splice(this.#chosen.indexOf(index), 1);
      this.#onBad(index, wrong ? error.reason : 'unreachable');
    }
  }

  #tooFew(): RonError {
    const message = `fewer than ${this.#manifest.k} shards of the object can be read`;
    return new RonError(this.#wrong > 0 ? 'integrity' : 'unavailable', message);
  }
}
