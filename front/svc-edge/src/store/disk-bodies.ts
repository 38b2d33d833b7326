import { type Disk, errorCode, type Log, SystemError, type Work } from '@ron/kernel';
import type { ByteStream } from '@ron/proto/stream';
import type { BodyTier } from './body-tier.ts';
import type { BodyState, WholeBody } from './whole-body.ts';

/** Each has its own digest, so that a range is checked without the rest. */
const blockBytes = 64 * 1024;
/** Written, and read, in one go. */
const runBytes = 4 * blockBytes;
const suffix = '.body';

export interface DiskBodiesOptions {
  readonly disk: Disk;
  readonly work: Pick<Work, 'blake3'>;
  readonly folder: string;
  readonly bytesMax: number;
  readonly log?: Log;
}

export interface DiskBodies extends BodyTier, AsyncDisposable {}

/**
 * Bodies in files of their own. Begun anew with each start: the heads they belong to are in memory, so leftovers are
 * removed. What is read back is compared with the digest that memory has of it. Rejects with `EBUSY` while another
 * process has the folder.
 */
export async function openDiskBodies(options: DiskBodiesOptions): Promise<DiskBodies> {
  const { disk, folder } = options;
  await disk.makeDirectory(folder);
  const lock = await disk.lock(folder);
  for (const name of await disk.list(folder)) {
    if (/^[0-9a-f]+\.body$/.test(name)) await disk.remove(`${folder}/${name}`);
  }
  return new FileBodies(options, lock);
}

class FileBodies implements DiskBodies {
  readonly bytesMax: number;
  readonly #options: DiskBodiesOptions;
  readonly #lock: AsyncDisposable;
  #count = 0;

  constructor(options: DiskBodiesOptions, lock: AsyncDisposable) {
    this.#options = options;
    this.#lock = lock;
    this.bytesMax = options.bytesMax;
  }

  async take(pieces: readonly Uint8Array[]): Promise<WholeBody | undefined> {
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
      return new StoredBody({ disk, path, work, digests, bytes: at, remove: () => void this.#remove(path) });
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

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#lock[Symbol.asyncDispose]();
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

interface Stored {
  readonly disk: Disk;
  readonly path: string;
  readonly work: Pick<Work, 'blake3'>;
  readonly digests: readonly Uint8Array[];
  readonly bytes: number;
  remove(): void;
}

class StoredBody implements WholeBody {
  state: BodyState = 'complete';
  readonly #stored: Stored;
  #users = 0;

  constructor(stored: Stored) {
    this.#stored = stored;
  }

  get bytes(): number {
    return this.#stored.bytes;
  }

  get total(): number {
    return this.#stored.bytes;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    if (this.#users === 0) this.#stored.remove();
  }

  read(first = 0, last = Number.POSITIVE_INFINITY): ByteStream {
    return this.#runs(first, Math.min(last, this.#stored.bytes - 1));
  }

  async *#runs(first: number, last: number): AsyncGenerator<Uint8Array> {
    const { disk, path, bytes } = this.#stored;
    if (first > last) return;
    try {
      await using file = await disk.open(path, 'read');
      for (let at = first - (first % blockBytes); at <= last; at += runBytes) {
        const run = new Uint8Array(Math.min(runBytes, bytes - at, ceilToBlock(last + 1 - at)));
        if ((await file.read(run, at)) !== run.byteLength) throw new SystemError('EIO', 'a stored body is too short');
        this.#check(run, at);
        yield run.subarray(Math.max(0, first - at), Math.min(run.byteLength, last + 1 - at));
      }
    } catch (failure) {
      // Nobody gets it any more: the next reader causes a new fetch.
      this.state = 'broken';
      throw failure;
    }
  }

  #check(run: Uint8Array, at: number): void {
    const { work, digests } = this.#stored;
    for (let from = 0; from < run.byteLength; from += blockBytes) {
      const digest = work.blake3(run.subarray(from, from + blockBytes));
      const expected = digests[(at + from) / blockBytes];
      if (expected === undefined || !digest.every((byte, i) => byte === expected[i])) {
        throw new SystemError('EIO', 'a stored body is not what was written');
      }
    }
  }
}

function ceilToBlock(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}
