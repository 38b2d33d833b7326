/** One read of a large object, one write of an upload, one piece of a slice. A multiple of the 64 KiB group. */
export const pieceBytes = 512 * 1024;

/**
 * Buffers of 512 KiB that are used again. A fresh one for each piece makes the collector run every few dozen
 * MiB, which costs more than hashing them. What is not given back is garbage like any other buffer.
 */
export class PiecePool {
  readonly #keptMax: number;
  readonly #free: Buffer[] = [];
  /** Of those that are out: only they may come back, and once. */
  readonly #lent = new WeakMap<ArrayBufferLike, Buffer>();

  /** `keptMax`: buffers that may lie idle. */
  constructor(keptMax: number) {
    this.#keptMax = keptMax;
  }

  /** The content is arbitrary. */
  take(): Buffer {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(pieceBytes);
    this.#lent.set(buffer.buffer, buffer);
    return buffer;
  }

  /** Takes any part of a lent buffer as the whole of it; everything else is left alone. Nobody may hold on to it. */
  giveBack(piece: Uint8Array): void {
    const buffer = this.#lent.get(piece.buffer);
    if (buffer === undefined) return;
    this.#lent.delete(piece.buffer);
    if (this.#free.length < this.#keptMax) this.#free.push(buffer);
  }
}
