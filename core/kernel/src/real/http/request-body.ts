import type { Readable } from 'node:stream';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { ArrivingPieces, ended, type Step } from './arriving-pieces.ts';
import type { ProgressWatch, Transfer } from './progress.ts';

/** A request of HTTP/1.1 or a stream of HTTP/2. */
type IncomingBytes = Readable & { readonly aborted?: boolean };

export interface BodyOwner {
  readonly watch: ProgressWatch;
  /** The body came too slowly and no response has begun. */
  bodyTimedOut(): void;
  /** Told of each piece that comes. */
  arrived?(bytes: number): void;
  /** See `Transfer`. */
  giveWay?(): boolean;
}

/** A request's body as it arrives. Nothing is read from the socket before the handler asks for the first piece. */
export class RequestBody implements ByteStream, AsyncIterator<Uint8Array, undefined>, Transfer {
  readonly #message: IncomingBytes;
  readonly #owner: BodyOwner;
  readonly #pieces: ArrivingPieces;
  #sendContinue: (() => boolean) | undefined;
  #started = false;

  /** `sendContinue` is present when the client waits for it. False: it is too late, and the client may send nothing. */
  constructor(message: IncomingBytes, owner: BodyOwner, sendContinue: (() => boolean) | undefined) {
    this.#message = message;
    this.#pieces = new ArrivingPieces(message);
    this.#owner = owner;
    this.#sendContinue = sendContinue;
  }

  /** Whether every byte of the body has been taken from the socket. */
  get finished(): boolean {
    return this.#pieces.finished;
  }

  get started(): boolean {
    return this.#started;
  }

  /** The client waits for `100 Continue` and has sent nothing. */
  get continueOwed(): boolean {
    return this.#sendContinue !== undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this;
  }

  next(): Promise<Step> {
    if (!this.#started) this.#begin();
    return this.#pieces.next();
  }

  return(): Promise<Step> {
    this.#pieces.abandon(new Error('the body was abandoned'));
    if (this.#started) this.#owner.watch.remove(this);
    if (!this.#pieces.finished) this.#message.pause();
    return Promise.resolve(ended);
  }

  moved(): number {
    return this.#pieces.movedBytes;
  }

  waiting(): boolean {
    return this.#pieces.hasReader;
  }

  tooSlow(): void {
    this.#owner.bodyTimedOut();
    this.#fail(new RonError('request_timeout', 'the body came too slowly'));
  }

  giveWay(): boolean {
    return this.#owner.giveWay?.() === true;
  }

  #begin(): void {
    this.#started = true;
    if (this.#sendContinue?.() === true) this.#sendContinue = undefined;
    this.#message.on('data', (bytes: Buffer) => {
      this.#owner.arrived?.(bytes.byteLength);
      this.#pieces.take(bytes);
    });
    this.#message.once('end', () => this.#end());
    this.#message.once('error', (error) => this.#fail(clientLeft(error)));
    this.#message.once('close', () => {
      if (!this.#pieces.finished) this.#fail(clientLeft(undefined));
    });
    this.#owner.watch.add(this);
  }

  #end(): void {
    // An HTTP/2 stream that the client resets may end in all order.
    if (this.#message.aborted === true) {
      this.#fail(clientLeft(undefined));
      return;
    }
    this.#owner.watch.remove(this);
    this.#pieces.end();
  }

  #fail(error: Error): void {
    this.#owner.watch.remove(this);
    this.#pieces.fail(error);
  }
}

/** No failure of the node: nobody is there to hear it, and the log need not call it an error. */
function clientLeft(cause: Error | undefined): RonError {
  return new RonError('request_timeout', 'the client left before the end of its body', { cause });
}
