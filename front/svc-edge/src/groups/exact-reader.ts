import { VerificationError } from '@ron/b3';
import { type ByteStream, lenderOf } from '@ron/proto/stream';

/** Cuts a stream into pieces of exact lengths, each in memory of its own, so that a budget can count it. */
export class ExactReader {
  readonly #body: ByteStream;
  readonly #reading: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(body: ByteStream) {
    this.#body = body;
    this.#reading = body[Symbol.asyncIterator]();
  }

  /** Throws `VerificationError` (`truncated`) when the stream ends before. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#at === this.#piece.byteLength && length > 0) await this.#next();
    const whole = this.#wholePiece(length);
    if (whole !== undefined) return whole;
    // Filled below, or thrown away.
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let filled = 0; filled < length; ) {
      if (this.#at === this.#piece.byteLength) await this.#next();
      const part = this.#piece.subarray(this.#at, this.#at + length - filled);
      bytes.set(part, filled);
      filled += part.byteLength;
      this.#at += part.byteLength;
    }
    return bytes;
  }

  /** The piece itself, where it is what was asked for and alone in memory that nobody else has. */
  #wholePiece(length: number): Uint8Array | undefined {
    const piece = this.#piece;
    const isAlone = piece.byteLength === piece.buffer.byteLength && lenderOf(this.#body) === undefined;
    if (this.#at !== 0 || piece.byteLength !== length || !isAlone) return undefined;
    this.#at = length;
    return piece;
  }

  /** The stream must end here; `VerificationError` (`trailing`) when it does not. */
  async end(): Promise<void> {
    if (this.#at < this.#piece.byteLength) throw new VerificationError('trailing', 'there is more than announced');
    const step = await this.#reading.next();
    if (step.done !== true && step.value.byteLength > 0) {
      throw new VerificationError('trailing', 'there is more than announced');
    }
  }

  /** Everything that was wanted is here: where the stream ends too, what carried it can be used again. */
  async finish(): Promise<void> {
    const isOver = this.#at === this.#piece.byteLength && (await this.#reading.next()).done === true;
    if (!isOver) await this.close();
  }

  async close(): Promise<void> {
    this.#piece = new Uint8Array(0);
    this.#at = 0;
    await this.#reading.return?.();
  }

  async #next(): Promise<void> {
    if (this.#piece.byteLength > 0) lenderOf(this.#body)?.giveBack(this.#piece);
    this.#piece = new Uint8Array(0);
    this.#at = 0;
    const step = await this.#reading.next();
    if (step.done === true) throw new VerificationError('truncated', 'the source ended too early');
    this.#piece = step.value;
  }
}
