import type { CallContext } from '@ron/proto/contract';
import type { NodeId } from '@ron/proto/network';
import type { ByteStream } from '@ron/proto/stream';
import type { GroupSet } from './group-set.ts';

/** What this node has. Bytes that come out are verified. `context`: the call that they are for. */
export interface Blobs {
  /** Undefined when nothing of it is here. `groups`: those that are, or `all`. The size is proven. */
  stat(
    address: string,
    context?: CallContext,
  ): Promise<{ readonly size: number; readonly groups: 'all' | GroupSet } | undefined>;
  /** Of an object that is whole, with its header (docs/specs/verified-bytes.md). */
  outboard(address: string, context?: CallContext): ByteStream;
  /** One slice (docs/specs/verified-bytes.md). Breaks off with `integrity` when what is stored is damaged. */
  slice(address: string, start: number, length: number, context?: CallContext): ByteStream;
}

/** Who may read what. A node that may not learns no more than if the object were not here. */
export type MaySend = (address: string, to: NodeId) => boolean | Promise<boolean>;

/** Bounds of what this node does for others. Times in milliseconds. */
export interface ServeLimits {
  /** Streams open to one node, and to all. */
  readonly streamsPerPeerMax: number;
  readonly streamsMax: number;
  /** Bytes a second to one node, over all its streams; a stream waits for its turn. */
  readonly bytesPerSecondPerPeer: number;
  /** Addresses that one node may ask about in a second; a challenge counts as `challengeCost`, a placement as `placeCost`. */
  readonly questionsPerSecondPerPeer: number;
  readonly challengeCost: number;
  readonly placeCost: number;
  /** A reader that takes no piece for so long is cut. */
  readonly readerIdleMs: number;
  /** From `graceMs` on, a stream as a whole must come to this pace. */
  readonly progressBytesPerSecondMin: number;
  readonly graceMs: number;
  /** For one piece from the disk. */
  readonly readMs: number;
  /** Nodes whose use is remembered; the one that was silent longest is forgotten first. */
  readonly peersMax: number;
}

export const serveLimitsDefault: ServeLimits = {
  streamsPerPeerMax: 8,
  streamsMax: 64,
  bytesPerSecondPerPeer: 1024 * 1024 * 1024,
  questionsPerSecondPerPeer: 10_000,
  challengeCost: 20,
  placeCost: 10,
  readerIdleMs: 10_000,
  progressBytesPerSecondMin: 1_024,
  graceMs: 30_000,
  readMs: 10_000,
  peersMax: 1_024,
};
