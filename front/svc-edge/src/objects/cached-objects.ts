import { encodeSlice, outboardSize, sliceSize } from '@ron/b3';
import type { Call } from '@ron/proto/contract';
import { ResidentBody } from '@ron/proto/stream';
import type { GroupCache, OpenedSpan } from '../groups/group-cache.ts';
import { outboardOf } from '../groups/object-proof.ts';
import { SpanReader } from '../groups/span-reader.ts';
import type { Dropped } from '../tiers/ram-tier.ts';
import type {
  ArrivingObject,
  EdgeUsage,
  ObjectBytes,
  OutboardReply,
  ReadReply,
  SliceReply,
  SpanInput,
} from './object-bytes.ts';

/** Objects through a cache of groups, for an edge that is far from where they are kept. */
export class CachedObjects implements ObjectBytes {
  readonly #cache: GroupCache;

  constructor(cache: GroupCache) {
    this.#cache = cache;
  }

  read({ address, start = 0, length }: SpanInput, { context }: Call): ReadReply | Promise<ReadReply> {
    const held = this.#cache.peek(address, { start, length });
    if (held !== undefined) return replyOf(address, held);
    return this.#cache.open(address, { start, length }, context.signal).then((opened) => replyOf(address, opened));
  }

  async slice({ address, start = 0, length }: SpanInput, { context }: Call): Promise<SliceReply> {
    const { signal } = context;
    const proof = await this.#cache.proof(address, signal);
    const size = proof.sizeBytes;
    const reader = new SpanReader(this.#cache, proof, proof.groupCount - 1, signal);
    const readGroup = async (index: number) => (this.#cache.held(address, index) ?? (await reader.group(index))).bytes;
    const span = { start, ...(length === undefined ? {} : { length }) };
    const pieces = encodeSlice({ outboard: outboardOf(proof), size, ...span, readGroup });
    return {
      output: { address, size, slice_size: sliceSize(size, start, length) },
      body: leaving(pieces, reader),
    };
  }

  async outboard(address: string, { context }: Call): Promise<OutboardReply> {
    const proof = await this.#cache.proof(address, context.signal);
    const size = proof.sizeBytes;
    return {
      output: { address, size, outboard_size: outboardSize(size) },
      body: new ResidentBody(outboardOf(proof)),
    };
  }

  async sizeOf(address: string, _keep: boolean, { context }: Call): Promise<number> {
    return (await this.#cache.proof(address, context.signal)).sizeBytes;
  }

  purge(address: string | undefined): Dropped {
    return this.#cache.purge(address);
  }

  usage(): EdgeUsage {
    const { ram, disk, counts } = this.#cache;
    const onDisk = disk && {
      tier: 'disk' as const,
      on: disk.isOn,
      bytes: disk.bytes,
      bytes_max: disk.bytesMax,
      entries: disk.entries,
      hits: counts.diskHits,
    };
    return {
      tiers: [
        {
          tier: 'ram',
          on: true,
          bytes: ram.bytes,
          bytes_max: ram.bytesMax,
          entries: ram.entries,
          hits: counts.ramHits,
        },
        ...(onDisk === undefined ? [] : [onDisk]),
      ],
      hits: counts.ramHits + counts.diskHits,
      misses: counts.misses,
      fetched_bytes: counts.fetchedBytes,
      integrity_failures: counts.integrityFailures,
    };
  }

  async take({ proof, groups }: ArrivingObject): Promise<void> {
    let index = 0;
    for await (const bytes of groups()) {
      this.#cache.admit(proof, index, bytes);
      index += 1;
    }
    // Its last group has proven it only now; one that broke off would stand in the way of what another source has.
    this.#cache.ram.addProof(proof);
  }

  gates() {
    const { disk } = this.#cache;
    return disk === undefined ? [] : [disk.gate];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cache[Symbol.asyncDispose]();
  }
}

function replyOf(address: string, { sizeBytes, start, length, body, hit, ageMs }: OpenedSpan): ReadReply {
  const age_s = Math.floor(ageMs / 1_000);
  return { output: { address, size: sizeBytes, start, length, cache: hit ? 'HIT' : 'MISS', age_s }, body };
}

async function* leaving(pieces: AsyncGenerator<Uint8Array>, reader: SpanReader): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } finally {
    reader.leave();
  }
}
