import type net from 'node:net';
import type { ByteStream } from '@ron/proto/stream';
import { SystemError } from '../../env/system-error.ts';
import type { ProgressWatch, Transfer } from './progress.ts';
import type { RequestHead } from './request-head.ts';

/** How long `Expect: 100-continue` holds back a body when the origin says nothing. RFC 9110, 10.1.1. */
const continueMs = 1000;

export interface UploadEvents {
  /** Something is being sent. */
  moving(): void;
  /** All of it is with the system. */
  finished(): void;
  failed(error: Error): void;
}

/** The content of a request on its way out. */
export class Upload implements Transfer {
  readonly #socket: net.Socket;
  readonly #body: ByteStream;
  readonly #head: RequestHead;
  readonly #watch: ProgressWatch;
  readonly #events: UploadEvents;
  #timer: NodeJS.Timeout | undefined;
  #handed = 0;
  #begun = false;
  #stopped = false;
  #complete = false;

  constructor(socket: net.Socket, body: ByteStream, head: RequestHead, watch: ProgressWatch, events: UploadEvents) {
    this.#socket = socket;
    this.#body = body;
    this.#head = head;
    this.#watch = watch;
    this.#events = events;
  }

  /** Whether the origin has the whole request: only then another one may follow. */
  get isComplete(): boolean {
    return this.#complete;
  }

  start(): void {
    if (this.#head.expectsContinue) this.#timer = setTimeout(() => this.proceed(), continueMs);
    else this.proceed();
  }

  /** The origin has answered without it: what was held back so far stays here. RFC 9110, 10.1.1. */
  answered(): void {
    if (!this.#begun) this.stop();
  }

  /** The origin wants it, or says nothing. */
  proceed(): void {
    clearTimeout(this.#timer);
    if (this.#begun || this.#stopped) return;
    this.#begun = true;
    this.#watch.add(this);
    this.#send().then(
      () => this.#watch.remove(this),
      (error: unknown) => {
        this.#watch.remove(this);
        const cause = error instanceof Error ? error : undefined;
        this.#events.failed(cause ?? new SystemError('ECONNRESET', 'the request body broke off'));
      },
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stopped = true;
    this.#watch.remove(this);
  }

  moved(): number {
    return this.#handed - this.#socket.writableLength;
  }

  waiting(): boolean {
    return this.#socket.writableLength > 0;
  }

  tooSlow(): void {
    this.#events.failed(new SystemError('ETIMEDOUT', 'the origin takes the request too slowly'));
  }

  async #send(): Promise<void> {
    const { length } = this.#head;
    let sent = 0;
    for await (const piece of this.#body) {
      if (this.#stopped || this.#socket.destroyed) return;
      if (piece.byteLength === 0) continue;
      sent += piece.byteLength;
      if (length !== undefined && sent > length) throw new SystemError('EINVAL', 'more content than announced');
      this.#events.moving();
      if (!this.#write(piece, length === undefined)) await drained(this.#socket);
    }
    if (this.#stopped || this.#socket.destroyed) return;
    if (length !== undefined && sent < length) throw new SystemError('EINVAL', 'less content than announced');
    this.#complete = true;
    const finished = () => {
      if (!this.#stopped) this.#events.finished();
    };
    // Called back when all that was written before it has gone, too.
    this.#socket.write(length === undefined ? '0\r\n\r\n' : '', 'latin1', finished);
  }

  #write(piece: Uint8Array, chunked: boolean): boolean {
    const socket = this.#socket;
    this.#handed += piece.byteLength;
    if (!chunked) return socket.write(piece);
    socket.cork();
    socket.write(`${piece.byteLength.toString(16)}\r\n`, 'latin1');
    socket.write(piece);
    const more = socket.write('\r\n', 'latin1');
    socket.uncork();
    return more;
  }
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
