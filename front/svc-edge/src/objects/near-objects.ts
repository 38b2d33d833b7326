import type { Call, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { storageContract } from '@ron/proto/storage';
import { ResidentBody } from '@ron/proto/stream';
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

/** The memory of a storage engine in this process. Both answer at once, without I/O, and never refuse. */
export interface NearMemory {
  /** Bytes of a readable object; undefined for all others, whose refusal is the storage's. */
  sizeOf(address: string): number | undefined;
  /** The engine's own bytes, which never change: no copy. The span lies inside the object. Undefined: not in memory. */
  resident(address: string, start: number, length: number): Uint8Array | undefined;
}

/**
 * In the process of the storage a second copy is of no use: what its engine has in memory is answered from there, the
 * rest is passed on. Nothing is kept here, so that what storage deletes or quarantines is gone here at the same moment.
 * The bytes were verified by the engine (docs/decisions/0011-edge-beside-storage.md).
 */
export class NearObjects implements ObjectBytes {
  readonly #memory: NearMemory;
  readonly #storage: Peer<typeof storageContract>;
  #hits = 0;
  #misses = 0;

  constructor(memory: NearMemory, storage: Peer<typeof storageContract>) {
    this.#memory = memory;
    this.#storage = storage;
  }

  read(input: SpanInput, call: Call): ReadReply | Promise<ReadReply> {
    const { address, start = 0, length: asked } = input;
    const size = this.#memory.sizeOf(address);
    // A start past the end, and what is not there, are refused by storage.
    if (size !== undefined && (start === 0 || start < size)) {
      const length = Math.min(asked ?? size, size - start);
      const bytes = this.#memory.resident(address, start, length);
      if (bytes !== undefined) {
        this.#hits += 1;
        return { output: { address, size, start, length, cache: 'HIT' }, body: new ResidentBody(bytes) };
      }
    }
    return this.#passed(input, call);
  }

  slice(input: SpanInput, { context }: Call): Promise<SliceReply> {
    return this.#storage.slice(input, { context });
  }

  outboard(address: string, { context }: Call): Promise<OutboardReply> {
    return this.#storage.outboard({ address }, { context });
  }

  sizeOf(address: string, keep: boolean, call: Call): number | Promise<number> {
    return (keep ? undefined : this.#memory.sizeOf(address)) ?? this.#storedSizeOf(address, call);
  }

  purge(): Dropped {
    return { entries: 0, bytes: 0 };
  }

  usage(): EdgeUsage {
    return { tiers: [], hits: this.#hits, misses: this.#misses, fetched_bytes: 0, integrity_failures: 0 };
  }

  /** There is no cache that it could lie in: it becomes an object of the storage. */
  async take(object: ArrivingObject, { context }: Call): Promise<void> {
    const { address, sizeBytes: size } = object.proof;
    const groups = object.groups();
    await this.#storage.put({ address, size }, { context, body: groups, bodyBytes: size });
    for await (const left of groups) void left;
  }

  gates(): readonly [] {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The engine is the profile's.
  }

  async #storedSizeOf(address: string, { context }: Call): Promise<number> {
    const { size, state } = await this.#storage.stat({ address }, { context });
    if (state !== 'quarantined') return size;
    throw new RonError('integrity', 'the stored bytes failed verification and are not served');
  }

  async #passed(input: SpanInput, { context }: Call): Promise<ReadReply> {
    const { output, body } = await this.#storage.get(input, { context });
    this.#misses += 1;
    return { output: { ...output, cache: 'MISS' }, body };
  }
}
