import type { Clock, Log, Random } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import type { overlayContract } from '@ron/proto/overlay';
import type { Ask, NodeSigner, VerifySignature } from '@ron/transport';
import type { OverlayConfig } from './config.ts';
import type { Meters } from './meters.ts';

/** What an authenticated connection says of itself. */
export interface ChannelProof {
  /** Who is at its other end. */
  readonly peer: NodeId;
  /** Ours: the initiator dialled. */
  readonly role: ChannelRole;
  /** The same at both ends of this connection and nowhere else (RFC 9266, `tls-exporter`): at least 32 bytes. */
  readonly binding: Uint8Array;
}

export type ChannelRole = 'initiator' | 'responder';

/** The connections over which `ask` asks and answers come. */
export interface Channels {
  /** Of the connection to that node, dialled if need be. Rejects as `ask` does. */
  dial(to: { readonly id: NodeId; readonly address: string }, timeoutMs: number): Promise<ChannelProof>;
  /** Of the connection over which that node asks us now, whose binding this is; undefined when nothing binds to it. */
  accepted(peer: NodeId, binding: Uint8Array | undefined): ChannelProof | undefined;
}

/** What the overlay is made of. */
export interface OverlayPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly blake3: (bytes: Uint8Array) => Uint8Array;
  readonly ask: Ask<typeof overlayContract>;
  readonly channels: Channels;
  readonly signer: NodeSigner;
  readonly verify: VerifySignature;
  readonly config: () => Readonly<OverlayConfig>;
  readonly meters: Meters;
  readonly log: Log;
}
