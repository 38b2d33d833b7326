import type net from 'node:net';
import type { ByteStream } from '@ron/proto/stream';
import { SystemError } from '../../env/system-error.ts';
import { ArrivingPieces, ended, type Step } from './arriving-pieces.ts';
import type { ProgressWatch, Transfer } from './progress.ts';

/** Bodies whose length is known, up to this, lie in one piece of memory: who keeps them has nothing to put together. */
const wholeBytesMax = 1024 * 1024;

/** A response's body as it arrives. Whole, or it ends with an error: what breaks off never looks complete. */
export class ClientBody implements ByteStream, AsyncIterator<Uint8Array, undefined>, Transfer {
  readonly #socket: net.Socket;
  readonly #watch: ProgressWatch;
  readonly #pieces: ArrivingPieces;
  readonly #whole: Buffer | undefined;
  #offset = 0;
  #over = false;

  constructor(socket: net.Socket, watch: ProgressWatch, length: number | undefined) {
    this.#socket = socket;
    this.#watch = watch;
    this.#pieces = new ArrivingPieces(socket);
    this.#whole = length === undefined || length > wholeBytesMax ? undefined : Buffer.allocUnsafeSlow(length);
  }

  /** All of it, when it came before anybody asked for it. */
  get whole(): Uint8Array | undefined {
    return this.#pieces.finished ? this.#whole : undefined;
  }

  /** From here on it is judged by its progress. */
  watch(): void {
    if (!this.#over) this.#watch.add(this);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this;
  }

  next(): Promise<Step> {
    return this.#pieces.next();
  }

  return(): Promise<Step> {
    this.#pieces.abandon(new SystemError('ECANCELED', 'the body was given up'));
    if (!this.#over) this.#socket.destroy();
    this.#leave();
    return Promise.resolve(ended);
  }

  /** Copies them: they are somebody else's in a moment. */
  take(bytes: Buffer): void {
    const start = this.#offset;
    this.#offset += bytes.byteLength;
    const place = this.#whole?.subarray(start, this.#offset) ?? Buffer.allocUnsafeSlow(bytes.byteLength);
    bytes.copy(place);
    this.#pieces.take(place);
  }

  end(): void {
    this.#leave();
    this.#pieces.end();
  }

  fail(cause: Error): void {
    if (this.#over) return;
    this.#leave();
    const told = cause instanceof SystemError && cause.code !== 'ECANCELED';
    this.#pieces.fail(told ? cause : new SystemError('ECONNRESET', 'the body broke off', { cause }));
  }

  moved(): number {
    return this.#pieces.movedBytes;
  }

  /** While the socket is read, slowness is the origin's. */
  waiting(): boolean {
    return !this.#socket.isPaused();
  }

  tooSlow(): void {
    this.fail(new SystemError('ETIMEDOUT', 'the origin sends the body too slowly'));
    this.#socket.destroy();
  }

  #leave(): void {
    this.#over = true;
    this.#watch.remove(this);
  }
}
