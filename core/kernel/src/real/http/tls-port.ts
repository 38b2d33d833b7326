import type https from 'node:https';
import type net from 'node:net';
import tls from 'node:tls';
import type { TlsIdentity } from '../../env/http.ts';
import { SystemError } from '../../env/system-error.ts';

/** TLS 1.3 alone (RFC 8446), with HTTP/2 preferred where the client offers both. */
export function tlsOptions(identity: TlsIdentity, handshakeMs: number) {
  checkIdentity(identity);
  return {
    ...credentialsOf(identity),
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: handshakeMs,
  };
}

function credentialsOf({ certificateChainPem, keyPem }: TlsIdentity) {
  return { cert: certificateChainPem, key: keyPem, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
}

function checkIdentity(identity: TlsIdentity): void {
  try {
    tls.createSecureContext(credentialsOf(identity));
  } catch (cause) {
    throw new SystemError('EINVAL', 'certificate and key are no pair in PEM', { cause });
  }
}

/** Throws `EINVAL` and leaves everything as it was when they do not fit. */
export function renewIdentity(server: tls.Server, identity: TlsIdentity): void {
  checkIdentity(identity);
  server.setSecureContext(credentialsOf(identity));
}

export interface TlsPortEvents {
  /** Before the handshake. False drops the connection: in clear text nothing can be said. */
  admit(wire: net.Socket): boolean;
  http1(socket: net.Socket, wire: net.Socket): void;
  http2(socket: tls.TLSSocket, wire: net.Socket): void;
}

/** Puts admission in front of the handshakes of `server`, and the choice of the protocol behind them. */
export function wireTls(server: https.Server, events: TlsPortEvents): void {
  const [handshake] = server.listeners('connection') as ((this: tls.Server, socket: net.Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (wire: net.Socket) => {
    if (events.admit(wire)) handshake?.call(server, wire);
    else wire.destroy();
  });
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket) => {
    const wire = (socket as { _parent?: net.Socket })._parent ?? socket;
    if (socket.alpnProtocol === 'h2') events.http2(socket, wire);
    else events.http1(socket, wire);
  });
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (_error, socket) => socket.destroy());
}
