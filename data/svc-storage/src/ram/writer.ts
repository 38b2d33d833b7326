import type { Work } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobWriter } from '../engine.ts';
import type { RamObjects, Stored } from './objects.ts';
import { GrowingPieces, PieceHasher } from './pieces.ts';

export function refuseLarger(sizeBytes: number, objectBytesMax: number): void {
  if (sizeBytes <= objectBytesMax) return;
  throw new RonError('payload_too_large', `objects in memory have at most ${objectBytesMax} bytes`, {
    details: { limit: objectBytesMax },
  });
}

/** An object on its way into memory. */
export class RamWriter implements BlobWriter {
  readonly #objects: RamObjects;
  readonly #objectBytesMax: number;
  readonly #bytes: GrowingPieces;
  readonly #hasher: PieceHasher;
  #open = true;

  constructor(objects: RamObjects, work: Work, objectBytesMax: number, sizeBytes: number | undefined) {
    this.#objects = objects;
    this.#objectBytesMax = objectBytesMax;
    this.#bytes = new GrowingPieces(objects.budget, sizeBytes);
    this.#hasher = new PieceHasher(work);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#requireOpen();
    refuseLarger(this.#bytes.size + bytes.byteLength, this.#objectBytesMax);
    this.#bytes.append(bytes);
    this.#hasher.advance(this.#bytes.pieces, this.#bytes.size);
  }

  async commit(expected: Address | undefined): Promise<Stored> {
    this.#requireOpen();
    const pieces = this.#bytes.seal();
    try {
      const hash = this.#hasher.finish(pieces, this.#bytes.size);
      const result = this.#objects.add(pieces, this.#bytes.size, hash, expected);
      this.#open = false;
      return result;
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#bytes.drop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #requireOpen(): void {
    if (!this.#open) throw new Error('this object was committed or aborted before');
  }
}
