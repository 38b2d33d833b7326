import { limits } from '@ron/oap';

/** Defaults of `TransportLimits`; those that the protocol has come from the one table of `@ron/oap`. Tested at −1, 0 and +1. */
export const transportLimits = {
  /** From accept, or dial, to the end of the handshake, milliseconds. */
  handshakeTimeoutMs: limits.handshakeTimeoutMs,
  /** Bytes that a peer may have sent by then. A certificate has some 400, a hybrid key share 1,200. */
  handshakeBytesMax: 16_384,
  /** Handshakes under way, those of accepted connections. */
  handshakesMax: 64,
  handshakesPerAddressMax: 16,
  /** Accepted connections, handshakes included. */
  connectionsMax: limits.connectionsMax,
  /** An IPv6 address counts with its /64: who has one has all of it. */
  connectionsPerAddressMax: limits.connectionsPerAddressMax,
  /** Accepted connections of one node. */
  connectionsPerNodeMax: 4,
  /** Without a byte in either direction a connection is closed. Two ticks more than OAP, which says goodbye first. */
  idleMs: limits.oapIdleMs + 2_000,
  /** Unsent bytes past which a connection must move … */
  unsentBytesMax: limits.unsentBytesMax,
  /** … within this time, or it is cut. Below, it has `idleMs`. */
  writeStallMs: 10_000,
  /** How long a certificate is valid. */
  certificateValidityMs: 24 * 3_600_000,
} as const;

export type TransportLimits = { readonly [K in keyof typeof transportLimits]: number };
