import type { Disk, File, Work } from '@ron/kernel';
import type { PiecePool } from '../piece-pool.ts';
import { digestFile, encodeTail, GroupDigester, type ObjectTree } from './object-file.ts';
import { WriteBehind } from './write-behind.ts';

/** Separate runs that are remembered; with more, some bytes are merely not known to be there. */
const runsMax = 4096;

export interface StagedParts {
  readonly disk: Disk;
  readonly work: Work;
  readonly pool: PiecePool;
  readonly syncEveryBytes: number;
  /** Bytes from the start that survive a crash from now on; called after syncs that ran beside the writes. */
  readonly onSafe: (bytes: number) => Promise<void>;
}

/** The bytes of one upload in their file, and what is known of them. */
export class StagedBytes {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #parts: StagedParts;
  readonly #behind: WriteBehind;
  #file: File | undefined;
  #opening: Promise<File> | undefined;
  /** `[start, end)` of what was written, ascending, never touching each other. */
  #runs: [number, number][];
  /** Follows an upload that comes in order, so that a commit need not read it again. */
  #digester: GroupDigester | undefined;
  /** From the start; a sync covered them. */
  #safeBytes: number;
  /** Given away: another owner closes the file. */
  #taken = false;

  constructor(parts: StagedParts, path: string, sizeBytes: number, safeBytes: number) {
    this.#parts = parts;
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#safeBytes = safeBytes;
    this.#runs = safeBytes > 0 ? [[0, safeBytes]] : [];
    this.#digester = safeBytes === 0 ? new GroupDigester(parts.work) : undefined;
    const target = {
      write: (bytes: Uint8Array, offset: number) => this.#writeNow(bytes, offset),
      sync: () => this.#syncBeside(),
      seen: (bytes: Uint8Array, offset: number) => this.#digest(bytes, offset),
    };
    this.#behind = new WriteBehind(target, parts.pool, parts.syncEveryBytes);
  }

  /** What was taken counts, also while it is on its way to the disk; after a failure only what arrived there does. */
  get contiguousBytes(): number {
    const written = this.#writtenBytes;
    const { start, end } = this.#behind.pending;
    if (start > written || end <= written) return written;
    return this.#runs.find((run) => run[0] <= end && run[1] >= end)?.[1] ?? end;
  }

  async file(): Promise<File> {
    if (this.#file !== undefined) return this.#file;
    this.#opening ??= this.#parts.disk.open(this.path, 'readwrite').finally(() => {
      this.#opening = undefined;
    });
    this.#file = await this.#opening;
    return this.#file;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#distrustingFailures(() => this.#behind.write(offset, bytes));
  }

  /** Everything that was written survives a crash when this resolves. Returns how much of it is without a gap. */
  async sync(): Promise<number> {
    return await this.#distrustingFailures(async () => {
      await this.#behind.flush();
      const written = this.#writtenBytes;
      await (await this.file()).sync();
      this.#safeBytes = Math.max(this.#safeBytes, written);
      return written;
    });
  }

  /** What was taken is in the file, though not safe, when this resolves. */
  async flush(): Promise<void> {
    await this.#distrustingFailures(() => this.#behind.flush());
  }

  /** After `flush`. What was never written reads as zeros. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.sizeBytes - offset)));
    if (bytes.byteLength > 0) await (await this.file()).read(bytes, offset);
    return bytes;
  }

  /** For uploads above one group, after `flush`. Undefined when the file is shorter than the upload. */
  async tree(): Promise<ObjectTree | undefined> {
    const digester = this.#digester;
    this.#digester = undefined;
    if (digester?.sizeBytes === this.sizeBytes) return digester.finish();
    return digestFile(await this.file(), this.sizeBytes, this.#parts.work);
  }

  async seal(tree: ObjectTree): Promise<void> {
    await this.#distrustingFailures(async () => {
      const file = await this.file();
      await file.write(encodeTail(tree, this.sizeBytes, this.#parts.work), this.sizeBytes);
      await file.sync();
    });
  }

  giveAway(): void {
    this.#taken = true;
    this.#file = undefined;
  }

  /** Closes the file, after `flush`; the next use opens it again. */
  async rest(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (!this.#taken) await file?.close();
  }

  /** What waits is not wanted any more. */
  async discard(): Promise<void> {
    await this.#behind.drop();
    await this.rest();
  }

  get #writtenBytes(): number {
    const first = this.#runs[0];
    return first !== undefined && first[0] === 0 ? first[1] : 0;
  }

  async #writeNow(bytes: Uint8Array, offset: number): Promise<void> {
    // Not a turn later where it is open: another upload may close it to keep within the bound.
    await (this.#file ?? (await this.file())).write([bytes], offset);
    this.#note(offset, offset + bytes.byteLength);
  }

  async #syncBeside(): Promise<void> {
    const written = this.#writtenBytes;
    await (this.#file ?? (await this.file())).sync();
    if (written <= this.#safeBytes) return;
    this.#safeBytes = written;
    await this.#parts.onSafe(written);
  }

  #digest(bytes: Uint8Array, offset: number): void {
    if (offset === this.#digester?.sizeBytes) this.#digester.add(bytes);
    else this.#digester = undefined;
  }

  /** After a failure only what a sync covered is known to be there: a failed sync drops what it should have kept. */
  async #distrustingFailures<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#behind.drop();
      this.#digester = undefined;
      this.#runs = this.#safeBytes > 0 ? [[0, this.#safeBytes]] : [];
      throw error;
    }
  }

  #note(start: number, end: number): void {
    if (end === start) return;
    const kept: [number, number][] = [];
    let merged: [number, number] = [start, end];
    for (const run of this.#runs) {
      if (run[1] < merged[0] || run[0] > merged[1]) kept.push(run);
      else merged = [Math.min(run[0], merged[0]), Math.max(run[1], merged[1])];
    }
    kept.push(merged);
    this.#runs = kept.sort((left, right) => left[0] - right[0]).slice(0, runsMax);
  }
}
