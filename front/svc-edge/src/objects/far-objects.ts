import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Dropped } from '../tiers/ram-tier.ts';
import type { CachedObjects } from './cached-objects.ts';
import type { NearObjects } from './near-objects.ts';
import type {
  ArrivingObject,
  EdgeUsage,
  ObjectBytes,
  OutboardReply,
  ReadReply,
  SliceReply,
  SpanInput,
} from './object-bytes.ts';

/**
 * What the storage of this process has, and for the rest other nodes: their groups are verified and kept in a cache of
 * their own, which is not the storage's. What storage refuses for any other reason stays refused.
 */
export class FarObjects implements ObjectBytes {
  readonly #near: NearObjects;
  readonly #far: CachedObjects;

  constructor(near: NearObjects, far: CachedObjects) {
    this.#near = near;
    this.#far = far;
  }

  read(input: SpanInput, call: Call): ReadReply | Promise<ReadReply> {
    const near = this.#near.read(input, call);
    return near instanceof Promise ? near.catch(ifMissing(() => this.#far.read(input, call))) : near;
  }

  slice(input: SpanInput, call: Call): Promise<SliceReply> {
    return this.#near.slice(input, call).catch(ifMissing(() => this.#far.slice(input, call)));
  }

  outboard(address: string, call: Call): Promise<OutboardReply> {
    return this.#near.outboard(address, call).catch(ifMissing(() => this.#far.outboard(address, call)));
  }

  /** What others have is told of, and cannot be kept: who builds on it, by a name or a manifest, is refused there. */
  sizeOf(address: string, keep: boolean, call: Call): number | Promise<number> {
    const near = this.#near.sizeOf(address, keep, call);
    return near instanceof Promise ? near.catch(ifMissing(() => this.#far.sizeOf(address, keep, call))) : near;
  }

  purge(address: string | undefined): Dropped {
    return this.#far.purge(address);
  }

  usage(): EdgeUsage {
    const near = this.#near.usage();
    const far = this.#far.usage();
    return { ...far, hits: near.hits + far.hits, misses: near.misses + far.misses };
  }

  take(object: ArrivingObject, call: Call): Promise<void> {
    return this.#near.take(object, call);
  }

  gates() {
    return this.#far.gates();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#far[Symbol.asyncDispose]();
  }
}

function ifMissing<T>(ask: () => T): (thrown: unknown) => T {
  return (thrown) => {
    if (thrown instanceof RonError && thrown.code === 'not_found') return ask();
    throw thrown;
  };
}
