import type { VerificationReason } from '@ron/b3';
import type { GroupRun, Held } from '@ron/proto/exchange';
import type { ByteStream } from '@ron/proto/stream';

/** How a transfer talks to other nodes: HAVE and WANT (docs/specs/exchange.md). `node` is whatever names one. */
export interface ExchangePeers {
  /** Undefined when the node does not have any of it. Rejects with a `RonError` when it cannot be asked. */
  have(node: string, address: string, windowFirst: number, signal: AbortSignal): Promise<Held | undefined>;
  /** Slices of the runs, one after the other. Breaking off, or ending early, is no lie; wrong bytes are. */
  want(node: string, address: string, ranges: readonly GroupRun[], signal: AbortSignal): Promise<ByteStream>;
}

/** Where verified bytes go, in any order, several at a time. The transfer waits for it and thereby holds nothing back. */
export interface PositionalSink {
  /** Told once, before the first write. */
  begin?(sizeBytes: number): Promise<void> | void;
  /** Nobody writes into `bytes` any more, but they may be a view of much more than they are. Its failure ends the transfer. */
  write(offset: number, bytes: Uint8Array): Promise<void> | void;
}

/** What a source did that no honest node does. Not signed by it: a reason to ban, not a proof for others. */
export interface Evidence {
  readonly address: string;
  /** `claim`: another size in HAVE than the object has. Otherwise what of its slice did not verify. */
  readonly kind: 'claim' | Exclude<VerificationReason, 'truncated'>;
  /** The group at fault, where there is one. */
  readonly group: number | undefined;
}
