import net from 'node:net';
import type { NetAddress } from '../../env/net.ts';
import { errorCode } from '../../env/system-error.ts';
import { type ListenOptions, listenOn } from '../address.ts';

/**
 * Sockets that listen at one address. The loop takes in one connection of each a turn, however many wait: with a single one
 * and turns of 4 ms a crowd that comes anew is taken in at 250 a second, and most give up in the line. The system deals
 * newcomers out among them (SO_REUSEPORT, Linux 3.9).
 */
const doorsMax = 32;

/** Listens with the server and, where the system can deal connections out, with further sockets that hand theirs to it. */
export class Doors {
  readonly #server: net.Server;
  readonly #further: net.Server[] = [];

  constructor(server: net.Server) {
    this.#server = server;
  }

  async listen(address: NetAddress, beyondLoopback: boolean): Promise<NetAddress> {
    if (address.kind !== 'tcp' || process.platform !== 'linux')
      return listenOn(this.#server, address, { beyondLoopback });
    // Who shares a port does not learn that somebody else has it: this one asks, and lets go of it.
    if (address.port !== 0) await tryAlone(address, beyondLoopback);
    const shared = { beyondLoopback, reusePort: true };
    let bound: NetAddress;
    try {
      bound = await listenOn(this.#server, address, shared);
    } catch (error) {
      if (!isUnsupported(error)) throw error;
      return listenOn(this.#server, address, { beyondLoopback });
    }
    try {
      for (let more = 1; more < doorsMax; more += 1) await this.#open(bound, shared);
    } catch (error) {
      await new Promise<void>((resolve) => this.close(resolve));
      throw error;
    }
    return bound;
  }

  async #open(address: NetAddress, options: ListenOptions): Promise<void> {
    const door = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#server.emit('connection', socket);
    });
    await listenOn(door, address, options);
    this.#further.push(door);
  }

  /** Calls back when no door takes anybody in any more, and all who came in have left. */
  close(closed: () => void): void {
    const all = [this.#server, ...this.#further];
    let left = all.length;
    for (const door of all) {
      door.close(() => {
        left -= 1;
        if (left === 0) closed();
      });
    }
  }
}

/** Throws `EADDRINUSE` when somebody listens there. */
async function tryAlone(address: NetAddress, beyondLoopback: boolean): Promise<void> {
  const server = net.createServer();
  await listenOn(server, address, { beyondLoopback });
  await new Promise((resolve) => server.close(resolve));
}

function isUnsupported(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOTSUP' || code === 'ENOPROTOOPT' || code === 'EINVAL';
}
