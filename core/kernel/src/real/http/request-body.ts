import type { IncomingMessage, ServerResponse } from 'node:http';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { ProgressWatch, Transfer } from './progress.ts';

/** Bytes that may wait for the handler before the socket is no longer read. */
const waitingBytesMax = 256 * 1024;

type Step = IteratorResult<Uint8Array, undefined>;
const ended: Step = { done: true, value: undefined };

export interface BodyOwner {
  readonly watch: ProgressWatch;
  /** The body came too slowly and no response has begun. */
  bodyTimedOut(): void;
}

/** A request's body as it arrives. Nothing is read from the socket before the handler asks for the first piece. */
export class RequestBody implements ByteStream, AsyncIterator<Uint8Array, undefined>, Transfer {
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #owner: BodyOwner;
  #continueOwed: boolean;
  #pieces: Uint8Array[] = [];
  #waitingBytes = 0;
  #movedBytes = 0;
  #started = false;
  #finished = false;
  #failure: Error | undefined;
  #reader: { resolve(step: Step): void; reject(error: Error): void } | undefined;

  constructor(message: IncomingMessage, response: ServerResponse, owner: BodyOwner, continueOwed: boolean) {
    this.#message = message;
    this.#response = response;
    this.#owner = owner;
    this.#continueOwed = continueOwed;
  }

  /** Whether every byte of the body has been taken from the socket. */
  get finished(): boolean {
    return this.#finished;
  }

  get started(): boolean {
    return this.#started;
  }

  /** The client waits for `100 Continue` and has sent nothing. */
  get continueOwed(): boolean {
    return this.#continueOwed;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this;
  }

  next(): Promise<Step> {
    if (!this.#started) this.#begin();
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#waitingBytes -= piece.byteLength;
      if (this.#waitingBytes === 0 && this.#message.isPaused()) this.#message.resume();
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#finished) return Promise.resolve(ended);
    if (this.#reader !== undefined) return Promise.reject(new Error('a body has one reader'));
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<Step> {
    this.#pieces = [];
    this.#waitingBytes = 0;
    if (this.#started) this.#owner.watch.remove(this);
    if (!this.#finished) {
      this.#message.pause();
      this.#failure ??= new Error('the body was abandoned');
    }
    return Promise.resolve(ended);
  }

  moved(): number {
    return this.#movedBytes;
  }

  waiting(): boolean {
    return this.#reader !== undefined;
  }

  tooSlow(): void {
    this.#owner.bodyTimedOut();
    this.#fail(new RonError('request_timeout', 'the body came too slowly'));
  }

  #begin(): void {
    this.#started = true;
    if (this.#continueOwed) {
      this.#continueOwed = false;
      this.#response.writeContinue();
    }
    this.#message.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#message.once('end', () => this.#end());
    this.#message.once('error', (error) => this.#fail(clientLeft(error)));
    this.#message.once('close', () => {
      if (!this.#finished) this.#fail(clientLeft(undefined));
    });
    this.#owner.watch.add(this);
  }

  #take(bytes: Uint8Array): void {
    this.#movedBytes += bytes.byteLength;
    if (this.#failure !== undefined) return;
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve({ done: false, value: bytes });
      return;
    }
    this.#pieces.push(bytes);
    this.#waitingBytes += bytes.byteLength;
    if (this.#waitingBytes >= waitingBytesMax) this.#message.pause();
  }

  #end(): void {
    this.#finished = true;
    this.#owner.watch.remove(this);
    this.#reader?.resolve(ended);
    this.#reader = undefined;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#owner.watch.remove(this);
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
  }
}

/** No failure of the node: nobody is there to hear it, and the log need not call it an error. */
function clientLeft(cause: Error | undefined): RonError {
  return new RonError('request_timeout', 'the client left before the end of its body', { cause });
}
