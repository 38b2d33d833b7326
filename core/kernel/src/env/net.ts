import type { HttpHandler, HttpServerLimits, TlsIdentity } from './http.ts';
import type { TlsDialOptions, TlsDuplex, TlsListenOptions } from './tls.ts';

/** Where a listener listens and a dialer dials. Plain TCP is for loopback only; port 0 asks for any free one. */
export type NetAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface Net {
  listen(address: NetAddress, accept: (connection: Duplex) => void): Promise<Listener>;
  /** Rejects with `ETIMEDOUT` after `timeoutMs`. */
  dial(address: NetAddress, timeoutMs: number): Promise<Duplex>;
  /**
   * TLS 1.3 alone, both sides with a certificate, nothing resumed, hybrid key exchange where the peer has it. Which
   * certificates are good is the caller's to judge. Any host; `EINVAL` for a Unix path.
   */
  listenTls(address: NetAddress, options: TlsListenOptions, accept: (connection: TlsDuplex) => void): Promise<Listener>;
  /** Rejects with `ETIMEDOUT`, `EACCES` for an address that may not be dialled, `EPROTO` when there is no agreement on TLS. */
  dialTls(address: NetAddress, options: TlsDialOptions): Promise<TlsDuplex>;
  serveHttp(address: NetAddress, limits: HttpServerLimits, handler: HttpHandler): Promise<HttpListener>;
}

export interface Listener extends AsyncDisposable {
  /** The address as bound: a port of 0 is replaced by the real one. */
  readonly address: NetAddress;
  /** Stops accepting, lets what is running finish until `graceMs`, then closes what is left. */
  close(graceMs: number): Promise<void>;
}

export interface HttpListener extends Listener {
  /**
   * What connections from now on are shown; those that are open stay as they are. Throws `EINVAL`, and changes nothing,
   * when certificate and key do not fit or the listener has no TLS.
   */
  renewIdentity(identity: TlsIdentity): void;
}

/** A byte connection: the only socket the project knows. */
export interface Duplex {
  /** The peer's IP address, or `unix`. For logs, address conditions and caps. */
  readonly remote: string;
  /** False when the transport wants a pause: wait for `drain`. The pieces are accepted all the same. */
  write(pieces: readonly Uint8Array[]): boolean;
  /** Called once; bytes may arrive before this returns control to the loop. */
  start(events: DuplexEvents): void;
  /** Stops or restarts the flow of `data`. */
  setReading(on: boolean): void;
  /** Sends what was written, then closes. Idempotent. */
  close(): void;
  /** Drops the connection and whatever is unsent. */
  destroy(): void;
}

export interface DuplexEvents {
  data(bytes: Uint8Array): void;
  drain(): void;
  /** Exactly once, the last event. `reason` is undefined after an orderly end. */
  close(reason: Error | undefined): void;
}
