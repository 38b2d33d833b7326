import type { Call, Reply } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import type { ObjectProof } from '../groups/object-proof.ts';
import type { Dropped } from '../tiers/ram-tier.ts';

type Operations = (typeof edgeContract)['operations'];
export type ReadReply = Reply<Operations['read']>;
export type SliceReply = Reply<Operations['slice']>;
export type OutboardReply = Reply<Operations['outboard']>;
export type EdgeUsage = Reply<Operations['usage']>;

export interface SpanInput {
  readonly address: string;
  readonly start?: number;
  readonly length?: number;
}

/** An object that arrives in a pack: its proof, and its verified groups, which are taken in order. */
export interface ArrivingObject {
  readonly proof: ObjectProof;
  groups(): AsyncGenerator<Uint8Array>;
}

/** What the operations stand on: a cache of groups, or the storage of the same process. */
export interface ObjectBytes extends AsyncDisposable {
  /** At once when the bytes are in memory. */
  read(input: SpanInput, call: Call): ReadReply | Promise<ReadReply>;
  slice(input: SpanInput, call: Call): Promise<SliceReply>;
  outboard(address: string, call: Call): Promise<OutboardReply>;
  /** Bytes of the object. `keep`: the storage of the same process keeps it from collection, as its `stat` does. */
  sizeOf(address: string, keep: boolean, call: Call): number | Promise<number>;
  purge(address: string | undefined): Dropped;
  usage(): EdgeUsage;
  /** Takes one object of a pack in; reads all its groups. */
  take(object: ArrivingObject, call: Call): Promise<void>;
  gates(): readonly { readonly gate: string; readonly ok: boolean; readonly reason?: string }[];
}
