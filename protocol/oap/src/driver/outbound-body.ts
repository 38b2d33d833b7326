import type { ByteStream } from '@ron/proto/stream';
import type { Connection } from '../connection-types.ts';

/** Sends a body within the credit of its stream, piece by piece, waiting for `writable` in between. */
export class OutboundBody {
  readonly #connection: Connection;
  readonly #streamId: number;
  #source: AsyncIterator<Uint8Array> | undefined;
  #wake: (() => void) | undefined;
  #sentBytes = 0;
  #over = false;

  constructor(connection: Connection, streamId: number) {
    this.#connection = connection;
    this.#streamId = streamId;
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
        await this.#sendPiece(step.value);
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
