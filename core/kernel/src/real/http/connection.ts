import type { ServerResponse } from 'node:http';
import type net from 'node:net';
import type { Transfer } from './progress.ts';

/** What the server keeps for each socket. Also the watched transfer of its responses: one for all that queue up on it. */
export class Connection implements Transfer {
  readonly socket: net.Socket;
  readonly address: string;
  /** Requests without a response so far. */
  pending = 0;
  /** The response of the newest request. */
  newest: ServerResponse | undefined;
  watched = false;
  closed = false;
  readonly #closers = new Set<() => void>();
  readonly #onDrained: (connection: Connection) => void;

  constructor(socket: net.Socket, onDrained: (connection: Connection) => void) {
    this.socket = socket;
    this.address = socket.remoteAddress ?? 'unix';
    this.#onDrained = onDrained;
  }

  /**
   * Calls back when the socket is gone; the result takes the callback back. Not the response's own event: a response that
   * still waits for an earlier one on the same connection has no socket and is told nothing.
   */
  onClose(callback: () => void): () => void {
    this.#closers.add(callback);
    return () => void this.#closers.delete(callback);
  }

  close(): void {
    this.closed = true;
    const closers = [...this.#closers];
    this.#closers.clear();
    for (const closer of closers) closer();
  }

  /** Bytes that the kernel has not taken. Node's own socket timeout reads the same two counters. */
  get unsent(): number {
    return queueOf(this.socket)?.writeQueueSize ?? 0;
  }

  moved(): number {
    const queue = queueOf(this.socket);
    return queue === undefined ? 0 : queue.bytesWritten - queue.writeQueueSize;
  }

  waiting(): boolean {
    if (this.unsent > 0) return true;
    if (this.socket.writableLength === 0) this.#onDrained(this);
    return false;
  }

  tooSlow(): void {
    this.socket.destroy();
  }
}

interface WriteQueue {
  readonly writeQueueSize: number;
  readonly bytesWritten: number;
}

function queueOf(socket: net.Socket): WriteQueue | undefined {
  return (socket as { _handle?: WriteQueue | null })._handle ?? undefined;
}
