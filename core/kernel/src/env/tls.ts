import type { TlsIdentity } from './http.ts';
import type { Duplex } from './net.ts';

/** Who is at the other end of a connection between nodes, as far as TLS alone tells. */
export interface TlsPeer {
  /**
   * The certificate that the peer presented, DER. The handshake proved that the peer holds its private key; nothing else
   * about it was looked at, whoever signed it.
   */
  readonly certificateDer: Uint8Array;
  /** `tls-exporter` (RFC 9266), 32 bytes: the same at both ends of this connection, and at no other. */
  readonly channelBinding: Uint8Array;
  /** Group of the key exchange; undefined where the platform does not tell, as for who accepts. */
  readonly group: string | undefined;
}

export interface TlsDuplex extends Duplex {
  readonly peer: TlsPeer;
  /** Bytes that `write` took and the system has not. */
  readonly unsentBytes: number;
}

/** Why a handshake came to nothing. */
export const tlsFailures = [
  'timeout',
  'closed',
  'version',
  'alpn',
  'no_certificate',
  'too_large',
  'resumed',
  'malformed',
  'identity',
] as const;
export type TlsFailure = (typeof tlsFailures)[number];

export interface TlsListenOptions {
  /** Asked for each connection, so that a renewed certificate holds from the next one on. */
  readonly identity: () => TlsIdentity;
  /** The one protocol that is spoken; who offers another, or none, is refused. RFC 7301. */
  readonly alpn: string;
  readonly handshakeTimeoutMs: number;
  /**
   * Bytes that the peer may have sent when the handshake ends, whatever it sent behind the handshake without waiting
   * included: a dialler that keeps what it says first below 4 KiB stays far below 16 KiB.
   */
  readonly handshakeBytesMax: number;
  /** Asked before anything is read. False drops the connection without a word. */
  admit(remote: string): boolean;
  /** Once for each connection that was admitted and is not accepted. */
  failed(remote: string, reason: TlsFailure): void;
}

export interface TlsDialOptions {
  readonly identity: TlsIdentity;
  readonly alpn: string;
  /** For everything: resolving, connecting, prelude and handshake. */
  readonly timeoutMs: number;
  readonly handshakeBytesMax: number;
  /** Asked about each IP address that a name stands for, and about one given: only what it lets through is connected to. */
  readonly mayDial: (address: string) => boolean;
  /** Speaks in clear text with what was dialled before TLS begins, as a proxy needs it. It must leave nothing unread. */
  readonly prelude?: (wire: Duplex) => Promise<void>;
}
