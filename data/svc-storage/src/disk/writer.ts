import { type Address, addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobWriter } from '../engine.ts';
import type { Budget } from './budget.ts';
import { Gathered, oneArrayMax } from './gathered.ts';
import type { LargeFile } from './large-file.ts';
import type { ObjectStore, PutResult, StoreParts } from './object-store.ts';
import { wrongDigest } from './refusals.ts';

/** One object being written: held in memory up to the size of a journal object, then in a temporary file. */
export class DiskWriter implements BlobWriter {
  readonly #store: ObjectStore;
  readonly #budget: Budget;
  readonly #small: Gathered;
  readonly #smallMax: number;
  #sizeBytes = 0;
  #heldBytes: number;
  readonly #declaredBytes: number;
  #large: LargeFile | undefined;
  #open = true;
  #ending: Promise<void> = Promise.resolve();

  /** The budget holds `declaredBytes` and one object for it already. */
  constructor(
    store: ObjectStore,
    budget: Budget,
    { env, pool, config }: Pick<StoreParts, 'env' | 'pool' | 'config'>,
    declaredBytes: number,
  ) {
    this.#store = store;
    this.#budget = budget;
    this.#smallMax = config.journalBytesMax;
    this.#small = new Gathered(env.work, pool);
    this.#heldBytes = declaredBytes;
    this.#declaredBytes = declaredBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#requireOpen();
    this.#store.health.requireWritable();
    const size = this.#sizeBytes + bytes.byteLength;
    this.#store.refuseLarger(size);
    if (size > this.#heldBytes) this.#hold(size);
    const asked = this.#budget.spend(bytes.byteLength);
    if (asked !== undefined) await asked;
    this.#sizeBytes = size;
    // What is announced as large is not gathered first.
    if (size <= this.#smallMax && this.#declaredBytes <= this.#smallMax) return this.#small.add(bytes);
    try {
      await this.#writeLarge(bytes);
    } catch (error) {
      throw this.#store.health.refusal(error);
    }
  }

  async commit(expected: Address | undefined): Promise<PutResult> {
    this.#requireOpen();
    this.#store.health.requireWritable();
    this.#open = false;
    const committing = this.#commit(expected);
    this.#ending = committing.then(
      () => undefined,
      () => undefined,
    );
    return committing;
  }

  /** During a commit: waits for its end. */
  abort(): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#ending = this.#release();
    }
    return this.#ending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  async #commit(expected: Address | undefined): Promise<PutResult> {
    const large = this.#large;
    try {
      if (large === undefined) return await this.#commitSmall(expected);
      const tree = await large.finish();
      const address = addressFromHash(tree.root);
      if (expected !== undefined && expected !== address) throw wrongDigest(expected);
      return await this.#store.putLarge(address, this.#sizeBytes, tree, large);
    } catch (error) {
      throw this.#store.health.refusal(error);
    } finally {
      // What the store did not take over is thrown away.
      if (large !== undefined && this.#store.hasAdopted(large)) this.#large = undefined;
      await this.#release();
    }
  }

  async #release(): Promise<void> {
    const large = this.#large;
    this.#large = undefined;
    this.#small.release();
    try {
      // Without a wait where there is none: whoever writes next has the space.
      if (large !== undefined) await large.discard(this.#store.env.disk);
    } finally {
      this.#budget.give(this.#heldBytes, 1);
    }
  }

  async #commitSmall(expected: Address | undefined): Promise<PutResult> {
    const { pieces } = this.#small;
    const address = addressFromHash(this.#small.digest(pieces));
    if (expected !== undefined && expected !== address) throw wrongDigest(expected);
    return await this.#store.putSmall(address, pieces, this.#small.isOwn);
  }

  /**
   * Past the size of small objects as much as one in the journal may have, at once: many writers of unknown length that
   * took it step by step would meet the end of the budget together, and none of them would come to its own.
   */
  #hold(bytes: number): void {
    const ahead =
      bytes > oneArrayMax && bytes < this.#smallMax && this.#budget.tryTake(this.#smallMax - this.#heldBytes);
    const wanted = ahead ? this.#smallMax : bytes;
    if (!ahead) this.#budget.take(bytes - this.#heldBytes, 0);
    this.#heldBytes = wanted;
  }

  async #writeLarge(bytes: Uint8Array): Promise<void> {
    if (this.#large === undefined) {
      this.#large = await this.#store.createTemporary();
      if (this.#small.sizeBytes > 0) for (const piece of this.#small.pieces) await this.#large.write(piece);
      this.#small.release();
    }
    await this.#large.write(bytes);
  }

  #requireOpen(): void {
    if (!this.#open) throw new RonError('conflict', 'this object was committed or aborted before');
  }
}
