import net from 'node:net';
import tls from 'node:tls';
import type { NetAddress } from '../env/net.ts';
import { SystemError } from '../env/system-error.ts';
import type { TlsDialOptions, TlsDuplex, TlsFailure } from '../env/tls.ts';
import { createGuardedLookup } from './http/guarded-lookup.ts';
import { SocketDuplex } from './socket-duplex.ts';
import { handshakeFailure, judgeHandshake, TlsSocketDuplex } from './tls-duplex.ts';
import { nodeTlsContext } from './tls-identity.ts';

export async function dialTls(address: NetAddress, options: TlsDialOptions): Promise<TlsDuplex> {
  const secureContext = nodeTlsContext(options.identity);
  const wire = connect(address, options);
  const timer = setTimeout(() => {
    wire.destroy(new SystemError('ETIMEDOUT', `no connection within ${options.timeoutMs} ms`));
  }, options.timeoutMs);
  try {
    await connected(wire);
    const remote = wire.remoteAddress ?? 'unix';
    if (options.prelude !== undefined) await clearText(wire, options.prelude);
    return await handshake(wire, remote, secureContext, options);
  } catch (error) {
    wire.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function connect(address: NetAddress, { mayDial }: TlsDialOptions): net.Socket {
  if (address.kind === 'unix') return net.connect({ path: address.path });
  const { host, port } = address;
  if (net.isIP(host) !== 0 && !mayDial(host)) throw new SystemError('EACCES', `${host} may not be dialled`);
  return net.connect({ host, port, noDelay: true, lookup: createGuardedLookup(mayDial) });
}

function connected(wire: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays for good: an error that nobody listens to ends the process.
    wire.on('error', reject);
    wire.once('connect', resolve);
    wire.once('close', () => reject(new SystemError('ECONNRESET', 'the connection ended before it was one')));
  });
}

/** A prelude that waits for something must not outlive its wire. */
function clearText(wire: net.Socket, prelude: (wire: SocketDuplex) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    wire.once('error', reject);
    wire.once('close', () => reject(new SystemError('ECONNRESET', 'the connection ended before TLS began')));
    prelude(new SocketDuplex(wire)).then(resolve, reject);
  });
}

function handshake(
  wire: net.Socket,
  remote: string,
  secureContext: tls.SecureContext,
  options: TlsDialOptions,
): Promise<TlsDuplex> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      socket: wire,
      secureContext,
      rejectUnauthorized: false,
      ALPNProtocols: [options.alpn],
    });
    let over = false;
    const refuse = (error: Error | TlsFailure): void => {
      if (over) return;
      over = true;
      socket.destroy();
      const reason = typeof error === 'string' ? error : handshakeFailure(error);
      const isSystemError = error instanceof SystemError;
      reject(isSystemError ? error : new SystemError('EPROTO', `TLS: ${reason}`, { cause: error }));
    };
    // Stays: what fails later is told to whoever has the connection by its `close`.
    socket.on('error', refuse);
    wire.once('error', refuse);
    wire.once('close', () => refuse('closed'));
    socket.once('secureConnect', () => {
      const peer = judgeHandshake(socket, wire, options);
      if (typeof peer === 'string') return refuse(peer);
      over = true;
      resolve(new TlsSocketDuplex(socket, remote, peer));
    });
  });
}
