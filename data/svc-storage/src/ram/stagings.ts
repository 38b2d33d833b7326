import type { Env } from '@ron/kernel';
import { sleep } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { Staging, StagingMeta, StagingStore } from '../engine.ts';
import { type Budget, objectOverheadBytes } from './budget.ts';
import type { RamObjects, Stored } from './objects.ts';
import { PieceHasher, pieceSizeBytes } from './pieces.ts';
import { refuseLarger } from './writer.ts';

/** Pieces hashed at a commit before the event loop gets its turn: about 4 MiB, some 3 ms. */
const hashPiecesPerTurn = 4;

/** Uploads that live as long as the process. */
export class RamStagings implements StagingStore {
  readonly #objects: RamObjects;
  readonly #env: Pick<Env, 'clock' | 'work'>;
  readonly #objectBytesMax: number;
  readonly #byId = new Map<string, RamStaging>();

  constructor(objects: RamObjects, env: Pick<Env, 'clock' | 'work'>, objectBytesMax: number) {
    this.#objects = objects;
    this.#env = env;
    this.#objectBytesMax = objectBytesMax;
  }

  async create(id: string, sizeBytes: number, meta: StagingMeta): Promise<Staging> {
    if (this.#byId.has(id)) throw new RonError('conflict', 'an upload with this id exists');
    refuseLarger(sizeBytes, this.#objectBytesMax);
    const { budget } = this.#objects;
    const overhead = objectOverheadBytes + (meta.outboard?.byteLength ?? 0);
    if (!budget.fits(overhead + sizeBytes)) {
      throw new RonError('insufficient_storage', 'an upload of this size does not fit the memory budget');
    }
    budget.take(overhead);
    const forget = () => {
      if (this.#byId.delete(id)) budget.give(overhead);
    };
    const staging = new RamStaging(id, sizeBytes, meta, this.#objects, this.#env, forget);
    this.#byId.set(id, staging);
    return staging;
  }

  async open(id: string): Promise<Staging | undefined> {
    return this.#byId.get(id);
  }

  async list(): Promise<readonly string[]> {
    return [...this.#byId.keys()];
  }
}

class RamStaging implements Staging {
  readonly id: string;
  readonly sizeBytes: number;
  readonly meta: StagingMeta;
  readonly #objects: RamObjects;
  readonly #budget: Budget;
  readonly #env: Pick<Env, 'clock' | 'work'>;
  readonly #forget: () => void;
  /** Allocated when first written to. */
  readonly #pieces: (Uint8Array | undefined)[];
  #contiguousBytes = 0;
  #state: 'open' | 'committing' | 'gone' = 'open';

  constructor(
    id: string,
    sizeBytes: number,
    meta: StagingMeta,
    objects: RamObjects,
    env: Pick<Env, 'clock' | 'work'>,
    forget: () => void,
  ) {
    this.id = id;
    this.sizeBytes = sizeBytes;
    this.meta = meta;
    this.#objects = objects;
    this.#budget = objects.budget;
    this.#env = env;
    this.#forget = forget;
    this.#pieces = new Array(Math.ceil(sizeBytes / pieceSizeBytes));
  }

  get contiguousBytes(): number {
    return this.#contiguousBytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#requireOpen();
    if (offset + bytes.byteLength > this.sizeBytes) throw new RangeError('a write past the end of the upload');
    for (let done = 0; done < bytes.byteLength; ) {
      const at = offset + done;
      const index = Math.floor(at / pieceSizeBytes);
      const start = index * pieceSizeBytes;
      this.#pieces[index] ??= this.#budget.allocate(Math.min(pieceSizeBytes, this.sizeBytes - start));
      const part = bytes.subarray(done, done + start + pieceSizeBytes - at);
      this.#pieces[index].set(part, at - start);
      done += part.byteLength;
      if (at <= this.#contiguousBytes) this.#contiguousBytes = Math.max(this.#contiguousBytes, at + part.byteLength);
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#requireOpen();
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.sizeBytes - offset)));
    for (let done = 0; done < bytes.byteLength; ) {
      const index = Math.floor((offset + done) / pieceSizeBytes);
      const from = offset + done - index * pieceSizeBytes;
      const part = Math.min(pieceSizeBytes - from, bytes.byteLength - done);
      const piece = this.#pieces[index];
      if (piece !== undefined) bytes.set(piece.subarray(from, from + part), done);
      done += part;
    }
    return bytes;
  }

  async sync(): Promise<void> {
    this.#requireOpen();
  }

  async commit(expected: Address | undefined): Promise<Stored> {
    this.#requireOpen();
    if (this.#pieces.includes(undefined)) throw new RonError('conflict', 'the upload is not complete');
    const pieces = this.#pieces as Uint8Array[];
    this.#state = 'committing';
    try {
      const hasher = new PieceHasher(this.#env.work);
      for (let index = hashPiecesPerTurn; index < pieces.length; index += hashPiecesPerTurn) {
        hasher.advance(pieces, index * pieceSizeBytes);
        await sleep(this.#env.clock, 0);
      }
      const result = this.#objects.add([...pieces], this.sizeBytes, hasher.finish(pieces, this.sizeBytes), expected);
      this.#state = 'gone';
      this.#pieces.length = 0;
      this.#forget();
      return result;
    } catch (error) {
      this.#state = 'open';
      throw error;
    }
  }

  async remove(): Promise<void> {
    if (this.#state === 'gone') return;
    if (this.#state === 'committing') throw new RonError('conflict', 'the upload is being completed');
    this.#state = 'gone';
    for (const piece of this.#pieces) if (piece !== undefined) this.#budget.discard(piece);
    this.#pieces.length = 0;
    this.#forget();
  }

  #requireOpen(): void {
    if (this.#state !== 'open') throw new RonError('conflict', 'the upload has ended');
  }
}
