import type { ByteStream } from '@ron/proto/stream';
import type { Connection } from '../connection-types.ts';
import { limits } from '../limits.ts';

/** Header block and its length around the bytes of an event: `frameLenMin`, a length of 2 and `{}`. */
const eventFrameBytes = 64;
/** A window has at least this much open once its reader has consumed all: the rest may be a grant that is not due yet. */
const eventBytesMax = limits.streamCreditBytes / 2;

/**
 * `body`: the rest of an answer, cut as the credit allows. `events`: each piece is pushed as an EVENT of its own, in
 * several when it is larger than a frame or half of a stream's first credit.
 */
export type OutboundForm = 'body' | 'events';

/** Sends a body within the credit of its stream, piece by piece, waiting for `writable` in between. */
export class OutboundBody {
  readonly #connection: Connection;
  readonly #streamId: number;
  readonly #form: OutboundForm;
  #source: AsyncIterator<Uint8Array> | undefined;
  #wake: (() => void) | undefined;
  #sentBytes = 0;
  #over = false;

  constructor(connection: Connection, streamId: number, form: OutboundForm = 'body') {
    this.#connection = connection;
    this.#streamId = streamId;
    this.#form = form;
  }

  /** The peer lets nothing more through for now. */
  get waiting(): boolean {
    return this.#wake !== undefined;
  }

  /** Everything was accepted, or the stream is over. */
  get done(): boolean {
    return this.#over;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Tells the peer that a silent source is alive: an event without a body, which costs no credit. */
  keepAlive(): void {
    if (this.#form === 'events' && !this.#over && !this.waiting) this.#connection.sendEvent(this.#streamId, {});
  }

  /** The connection says that more can be sent. */
  writable(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** The stream is over: the source is told to stop, also while it is asked for its next piece. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.writable();
    this.#leave();
  }

  /**
   * Resolves after the last byte was accepted and our side ended, or when the stream is over. Rejects with what the
   * source throws. Called once.
   */
  async send(body: ByteStream): Promise<void> {
    const source = body[Symbol.asyncIterator]();
    this.#source = source;
    if (this.#over) {
      this.#leave();
      return;
    }
    try {
      for (let step = await source.next(); step.done !== true && !this.#over; step = await source.next()) {
        await (this.#form === 'events' ? this.#pushPiece(step.value) : this.#sendPiece(step.value));
        if (this.#over) return;
      }
    } catch (error) {
      // A source that breaks because it was told to stop has nobody left to tell.
      if (this.#over) return;
      this.#over = true;
      this.#leave();
      throw error;
    }
    if (this.#over) return;
    this.#over = true;
    this.#connection.end(this.#streamId);
  }

  async #sendPiece(piece: Uint8Array): Promise<void> {
    let at = 0;
    while (at < piece.byteLength && !this.#over) {
      const rest = at === 0 ? piece : piece.subarray(at);
      const accepted = this.#connection.sendBody(this.#streamId, rest, { header: { off: this.#sentBytes } });
      at += accepted;
      this.#sentBytes += accepted;
      if (at < piece.byteLength && !this.#over) await this.#waitWritable();
    }
  }

  async #pushPiece(piece: Uint8Array): Promise<void> {
    const partBytes = Math.min(this.#connection.maxFrameBytes - eventFrameBytes, eventBytesMax);
    for (let at = 0; at < piece.byteLength && !this.#over; ) {
      const part = piece.subarray(at, at + partBytes);
      if (this.#connection.sendEvent(this.#streamId, {}, part)) {
        at += part.byteLength;
        this.#sentBytes += part.byteLength;
      } else if (!this.#over) await this.#waitWritable();
    }
  }

  #waitWritable(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #leave(): void {
    const source = this.#source;
    this.#source = undefined;
    // Not waited for: a source in the middle of a piece answers only after it. Its failure has nobody left to tell.
    void Promise.resolve(source?.return?.()).catch(() => undefined);
  }
}
