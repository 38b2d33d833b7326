import type { ServerResponse } from 'node:http';
import type net from 'node:net';
import type { Transfer } from './progress.ts';
import { transferTurns } from './transfer-turns.ts';

/** What the server keeps for each socket. Also the watched transfer of its responses: one for all that queue up on it. */
export class Connection implements Transfer {
  /** What HTTP is spoken on: with TLS another one than the wire. */
  socket: net.Socket;
  /** Whose bytes the system has taken. */
  readonly wire: net.Socket;
  readonly address: string;
  /** Requests without a response so far. */
  pending = 0;
  /** Of these, how many are being handled. */
  running = 0;
  /** The others, in their order; bounded by what may be pending. */
  readonly later: (() => void)[] = [];
  /** The response of the newest request. */
  newest: ServerResponse | undefined;
  watched = false;
  isHttp2 = false;
  closed = false;
  /** One of its messages was refused: where the next one begins is the sender's opinion only, and none is asked any more. */
  refused = false;
  /** No request so far. */
  isUnused = true;
  /** On the monotonic clock, milliseconds; since it was opened when it is unused. */
  idleSinceMs = performance.now();
  readonly #closers = new Set<() => void>();
  readonly #onDrained: (connection: Connection) => void;
  #resting = false;

  constructor(socket: net.Socket, onDrained: (connection: Connection) => void) {
    this.socket = socket;
    this.wire = socket;
    this.address = socket.remoteAddress ?? 'unix';
    this.#onDrained = onDrained;
  }

  /** A request has its response, or never gets one. */
  done(): void {
    this.pending--;
    this.isUnused = false;
    if (this.pending === 0) this.idleSinceMs = performance.now();
  }

  /** The same for one that was handled: the next one's turn has come. */
  ran(): void {
    this.running--;
    this.done();
    if (this.later.length > 0 && !this.closed) this.later.shift()?.();
  }

  /** What its client sends waits in the system for so long, and costs nothing here; it may not even notice. */
  rest(restMs: number): void {
    if (this.isHttp2 || this.#resting || this.closed) return;
    this.#resting = true;
    this.socket.pause();
    const timer = setTimeout(() => {
      forget();
      this.#resting = false;
      this.socket.resume();
    }, restMs).unref();
    const forget = this.onClose(() => clearTimeout(timer));
  }

  /**
   * Calls back when the socket is gone; the result takes the callback back. Not the response's own event: a response that
   * still waits for an earlier one on the same connection has no socket and is told nothing.
   */
  onClose(callback: () => void): () => void {
    this.#closers.add(callback);
    return () => void this.#closers.delete(callback);
  }

  /** Idempotent. */
  close(): void {
    this.closed = true;
    this.later.length = 0;
    const closers = [...this.#closers];
    this.#closers.clear();
    for (const closer of closers) closer();
  }

  /** Bytes that the kernel has not taken. Node's own socket timeout reads the same two counters. */
  get unsent(): number {
    return queueOf(this.wire)?.writeQueueSize ?? 0;
  }

  moved(): number {
    const queue = queueOf(this.wire);
    return queue === undefined ? 0 : queue.bytesWritten - queue.writeQueueSize;
  }

  waiting(): boolean {
    if (this.unsent > 0) return true;
    if (this.socket.writableLength === 0) this.#onDrained(this);
    return false;
  }

  /** In its turn: the system gives back what it held on the spot, a second of work for hundreds of readers at once. */
  tooSlow(): void {
    void transferTurns.next().then(() => this.reset());
  }

  giveWay(): boolean {
    if (this.isHttp2) return false;
    this.close();
    this.reset();
    return true;
  }

  /**
   * Drops what the client has not taken. After an end in good order the system would go on offering it: megabytes for each
   * connection, for minutes, of a client that has shown that it does not take them.
   */
  reset(): void {
    const { wire } = this;
    if (this.address === 'unix' || wire.destroyed) wire.destroy();
    else wire.resetAndDestroy();
  }
}

interface WriteQueue {
  readonly writeQueueSize: number;
  readonly bytesWritten: number;
}

function queueOf(socket: net.Socket): WriteQueue | undefined {
  return (socket as { _handle?: WriteQueue | null })._handle ?? undefined;
}
