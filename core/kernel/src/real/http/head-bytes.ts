import { broken } from './response-fields.ts';

/** Lines that may lie in several pieces of what arrives. */
export class HeadBytes {
  readonly #bytesMax: number;
  /** Of blocks, over all of them since the start. */
  #taken = 0;
  #held: Buffer | undefined;
  #heldBytes = 0;
  /** What was looked for, when the last call found it. */
  text: string | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  restart(): void {
    this.#taken = 0;
  }

  /** Up to an empty line; `text` is without it and without the end of the last line. Returns where the rest begins. */
  takeBlock(chunk: Buffer, at: number, mayBeEmpty: boolean): number {
    this.text = undefined;
    if (mayBeEmpty && this.#isEmptyLine(chunk, at)) return this.#takeUntil(chunk, at, '\r\n', 2);
    return this.#takeUntil(chunk, at, '\r\n\r\n', this.#bytesMax - this.#taken);
  }

  takeLine(chunk: Buffer, at: number, bytesMax: number): number {
    this.text = undefined;
    return this.#takeUntil(chunk, at, '\r\n', bytesMax);
  }

  /** As far as its first two bytes are there. */
  #isEmptyLine(chunk: Buffer, at: number): boolean {
    const first = this.#heldBytes > 0 ? this.#held?.[0] : chunk[at];
    const second = this.#heldBytes > 1 ? this.#held?.[1] : chunk[this.#heldBytes === 1 ? at : at + 1];
    return first === 0x0d && (second === undefined || second === 0x0a);
  }

  #takeUntil(chunk: Buffer, at: number, end: string, bytesMax: number): number {
    const before = this.#heldBytes;
    if (before === 0) {
      const found = chunk.indexOf(end, at, 'latin1');
      if (found !== -1) return this.#found(chunk, at, found, end.length, bytesMax);
      this.#hold(chunk, at, bytesMax);
      return chunk.byteLength;
    }
    // No more than may be is copied; what lies behind the end is not kept.
    const take = Math.min(chunk.byteLength - at, Math.max(0, bytesMax - before) + 1);
    this.#grow(before + take);
    const held = this.#held as Buffer;
    chunk.copy(held, before, at, at + take);
    const found = held.subarray(0, before + take).indexOf(end, Math.max(0, before - end.length + 1), 'latin1');
    if (found === -1) {
      this.#heldBytes = before + take;
      if (this.#heldBytes > bytesMax) throw broken('a head so large');
      return at + take;
    }
    this.#heldBytes = 0;
    return at + this.#found(held, 0, found, end.length, bytesMax) - before;
  }

  #found(bytes: Buffer, at: number, found: number, endBytes: number, bytesMax: number): number {
    const taken = found + endBytes - at;
    if (taken > bytesMax) throw broken('a head so large');
    if (endBytes === 4) this.#taken += taken;
    this.text = bytes.toString('latin1', at, found);
    return found + endBytes;
  }

  #hold(chunk: Buffer, at: number, bytesMax: number): void {
    const bytes = chunk.byteLength - at;
    if (bytes > bytesMax) throw broken('a head so large');
    this.#grow(bytes);
    chunk.copy(this.#held as Buffer, 0, at);
    this.#heldBytes = bytes;
  }

  #grow(bytes: number): void {
    if (this.#held !== undefined && this.#held.byteLength >= bytes) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(1024, bytes * 2));
    this.#held?.copy(larger, 0, 0, this.#heldBytes);
    this.#held = larger;
  }
}
