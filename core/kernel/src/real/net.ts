import net from 'node:net';
import type { HttpHandler, HttpServerLimits } from '../env/http.ts';
import type { Duplex, Listener, Net, NetAddress } from '../env/net.ts';
import { SystemError } from '../env/system-error.ts';
import { checkUnixPath, listenOn, loopbackHost } from './address.ts';
import { serveHttp } from './http/server.ts';
import { SocketDuplex } from './socket-duplex.ts';
import { SocketListener } from './socket-listener.ts';
import { dialTls } from './tls-dial.ts';
import { listenTls } from './tls-listen.ts';

export interface RealNetOptions {
  /** Lets `serveHttp` listen beyond loopback, for a host whose TLS ends in front of the node. False by default. */
  readonly httpBeyondLoopback?: boolean;
  /** How often bodies and readers are judged by their progress; 1,000 by default, over five of these. */
  readonly progressTickMs?: number;
}

export function createRealNet(options: RealNetOptions = {}): Net {
  return {
    listen,
    dial,
    listenTls,
    dialTls,
    serveHttp: (address: NetAddress, limits: HttpServerLimits, handler: HttpHandler) =>
      serveHttp(address, limits, handler, options),
  };
}

async function listen(address: NetAddress, accept: (connection: Duplex) => void): Promise<Listener> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    accept(new SocketDuplex(socket));
  });
  return new SocketListener(server, await listenOn(server, address), sockets);
}

function dial(address: NetAddress, timeoutMs: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (address.kind === 'unix') checkUnixPath(address.path);
    const socket =
      address.kind === 'unix'
        ? net.connect({ path: address.path })
        : net.connect({ host: loopbackHost(address.host), port: address.port, noDelay: true });
    const timer = setTimeout(() => {
      socket.destroy(new SystemError('ETIMEDOUT', `no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(new SocketDuplex(socket));
    });
  });
}
