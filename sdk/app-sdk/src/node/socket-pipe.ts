import net from 'node:net';
import type { BytePipe } from '@ron/oap';
import { RonError } from '@ron/proto/errors';

/** Milliseconds to reach a node; the protocol's handshake limit. */
const dialMsMax = 5_000;

export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** A connection whose process may end while it is idle: `hold` keeps the process alive for as long as a call runs. */
export interface SocketPipe extends BytePipe {
  hold(on: boolean): void;
}

/** Rejects with `unavailable` when nothing answers within 5 s. */
export function dialPipe(address: SocketAddress): Promise<SocketPipe> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...address, noDelay: true });
    const refuse = (cause: unknown) => {
      socket.destroy();
      reject(new RonError('unavailable', 'no answer from the node', { cause }));
    };
    const timer = setTimeout(() => refuse(new Error(`not connected within ${dialMsMax} ms`)), dialMsMax);
    socket.once('error', refuse);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', refuse);
      resolve(pipeOf(socket));
    });
  });
}

function pipeOf(socket: net.Socket): SocketPipe {
  let failure: Error | undefined;
  socket.on('error', (error) => {
    failure = error;
  });
  socket.pause();
  return {
    write(pieces) {
      if (!socket.writable) return true; // `close` tells the owner; a pause that never ends would not.
      socket.cork();
      let flowing = true;
      for (const piece of pieces) flowing = socket.write(piece);
      process.nextTick(() => socket.uncork());
      return flowing;
    },
    start(events) {
      socket.on('data', (bytes) => events.data(bytes as Buffer));
      socket.on('drain', () => events.drain());
      socket.once('close', () => events.close(failure));
      if (socket.closed) process.nextTick(() => events.close(failure));
      socket.resume();
    },
    hold: (on) => void (on ? socket.ref() : socket.unref()),
    close() {
      // The peer's end may never come, and everything that was asked is answered or given up by now.
      socket.end(() => socket.destroy());
    },
    destroy: () => void socket.destroy(),
  };
}
