import { type Disk, SystemError, type Work } from '@ron/kernel';
import type { ByteStream } from '@ron/proto/stream';
import type { BodyState, WholeBody } from './whole-body.ts';

/** Each has its own digest, so that a range is checked without the rest. */
export const blockBytes = 64 * 1024;
/** Written, and read, in one go. */
export const runBytes = 4 * blockBytes;

export interface Stored {
  readonly disk: Disk;
  readonly path: string;
  readonly work: Pick<Work, 'blake3'>;
  readonly digests: readonly Uint8Array[];
  readonly bytes: number;
  remove(): void;
}

/** A body in a file of its own. What is read of it is what was written, or the reading ends with an error. */
export class StoredBody implements WholeBody {
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
