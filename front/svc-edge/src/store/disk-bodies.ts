import { type Disk, errorCode, type Log, type Work } from '@ron/kernel';
import type { BodyTier } from './body-tier.ts';
import { openOwnFolder } from './own-folder.ts';
import { blockBytes, runBytes, StoredBody } from './stored-body.ts';
import type { WholeBody } from './whole-body.ts';

const suffix = '.body';

export interface DiskBodiesOptions {
  readonly disk: Disk;
  readonly work: Pick<Work, 'blake3'>;
  readonly folder: string;
  readonly bytesMax: number;
  readonly log?: Log;
}

/** Its end waits for what is being written or removed, so that the folder is nobody's when it is free. */
export interface DiskBodies extends BodyTier, AsyncDisposable {
  /** Resolves when all that was begun has been written or removed. */
  settled(): Promise<void>;
}

/**
 * Bodies in files of their own. Begun anew with each start: the heads they belong to are in memory, so leftovers are
 * removed. What is read back is compared with the digest that memory has of it. Rejects with `EBUSY` while another
 * process has the folder.
 */
export async function openDiskBodies(options: DiskBodiesOptions): Promise<DiskBodies> {
  const lock = await openOwnFolder(options.disk, options.folder, (name) => /^[0-9a-f]+\.body$/.test(name));
  return new FileBodies(options, lock);
}

class FileBodies implements DiskBodies {
  readonly bytesMax: number;
  readonly #options: DiskBodiesOptions;
  readonly #lock: AsyncDisposable;
  /** What it is doing on the disk. */
  readonly #steps = new Set<Promise<unknown>>();
  #count = 0;

  constructor(options: DiskBodiesOptions, lock: AsyncDisposable) {
    this.#options = options;
    this.#lock = lock;
    this.bytesMax = options.bytesMax;
  }

  take(pieces: readonly Uint8Array[]): Promise<WholeBody | undefined> {
    return this.#step(this.#write(pieces));
  }

  async #write(pieces: readonly Uint8Array[]): Promise<WholeBody | undefined> {
    const { disk, folder, work, log } = this.#options;
    const path = `${folder}/${(this.#count++).toString(16).padStart(12, '0')}${suffix}`;
    try {
      await using file = await disk.open(path, 'create');
      const digests: Uint8Array[] = [];
      let at = 0;
      for (const run of runsOf(pieces)) {
        for (let from = 0; from < run.byteLength; from += blockBytes) {
          digests.push(work.blake3(run.subarray(from, from + blockBytes)));
        }
        await file.write([run], at);
        at += run.byteLength;
      }
      const remove = () => void this.#step(this.#remove(path));
      return new StoredBody({ disk, path, work, digests, bytes: at, remove });
    } catch (failure) {
      // A full or failing disk makes the cache smaller and nothing else.
      log?.warn({ failure: errorCode(failure) ?? 'failed' }, 'a body could not be moved to disk');
      await this.#remove(path);
      return undefined;
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#options.disk.remove(path);
    } catch (failure) {
      this.#options.log?.warn({ failure: errorCode(failure) ?? 'failed' }, 'a body could not be removed from disk');
    }
  }

  async settled(): Promise<void> {
    while (this.#steps.size > 0) await Promise.all(this.#steps);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.settled();
    await this.#lock[Symbol.asyncDispose]();
  }

  /** Neither rejects. */
  #step<T>(step: Promise<T>): Promise<T> {
    this.#steps.add(step);
    void step.then(() => this.#steps.delete(step));
    return step;
  }
}

/** The same bytes in runs of `runBytes`, the last one shorter. */
function* runsOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let run = new Uint8Array(runBytes);
  let filled = 0;
  for (const piece of pieces) {
    for (let from = 0; from < piece.byteLength; ) {
      const part = piece.subarray(from, from + runBytes - filled);
      run.set(part, filled);
      filled += part.byteLength;
      from += part.byteLength;
      if (filled < runBytes) continue;
      yield run;
      run = new Uint8Array(runBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield run.subarray(0, filled);
}
