import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { type ByteStream, emptyBody, type LendingBody, lenderOf, ResidentBody } from '@ron/proto/stream';
import { whole } from './bodies.ts';
import type { BlobEngine, StoredObject } from './engine.ts';
import type { Span } from './spans.ts';

/** Reads of objects, with every failed verification counted once, at the read that found it. */
export class VerifiedReads {
  readonly blobs: BlobEngine;
  readonly #onIntegrityFailure: (address: Address) => void;

  constructor(blobs: BlobEngine, onIntegrityFailure: (address: Address) => void) {
    this.blobs = blobs;
    this.#onIntegrityFailure = onIntegrityFailure;
  }

  /**
   * Bytes in memory come back as they are, at once. Otherwise the first piece is read before anything is promised, so
   * that damage there is a plain refusal; damage later breaks the body off.
   */
  open(object: StoredObject, span: Span): ResidentBody | Promise<ByteStream> {
    const body = this.blobs.read(object.address, span.start, span.length);
    return body instanceof ResidentBody ? body : this.#begin(object.address, body, span);
  }

  /** All bytes of a span of at most a few MiB. */
  async bytes(object: StoredObject, span: Span): Promise<Uint8Array> {
    const { address } = object;
    return await this.counted(address, () => whole(this.blobs.read(address, span.start, span.length), span.length));
  }

  /** Runs a read and counts its failure when it was a failed verification. */
  async counted<T>(address: Address, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      this.#count(address, error);
      throw error;
    }
  }

  async #begin(address: Address, body: ByteStream, span: Span): Promise<ByteStream> {
    const reading = body[Symbol.asyncIterator]();
    const first = await this.counted(address, () => reading.next());
    if (first.done) return emptyBody;
    if (first.value.byteLength === span.length) return new ResidentBody(first.value);
    return new BegunBody(body, first.value, reading, (error) => this.#count(address, error));
  }

  #count(address: Address, error: unknown): void {
    if (error instanceof RonError && error.code === 'integrity') this.#onIntegrityFailure(address);
  }
}

/** A body of which the first piece was read; tells how it fails. */
class BegunBody implements LendingBody {
  readonly #lender: LendingBody | undefined;
  readonly #first: Uint8Array;
  readonly #rest: AsyncIterator<Uint8Array>;
  readonly #onFailure: (error: unknown) => void;

  constructor(
    body: ByteStream,
    first: Uint8Array,
    rest: AsyncIterator<Uint8Array>,
    onFailure: (error: unknown) => void,
  ) {
    this.#lender = lenderOf(body);
    this.#first = first;
    this.#rest = rest;
    this.#onFailure = onFailure;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield this.#first;
      for (let step = await this.#rest.next(); step.done !== true; step = await this.#rest.next()) yield step.value;
    } catch (error) {
      this.#onFailure(error);
      throw error;
    } finally {
      await this.#rest.return?.();
    }
  }

  giveBack(piece: Uint8Array): void {
    this.#lender?.giveBack(piece);
  }
}
