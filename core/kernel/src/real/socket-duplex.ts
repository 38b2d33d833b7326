import type net from 'node:net';
import type { Duplex, DuplexEvents } from '../env/net.ts';

/** After `close` the other side has this long to take what is left and to close as well. */
const lingerMs = 5000;

/** Up to here copying the pieces together is cheaper than a vector of them. */
const gatherBytesMax = 65_536;

export class SocketDuplex implements Duplex {
  readonly remote: string;
  readonly #socket: net.Socket;
  #error: Error | undefined;
  #closing = false;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #owesDrain = false;
  #events: DuplexEvents | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.remote = socket.remoteAddress ?? 'unix';
    // Listened for from the first moment: an error before `start` would end the process.
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('drain', () => this.#drained());
    socket.once('close', () => this.#events?.close(this.#error));
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (!this.#socket.writable) return true; // `close` tells the owner; a pause that never ends would not.
    if (this.#unsent.length === 0) process.nextTick(this.#flush);
    for (const piece of pieces) {
      this.#unsent.push(piece);
      this.#unsentBytes += piece.byteLength;
    }
    const flowing = this.#unsentBytes + this.#socket.writableLength < this.#socket.writableHighWaterMark;
    if (!flowing) this.#owesDrain = true;
    return flowing;
  }

  /**
   * Sends what was written since the last turn as one system call: answers to requests that arrived together leave
   * together. A tick runs only after the promises of this turn have settled.
   */
  readonly #flush = (): void => {
    const pieces = this.#unsent;
    const bytes = this.#unsentBytes;
    this.#unsent = [];
    this.#unsentBytes = 0;
    if (pieces.length === 0 || !this.#socket.writable) return;
    let flowing = true;
    if (pieces.length === 1) flowing = this.#socket.write(pieces[0] as Uint8Array);
    else if (bytes <= gatherBytesMax) flowing = this.#socket.write(Buffer.concat(pieces, bytes));
    else {
      this.#socket.cork();
      for (const piece of pieces) flowing = this.#socket.write(piece);
      this.#socket.uncork();
    }
    // The socket emits `drain` only for a write of its own that returned false.
    if (flowing) this.#drained();
  };

  #drained(): void {
    if (!this.#owesDrain) return;
    this.#owesDrain = false;
    this.#events?.drain();
  }

  start(events: DuplexEvents): void {
    if (this.#events !== undefined) throw new Error('a connection is started once');
    this.#events = events;
    if (this.#socket.closed) {
      process.nextTick(() => events.close(this.#error));
      return;
    }
    this.#socket.on('data', (bytes: Buffer) => events.data(bytes));
    this.#socket.resume();
  }

  setReading(on: boolean): void {
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }

  close(): void {
    if (this.#closing || this.#socket.destroyed) return;
    this.#closing = true;
    this.#flush();
    this.#socket.end();
    // Unread bytes would keep the end from being seen.
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), lingerMs);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#socket.destroy();
  }
}
