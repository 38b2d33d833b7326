import type net from 'node:net';
import type { Listener, NetAddress } from '../env/net.ts';

/** A server of sockets with those that it has accepted. */
export class SocketListener implements Listener {
  readonly address: NetAddress;
  readonly #server: net.Server;
  readonly #sockets: ReadonlySet<net.Socket>;
  #closed: Promise<void> | undefined;

  constructor(server: net.Server, address: NetAddress, sockets: ReadonlySet<net.Socket>) {
    this.#server = server;
    this.address = address;
    this.#sockets = sockets;
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, graceMs);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }
}
