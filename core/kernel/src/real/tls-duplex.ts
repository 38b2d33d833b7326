import type net from 'node:net';
import type tls from 'node:tls';
import type { DuplexEvents } from '../env/net.ts';
import type { TlsDuplex, TlsFailure, TlsPeer } from '../env/tls.ts';
import { SocketDuplex } from './socket-duplex.ts';

const channelBindingBytes = 32;
/** RFC 9266, 2. */
const channelBindingLabel = 'EXPORTER-Channel-Binding';

/** What must be true of a handshake that has just ended beside what OpenSSL has made sure of; else the first thing that is not. */
export function judgeHandshake(
  socket: tls.TLSSocket,
  wire: net.Socket,
  { alpn, handshakeBytesMax }: { readonly alpn: string; readonly handshakeBytesMax: number },
): TlsPeer | TlsFailure {
  if (wire.bytesRead > handshakeBytesMax) return 'too_large';
  if (socket.getProtocol() !== 'TLSv1.3') return 'version';
  if (socket.alpnProtocol !== alpn) return 'alpn';
  if (socket.isSessionReused()) return 'resumed';
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'no_certificate';
  const key = socket.getEphemeralKeyInfo() as { readonly name?: string } | null;
  return {
    certificateDer: new Uint8Array(certificate.raw),
    channelBinding: new Uint8Array(
      socket.exportKeyingMaterial(channelBindingBytes, channelBindingLabel, Buffer.alloc(0)),
    ),
    group: key?.name,
  };
}

/** The word for what OpenSSL or the system says about a handshake that failed. */
export function handshakeFailure(error: Error | undefined): TlsFailure {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code !== 'string') return 'malformed';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT' || code === 'ETIMEDOUT') return 'timeout';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'closed';
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|UNKNOWN_PROTOCOL/.test(code)) return 'version';
  if (code.endsWith('NO_APPLICATION_PROTOCOL')) return 'alpn';
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_REQUIRED/.test(code)) return 'no_certificate';
  if (/EXCESSIVE_MESSAGE_SIZE|LENGTH_TOO_LONG/.test(code)) return 'too_large';
  return 'malformed';
}

/** A socket behind its handshake. */
export class TlsSocketDuplex implements TlsDuplex {
  readonly peer: TlsPeer;
  readonly remote: string;
  readonly #socket: tls.TLSSocket;
  readonly #duplex: SocketDuplex;

  constructor(socket: tls.TLSSocket, remote: string, peer: TlsPeer) {
    this.#socket = socket;
    this.#duplex = new SocketDuplex(socket);
    this.remote = remote;
    this.peer = peer;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    return this.#duplex.write(pieces);
  }

  start(events: DuplexEvents): void {
    this.#duplex.start(events);
  }

  setReading(on: boolean): void {
    this.#duplex.setReading(on);
  }

  close(): void {
    this.#duplex.close();
  }

  destroy(): void {
    this.#duplex.destroy();
  }
}
