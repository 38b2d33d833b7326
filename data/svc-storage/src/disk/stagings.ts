import type { Env } from '@ron/kernel';
import { type Address, addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { Staging, StagingMeta, StagingStore } from '../engine.ts';
import type { PiecePool } from '../piece-pool.ts';
import type { Budget } from './budget.ts';
import type { Catalog } from './catalog.ts';
import type { Layout } from './layout.ts';
import type { ObjectStore, PutResult } from './object-store.ts';
import { wrongDigest } from './refusals.ts';
import { StagedBytes } from './staged-bytes.ts';
import { encodeMeta, metaBytesMax, readMeta, writeCommitting, writeMark } from './staging-meta.ts';

const idPattern = /^[0-9a-f]{32}$/;
/** Uploads whose file stays open between calls. */
const openMax = 64;

interface Upload {
  readonly id: string;
  readonly bytes: StagedBytes;
  turn: number;
  /** As the meta file says, and whether that would survive a crash. */
  safeBytes: number;
  safeIsNoted: boolean;
  state: 'open' | 'committing' | 'gone';
}

export interface StagingParts {
  readonly env: Pick<Env, 'disk' | 'work'>;
  readonly layout: Layout;
  readonly budget: Budget;
  readonly catalog: Catalog;
  readonly store: ObjectStore;
  readonly pool: PiecePool;
  readonly stagingsMax: number;
  readonly syncEveryBytes: number;
  readonly journalBytesMax: number;
}

/** Uploads on disk: the bytes in one file, what is known of them in another. */
export class DiskStagings implements StagingStore {
  readonly #parts: StagingParts;
  readonly #uploads = new Map<string, Upload>();

  constructor(parts: StagingParts) {
    this.#parts = parts;
  }

  /** Before the first use, and before files without an owner are swept away. */
  async recover(): Promise<void> {
    const { env, layout } = this.#parts;
    const names = await env.disk.list(layout.stagings);
    for (const name of names) {
      const [id = '', suffix] = name.split('.');
      const isMeta = suffix === 'meta' && idPattern.test(id);
      const isOwned = suffix === 'data' && names.includes(`${id}.meta`);
      if (isMeta) await this.#recoverOne(id);
      else if (!isOwned) await env.disk.remove(`${layout.stagings}/${name}`);
    }
  }

  async create(id: string, sizeBytes: number, meta: StagingMeta): Promise<Staging> {
    const { env, layout, budget, store, stagingsMax } = this.#parts;
    if (!idPattern.test(id)) throw new RonError('bad_request', 'the id of an upload is 32 lower-case hex digits');
    store.health.requireWritable();
    if (this.#uploads.has(id)) throw new RonError('conflict', 'an upload with this id exists');
    if (this.#uploads.size >= stagingsMax) {
      throw new RonError('insufficient_storage', 'too many uploads are open', { details: { limit: stagingsMax } });
    }
    store.refuseLarger(sizeBytes);
    const encoded = encodeMeta(sizeBytes, meta);
    if (encoded.byteLength > metaBytesMax) throw new RonError('bad_request', 'the outboard is too large');
    budget.take(sizeBytes, 1);
    const upload = this.#add(id, sizeBytes, 0, 0);
    try {
      await budget.spend(0);
      const data = await env.disk.open(this.#path(id, 'data'), 'create');
      await data.close();
      const file = await env.disk.open(this.#path(id, 'new'), 'create');
      try {
        await file.write([encoded], 0);
        await file.sync();
      } finally {
        await file.close();
      }
      await env.disk.rename(this.#path(id, 'new'), this.#path(id, 'meta'));
      await env.disk.syncDirectory(layout.stagings);
    } catch (error) {
      await this.#forget(upload).catch((again: unknown) => store.health.fail(again));
      throw store.health.refusal(error);
    }
    return new StagingHandle(this, upload, meta);
  }

  async open(id: string): Promise<Staging | undefined> {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.state === 'gone') return undefined;
    const facts = await readMeta(this.#parts.env.disk, this.#path(id, 'meta'));
    return facts === undefined ? undefined : new StagingHandle(this, upload, facts.meta);
  }

  async list(): Promise<readonly string[]> {
    return [...this.#uploads.keys()];
  }

  async close(): Promise<void> {
    for (const upload of this.#uploads.values()) await this.#rest(upload);
  }

  async write(upload: Upload, offset: number, bytes: Uint8Array): Promise<void> {
    requireOpen(upload);
    const { health } = this.#parts.store;
    health.requireWritable();
    if (offset < 0 || offset + bytes.byteLength > upload.bytes.sizeBytes) {
      throw new RangeError('a write past the end of the upload');
    }
    await this.#parts.budget.spend(bytes.byteLength);
    await this.#use(upload);
    try {
      await upload.bytes.write(offset, bytes);
    } catch (error) {
      throw health.refusal(error);
    }
  }

  async read(upload: Upload, offset: number, length: number): Promise<Uint8Array> {
    requireOpen(upload);
    await this.#use(upload);
    await this.#flush(upload);
    try {
      return await upload.bytes.read(offset, length);
    } catch (error) {
      throw new RonError('unavailable', 'the bytes of this upload cannot be read', { cause: error });
    }
  }

  async sync(upload: Upload): Promise<void> {
    requireOpen(upload);
    const { store } = this.#parts;
    store.health.requireWritable();
    try {
      await this.#mark(upload, await upload.bytes.sync(), { durable: true });
    } catch (error) {
      throw store.health.refusal(error);
    }
  }

  async commit(upload: Upload, expected: Address | undefined): Promise<PutResult> {
    requireOpen(upload);
    const { store } = this.#parts;
    store.health.requireWritable();
    upload.state = 'committing';
    try {
      await upload.bytes.flush();
      const complete = upload.bytes.contiguousBytes === upload.bytes.sizeBytes;
      // After a restart it may not be known that all is there; an address that fits proves it.
      if (!complete && expected === undefined) throw incomplete();
      const result = await this.#store(upload, expected, complete);
      // The object is durable, whatever becomes of what the upload leaves behind: the next start removes that.
      await this.#forget(upload).catch((error: unknown) => store.health.fail(error));
      return result;
    } catch (error) {
      if (upload.state === 'committing') upload.state = 'open';
      throw store.health.refusal(error);
    }
  }

  async remove(upload: Upload): Promise<void> {
    if (upload.state === 'gone') return;
    if (upload.state === 'committing') throw new RonError('conflict', 'the upload is being completed');
    try {
      await this.#forget(upload);
    } catch (error) {
      throw this.#parts.store.health.refusal(error);
    }
  }

  async #store(upload: Upload, expected: Address | undefined, complete: boolean): Promise<PutResult> {
    const { env, store, journalBytesMax } = this.#parts;
    const { bytes } = upload;
    const refuse = (address: Address) => {
      if (expected !== undefined && expected !== address) throw complete ? wrongDigest(expected) : incomplete();
    };
    if (bytes.sizeBytes <= journalBytesMax) {
      const whole = await bytes.read(0, bytes.sizeBytes);
      const address = addressFromHash(env.work.blake3(whole));
      refuse(address);
      return store.putSmall(address, [whole], true);
    }
    const tree = await bytes.tree();
    if (tree === undefined) throw incomplete();
    const address = addressFromHash(tree.root);
    refuse(address);
    const committing = () => this.#withMeta(upload.id, (file) => writeCommitting(file, tree.root));
    // Both must be durable before the renaming, in whatever order.
    const seal = async () => {
      const [sealed, noted] = await Promise.allSettled([bytes.seal(tree), committing()]);
      for (const outcome of [sealed, noted]) if (outcome.status === 'rejected') throw outcome.reason;
    };
    const candidate = { path: bytes.path, file: await bytes.file(), seal };
    const result = await store.putLarge(address, bytes.sizeBytes, tree, candidate);
    if (store.hasAdopted(candidate)) bytes.giveAway();
    return result;
  }

  async #forget(upload: Upload): Promise<void> {
    const { env, budget, layout } = this.#parts;
    upload.state = 'gone';
    await upload.bytes.discard();
    // The meta file goes last: until then a start that was interrupted here finds what to finish.
    for (const suffix of ['new', 'data', 'meta'] as const) await env.disk.remove(this.#path(upload.id, suffix));
    await env.disk.syncDirectory(layout.stagings);
    if (this.#uploads.delete(upload.id)) budget.give(upload.bytes.sizeBytes, 1);
  }

  /** An upload that a crash left: as it was, or finished when its object is there already. */
  async #recoverOne(id: string): Promise<void> {
    const { env, layout, catalog, budget } = this.#parts;
    const facts = await readMeta(env.disk, this.#path(id, 'meta'));
    const drop = async () => {
      for (const suffix of ['data', 'meta'] as const) await env.disk.remove(this.#path(id, suffix));
    };
    if (facts === undefined) return drop();
    if ((await env.disk.stat(this.#path(id, 'data')))?.kind !== 'file') {
      const address = `b3:${facts.committing}` as Address;
      const object = layout.object(address);
      const isTaken = facts.committing === undefined || catalog.get(address) !== undefined;
      if (isTaken || (await env.disk.stat(object))?.kind !== 'file') return drop();
      // The commit got as far as the renaming: back to an upload, which can be committed again.
      await env.disk.rename(object, this.#path(id, 'data'));
      await env.disk.syncDirectory(layout.stagings);
    }
    budget.hold(facts.sizeBytes, 1);
    this.#add(id, facts.sizeBytes, facts.safeBytes, facts.turn);
  }

  #add(id: string, sizeBytes: number, safeBytes: number, turn: number): Upload {
    const { env, pool, syncEveryBytes } = this.#parts;
    const onSafe = (bytes: number) => this.#mark(upload, bytes, { durable: false });
    const parts = { disk: env.disk, work: env.work, pool, syncEveryBytes, onSafe };
    const bytes = new StagedBytes(parts, this.#path(id, 'data'), sizeBytes, safeBytes);
    const upload: Upload = { id, bytes, turn, safeBytes, safeIsNoted: true, state: 'open' };
    this.#uploads.set(id, upload);
    return upload;
  }

  /** Notes how much is safe. The bytes are on the disk already, so the note may follow whenever it likes unless `durable`. */
  async #mark(upload: Upload, bytes: number, { durable }: { readonly durable: boolean }): Promise<void> {
    const isNoted = bytes === upload.safeBytes && (upload.safeIsNoted || !durable);
    if (isNoted || upload.state === 'gone') return;
    upload.turn += 1;
    const { turn } = upload;
    await this.#withMeta(upload.id, (file) => writeMark(file, turn, bytes, durable));
    upload.safeBytes = bytes;
    upload.safeIsNoted = durable;
  }

  /** Keeps the number of open files bounded. */
  async #use(upload: Upload): Promise<void> {
    if (this.#uploads.size <= openMax) return;
    this.#uploads.delete(upload.id);
    this.#uploads.set(upload.id, upload);
    let excess = this.#uploads.size - openMax;
    for (const other of this.#uploads.values()) {
      if (excess === 0) break;
      excess -= 1;
      if (other !== upload && other.state === 'open') await this.#rest(other);
    }
  }

  /** A failure shows to the uploader as bytes that are not there. */
  async #rest(upload: Upload): Promise<void> {
    await this.#flush(upload).catch(() => undefined);
    await upload.bytes.rest();
  }

  async #flush(upload: Upload): Promise<void> {
    try {
      await upload.bytes.flush();
    } catch (error) {
      throw this.#parts.store.health.refusal(error);
    }
  }

  async #withMeta<T>(id: string, work: (file: Awaited<ReturnType<Env['disk']['open']>>) => Promise<T>): Promise<T> {
    const file = await this.#parts.env.disk.open(this.#path(id, 'meta'), 'readwrite');
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  }

  #path(id: string, suffix: 'data' | 'meta' | 'new'): string {
    return `${this.#parts.layout.stagings}/${id}.${suffix}`;
  }
}

class StagingHandle implements Staging {
  readonly meta: StagingMeta;
  readonly #stagings: DiskStagings;
  readonly #upload: Upload;

  constructor(stagings: DiskStagings, upload: Upload, meta: StagingMeta) {
    this.#stagings = stagings;
    this.#upload = upload;
    this.meta = meta;
  }

  get id(): string {
    return this.#upload.id;
  }

  get sizeBytes(): number {
    return this.#upload.bytes.sizeBytes;
  }

  get contiguousBytes(): number {
    return this.#upload.bytes.contiguousBytes;
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#stagings.write(this.#upload, offset, bytes);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#stagings.read(this.#upload, offset, length);
  }

  sync(): Promise<void> {
    return this.#stagings.sync(this.#upload);
  }

  commit(expected: Address | undefined): Promise<PutResult> {
    return this.#stagings.commit(this.#upload, expected);
  }

  remove(): Promise<void> {
    return this.#stagings.remove(this.#upload);
  }
}

function requireOpen(upload: Upload): void {
  if (upload.state !== 'open') throw new RonError('conflict', 'the upload has ended');
}

function incomplete(): RonError {
  return new RonError('conflict', 'the upload is not complete');
}
