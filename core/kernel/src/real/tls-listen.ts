import net from 'node:net';
import tls from 'node:tls';
import type { TlsIdentity } from '../env/http.ts';
import type { Listener, NetAddress } from '../env/net.ts';
import { SystemError } from '../env/system-error.ts';
import type { TlsDuplex, TlsFailure, TlsListenOptions } from '../env/tls.ts';
import { listenOn } from './address.ts';
import { SocketListener } from './socket-listener.ts';
import { handshakeFailure, judgeHandshake, TlsSocketDuplex } from './tls-duplex.ts';
import { nodeTlsContext, nodeTlsOptions } from './tls-identity.ts';

type Accept = (connection: TlsDuplex) => void;

export async function listenTls(address: NetAddress, options: TlsListenOptions, accept: Accept): Promise<Listener> {
  if (address.kind === 'unix') throw new SystemError('EINVAL', 'a Unix socket has no TLS');
  const handshakes = new Handshakes(options, accept);
  const wires = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (wire) => {
    // Gone already: there is nobody to count it for.
    const remote = wire.remoteAddress;
    if (remote === undefined || !options.admit(remote)) {
      wire.destroy();
      return;
    }
    wires.add(wire);
    wire.once('close', () => wires.delete(wire));
    handshakes.begin(wire, remote);
  });
  return new SocketListener(server, await listenOn(server, address, { beyondLoopback: true }), wires);
}

interface Handshake {
  readonly remote: string;
  readonly timer: NodeJS.Timeout;
  over: boolean;
}

/** The handshakes that run at one listener. */
class Handshakes {
  readonly #options: TlsListenOptions;
  readonly #server: tls.Server;
  /** By wire: whose it is and who must hear of its end. */
  readonly #running = new WeakMap<net.Socket, Handshake>();
  #identity: TlsIdentity;

  constructor(options: TlsListenOptions, accept: Accept) {
    this.#options = options;
    this.#identity = options.identity();
    nodeTlsContext(this.#identity);
    // It listens to nothing itself: connections are handed to it, as its documentation of `connection` allows.
    this.#server = tls.createServer({
      ...nodeTlsOptions(this.#identity),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [options.alpn],
    });
    this.#server.on('secureConnection', (socket) => {
      const wire = wireOf(socket);
      const handshake = this.#running.get(wire);
      if (handshake === undefined || handshake.over) return void socket.destroy();
      const { remote } = handshake;
      const peer = judgeHandshake(socket, wire, options);
      if (typeof peer === 'string') {
        this.#fail(wire, peer);
        socket.destroy();
        return;
      }
      this.#end(wire);
      accept(new TlsSocketDuplex(socket, remote, peer));
    });
    this.#server.on('tlsClientError', (error, socket) => {
      this.#fail(wireOf(socket), handshakeFailure(error));
      socket.destroy();
    });
  }

  begin(wire: net.Socket, remote: string): void {
    // Not the server's own time-out: that one is told of activity, and begins again.
    const timer = setTimeout(() => {
      this.#fail(wire, 'timeout');
      wire.destroy();
    }, this.#options.handshakeTimeoutMs);
    this.#running.set(wire, { remote, timer, over: false });
    wire.once('close', () => this.#fail(wire, 'closed'));
    try {
      this.#refresh();
    } catch {
      this.#fail(wire, 'identity');
      wire.destroy();
      return;
    }
    this.#server.emit('connection', wire);
  }

  #refresh(): void {
    const identity = this.#options.identity();
    if (identity === this.#identity) return;
    nodeTlsContext(identity);
    this.#server.setSecureContext(nodeTlsOptions(identity));
    this.#identity = identity;
  }

  #fail(wire: net.Socket, reason: TlsFailure): void {
    const remote = this.#end(wire);
    if (remote !== undefined) this.#options.failed(remote, reason);
  }

  /** Whose handshake has just ended; undefined when it had before. */
  #end(wire: net.Socket): string | undefined {
    const handshake = this.#running.get(wire);
    if (handshake === undefined || handshake.over) return undefined;
    handshake.over = true;
    clearTimeout(handshake.timer);
    return handshake.remote;
  }
}

function wireOf(socket: tls.TLSSocket): net.Socket {
  return (socket as { _parent?: net.Socket })._parent ?? socket;
}
