import { GroupBitmap, outboardSize, VerificationError } from '@ron/b3';
import type { Clock, Log, Random, Timer } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { whole } from '../bodies.ts';
import type { BlobEngine, Staging, StagingMeta } from '../engine.ts';
import type { Holding } from '../holding.ts';
import { Pacer, type PacerLimits } from '../pacer.ts';
import type { SteadyTime } from '../steady-time.ts';
import {
  completedReport,
  isComplete,
  openUpload,
  refuseConflict,
  reportOf,
  type Upload,
  type UploadReport,
} from './upload.ts';
import { writePlain } from './write-plain.ts';
import { acceptEmpty, recheckGroup, writeVerified } from './write-verified.ts';

export interface UploadLimits extends PacerLimits {
  readonly ttlMs: number;
  readonly uploadsMax: number;
  readonly outboardBytesMax: number;
  readonly sweepMs: number;
}

export interface UploadPorts {
  readonly blobs: BlobEngine;
  readonly holding: Holding;
  readonly clock: Clock;
  readonly random: Random;
  readonly time: SteadyTime;
  readonly log: Log;
  readonly onStored: (address: Address) => void;
  readonly limits: () => UploadLimits;
}

/** Removed in one sweep, so that a sweep never becomes a pause. */
const sweptAtOnceMax = 100;

/** All unfinished uploads, and for the same time to live the outcome of those that were completed. */
export class UploadTable implements Disposable {
  readonly #ports: UploadPorts;
  readonly #uploads = new Map<string, Upload>();
  /** Outlived a restart: what is staged must be proven again before it counts. */
  readonly #unchecked = new Map<Upload, Promise<void> | undefined>();
  /** Lets a client whose last answer was lost learn that it is done. At most as many as unfinished ones are allowed. */
  readonly #completed = new Map<string, { readonly report: UploadReport; readonly tenant: string }>();
  #outboardBytes = 0;
  #creating = 0;
  #sweepTimer: Timer | undefined;
  #ended = false;

  constructor(ports: UploadPorts) {
    this.#ports = ports;
  }

  /** Finds the uploads of an earlier process and begins the sweeps. */
  async start(): Promise<void> {
    const { stagings } = this.#ports.blobs;
    for (const id of await stagings.list()) {
      const staging = await stagings.open(id);
      if (staging === undefined) continue;
      const upload = openUpload(staging);
      this.#add(upload);
      if (upload.verified !== undefined) this.#unchecked.set(upload, undefined);
    }
    this.#scheduleSweep();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#sweepTimer?.cancel();
  }

  get count(): number {
    return this.#uploads.size;
  }

  *announced(): IterableIterator<Address> {
    for (const { staging } of this.#uploads.values()) {
      if (staging.meta.address !== undefined) yield staging.meta.address;
    }
  }

  async create(size: number, address: Address | undefined, body: ByteStream, tenant: string): Promise<UploadReport> {
    const outboard = await this.#readOutboard(size, address, body);
    const createdMs = this.#ports.time.nowMs();
    const meta: StagingMeta = {
      tenant,
      createdMs,
      expiresMs: createdMs + this.#ports.limits().ttlMs,
      ...(address === undefined ? {} : { address }),
      ...(outboard === undefined ? {} : { outboard }),
    };
    const id = Buffer.from(this.#ports.random.bytes(16)).toString('hex');
    const present = address === undefined ? undefined : await this.#ports.holding.hold(address);
    if (present !== undefined && present.sizeBytes === size) {
      return this.#remember(tenant, {
        upload_id: id,
        size,
        offset: size,
        complete: true,
        address: present.address,
        durability: this.#ports.blobs.durability,
        expires_at: meta.expiresMs,
      });
    }
    const begun = address === undefined ? undefined : this.#unfinishedOf(tenant, size, address, outboard !== undefined);
    // A client that lost the id goes on where it was.
    if (begun !== undefined) return await this.report(begun.staging.id, tenant);
    const upload = await this.#begin(id, size, meta);
    try {
      acceptEmpty(upload);
      return isComplete(upload) ? await this.#complete(upload) : reportOf(upload);
    } catch (error) {
      await this.#remove(upload);
      throw error;
    }
  }

  async report(id: string, tenant: string): Promise<UploadReport> {
    const completed = this.#completedOf(id, tenant);
    if (completed !== undefined) return completed;
    const upload = await this.#find(id, tenant);
    // All bytes came, but the end of the request or a crash kept it from being completed: the client has nothing to send.
    if (isComplete(upload) && !upload.busy) return await this.#exclusively(upload, () => this.#complete(upload));
    return reportOf(upload);
  }

  async write(id: string, offset: number, body: ByteStream, tenant: string): Promise<UploadReport> {
    if (this.#completedOf(id, tenant) !== undefined) {
      throw new RonError('conflict', 'the upload is complete', { details: this.#completedOf(id, tenant)! });
    }
    const upload = await this.#find(id, tenant);
    return await this.#exclusively(upload, async () => {
      try {
        if (isComplete(upload)) return await this.#complete(upload);
        if (upload.verified === undefined) await writePlain(upload, offset, body);
        else await writeVerified(upload, offset, body);
        return isComplete(upload) ? await this.#complete(upload) : reportOf(upload);
      } catch (error) {
        this.#distrust(upload, error);
        throw error;
      }
    });
  }

  async abort(id: string, tenant: string): Promise<void> {
    if (this.#completedOf(id, tenant) !== undefined) {
      this.#completed.delete(id);
      return;
    }
    const upload = await this.#find(id, tenant);
    await this.#exclusively(upload, () => this.#remove(upload));
  }

  /** Removes what has expired, a bounded number at a time. */
  async sweep(): Promise<void> {
    const nowMs = this.#ports.time.nowMs();
    let swept = 0;
    for (const [id, { report }] of this.#completed) {
      if (report.expires_at > nowMs || swept >= sweptAtOnceMax) break;
      this.#completed.delete(id);
      swept += 1;
    }
    for (const upload of this.#uploads.values()) {
      if (swept >= sweptAtOnceMax) break;
      if (upload.busy || upload.staging.meta.expiresMs > nowMs) continue;
      swept += 1;
      await this.#exclusively(upload, () => this.#remove(upload));
    }
  }

  /** The tenant's own unfinished upload of these bytes, in the same form: a client of the plain one knows nothing of missing groups. */
  #unfinishedOf(tenant: string, size: number, address: Address, verified: boolean): Upload | undefined {
    const nowMs = this.#ports.time.nowMs();
    for (const upload of this.#uploads.values()) {
      const { meta, sizeBytes } = upload.staging;
      const isSame = meta.address === address && meta.tenant === tenant && sizeBytes === size;
      if (isSame && (upload.verified !== undefined) === verified && meta.expiresMs > nowMs) return upload;
    }
    return undefined;
  }

  /** Undefined when the body is empty. What is being read counts as if it was kept. */
  async #readOutboard(size: number, address: Address | undefined, body: ByteStream): Promise<Uint8Array | undefined> {
    // Without an address a tree proves nothing, so not a byte of one is taken.
    const bytesMax = address === undefined ? 0 : outboardSize(size);
    this.#takeOutboard(bytesMax);
    try {
      const bytes = await whole(body, bytesMax);
      return bytes.byteLength === 0 ? undefined : new Uint8Array(bytes);
    } finally {
      this.#outboardBytes -= bytesMax;
    }
  }

  #takeOutboard(bytes: number): void {
    const limit = this.#ports.limits().outboardBytesMax;
    if (this.#outboardBytes + bytes > limit) {
      throw new RonError('insufficient_storage', 'the trees of unfinished uploads take too much memory', {
        details: { limit },
      });
    }
    this.#outboardBytes += bytes;
  }

  async #begin(id: string, size: number, meta: StagingMeta): Promise<Upload> {
    const { uploadsMax } = this.#ports.limits();
    const treeBytes = meta.outboard?.byteLength ?? 0;
    if (this.#uploads.size + this.#creating >= uploadsMax) {
      throw new RonError('insufficient_storage', 'too many uploads are unfinished', { details: { limit: uploadsMax } });
    }
    this.#takeOutboard(treeBytes);
    this.#creating += 1;
    try {
      if (meta.outboard !== undefined) checkOutboard(size, meta);
      const upload = openUpload(await this.#ports.blobs.stagings.create(id, size, meta));
      this.#add(upload);
      return upload;
    } finally {
      this.#creating -= 1;
      this.#outboardBytes -= treeBytes;
    }
  }

  #add(upload: Upload): void {
    this.#uploads.set(upload.staging.id, upload);
    this.#outboardBytes += upload.staging.meta.outboard?.byteLength ?? 0;
  }

  #forget(upload: Upload): void {
    this.#unchecked.delete(upload);
    if (this.#uploads.delete(upload.staging.id)) {
      this.#outboardBytes -= upload.staging.meta.outboard?.byteLength ?? 0;
    }
  }

  async #remove(upload: Upload): Promise<void> {
    await upload.staging.remove();
    this.#forget(upload);
  }

  async #complete(upload: Upload): Promise<UploadReport> {
    const { staging } = upload;
    try {
      const { object } = await staging.commit(staging.meta.address);
      this.#forget(upload);
      await this.#ports.holding.hold(object.address);
      this.#ports.onStored(object.address);
      return this.#remember(staging.meta.tenant, completedReport(upload, object.address, this.#ports.blobs.durability));
    } catch (error) {
      // Wrong bytes stay wrong: the client has to begin again. After any other failure it may try the end once more.
      if (error instanceof RonError && error.code === 'bad_digest') await this.#remove(upload);
      throw error;
    }
  }

  #remember(tenant: string, report: UploadReport): UploadReport {
    this.#completed.set(report.upload_id, { report, tenant });
    if (this.#completed.size > this.#ports.limits().uploadsMax) {
      for (const oldest of this.#completed.keys()) {
        this.#completed.delete(oldest);
        break;
      }
    }
    return report;
  }

  #completedOf(id: string, tenant: string): UploadReport | undefined {
    const completed = this.#completed.get(id);
    return completed?.tenant === tenant ? completed.report : undefined;
  }

  /** Another tenant's upload does not exist, and neither does an expired one. */
  async #find(id: string, tenant: string): Promise<Upload> {
    const upload = this.#uploads.get(id);
    if (
      upload === undefined ||
      upload.staging.meta.tenant !== tenant ||
      upload.staging.meta.expiresMs <= this.#ports.time.nowMs()
    ) {
      throw new RonError('not_found', 'no such upload');
    }
    if (this.#unchecked.has(upload)) await this.#recheck(upload);
    return upload;
  }

  /** Everyone who asks meanwhile waits for the same check. */
  #recheck(upload: Upload): Promise<void> {
    const running = this.#unchecked.get(upload);
    if (running !== undefined) return running;
    const check = this.#recheckGroups(upload).then(() => void this.#unchecked.delete(upload));
    check.catch(() => this.#unchecked.has(upload) && this.#unchecked.set(upload, undefined));
    this.#unchecked.set(upload, check);
    return check;
  }

  async #recheckGroups(upload: Upload): Promise<void> {
    const pacer = new Pacer(this.#ports.clock, this.#ports.limits);
    const groups = upload.verified?.verifier.groupCount ?? 0;
    for (let index = 0; index < groups; index += 1) {
      await recheckGroup(upload, index);
      if (pacer.due()) await pacer.pause();
    }
  }

  /** The engine may have lost what it had taken and not synced: the next request looks at what is there. */
  #distrust(upload: Upload, error: unknown): void {
    const isStorage = error instanceof RonError && ['insufficient_storage', 'unavailable'].includes(error.code);
    if (upload.verified === undefined || !isStorage || !this.#uploads.has(upload.staging.id)) return;
    upload.verified.present = new GroupBitmap(upload.verified.verifier.groupCount);
    this.#unchecked.set(upload, undefined);
  }

  async #exclusively<T>(upload: Upload, work: () => Promise<T>): Promise<T> {
    if (upload.busy) refuseConflict(upload, 'another request is writing to this upload');
    upload.busy = true;
    try {
      return await work();
    } finally {
      upload.busy = false;
    }
  }

  #scheduleSweep(): void {
    if (this.#ended) return;
    this.#sweepTimer = this.#ports.clock.after(this.#ports.limits().sweepMs, () => {
      this.sweep()
        .catch((error: unknown) => this.#ports.log.warn({ err: error }, 'expired uploads could not be removed'))
        .then(() => this.#scheduleSweep());
    });
  }
}

/** All parents up to the address, so that a lie about the tree is refused before a byte is sent. */
function checkOutboard(sizeBytes: number, meta: StagingMeta): void {
  const staging = { id: '', sizeBytes, meta } as Pick<Staging, 'id' | 'sizeBytes' | 'meta'>;
  try {
    openUpload(staging as Staging).verified?.verifier.verifyParents();
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    throw new RonError('bad_digest', 'the outboard does not belong to the address and size', { cause: error });
  }
}
