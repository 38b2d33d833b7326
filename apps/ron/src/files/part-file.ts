import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createOutboardVerifier, groupBytes, VerificationError } from '@ron/b3';
import { hashFromAddress, parseAddress } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';

const writeBytes = 1_024 * 1_024;
/** Of 255 bytes that a name may have, what leaves room for the ending. */
const nameBytesMax = 200;

/**
 * A download on its way: written beside its destination under a name that holds the address, renamed when whole. What
 * an earlier try left is used as far as it is proven.
 */
export class PartFile implements AsyncDisposable {
  readonly path: string;
  readonly #destination: string;
  readonly #file: FileHandle;
  #bytes = 0;
  #finished = false;

  private constructor(path: string, destination: string, file: FileHandle) {
    this.path = path;
    this.#destination = destination;
    this.#file = file;
  }

  /** Opens or makes the part file. Its content counts for nothing until `keepProven`. */
  static async open(destination: string, address: string): Promise<PartFile> {
    const path = partPath(destination, address);
    // In a folder of everybody's, a link that waits under this name must not lead the bytes elsewhere.
    const existing = constants.O_RDWR | constants.O_NOFOLLOW;
    const file = await open(path, existing).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return open(path, 'wx+', 0o644);
      throw error;
    });
    return new PartFile(path, destination, file);
  }

  /** Bytes in the file that are known to be right. */
  get provenBytes(): number {
    return this.#bytes;
  }

  async leftoverBytes(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  /** Checks what is there against the tree; from the first wrong or incomplete group on, it is cut off. */
  async keepProven(address: string, outboard: Uint8Array, signal: AbortSignal): Promise<void> {
    const verifier = createOutboardVerifier({ root: hashFromAddress(parseAddress(address)), outboard });
    const group = Buffer.alloc(groupBytes());
    const leftover = await this.leftoverBytes();
    for (let index = 0; index < verifier.groupCount; index += 1) {
      signal.throwIfAborted();
      const length = verifier.groupLength(index);
      if (this.#bytes + length > leftover) break;
      const bytes = await readFully(this.#file, group.subarray(0, length), this.#bytes);
      if (!proves(() => verifier.verifyGroup(index, bytes))) break;
      this.#bytes += length;
    }
    await this.#file.truncate(this.#bytes);
  }

  async startOver(): Promise<void> {
    this.#bytes = 0;
    await this.#file.truncate(0);
  }

  /** Appends verified bytes, in large writes. */
  async append(stream: ByteStream): Promise<void> {
    let gathered: Uint8Array[] = [];
    let size = 0;
    const flush = async () => {
      const pieces = gathered;
      gathered = [];
      size = 0;
      await this.#write(pieces);
    };
    try {
      for await (const piece of stream) {
        gathered.push(piece);
        size += piece.byteLength;
        if (size >= writeBytes) await flush();
      }
    } finally {
      // What was verified before a connection broke need not come again.
      await flush();
    }
  }

  async #write(pieces: readonly Uint8Array[]): Promise<void> {
    let rest = pieces.filter((piece) => piece.byteLength > 0);
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, this.#bytes);
      this.#bytes += bytesWritten;
      rest = without(rest, bytesWritten);
    }
  }

  /** The bytes are all there: gives the file its final name. */
  async finish(): Promise<void> {
    await this.#file.truncate(this.#bytes);
    await this.#file.datasync();
    await rename(this.path, this.#destination);
    this.#finished = true;
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    // An empty rest helps nobody.
    if (!this.#finished && this.#bytes === 0) await this.remove();
  }
}

/** The address is part of the name: leftovers of two contents never mix. Stays within what a file system holds. */
export function partPath(destination: string, address: string): string {
  const name = basename(destination);
  const start = Buffer.byteLength(name) <= nameBytesMax ? name : name.slice(0, nameBytesMax / 4);
  return join(dirname(destination), `${start}.${address.slice(3, 19)}.part`);
}

/** What a write that took only `written` bytes has left. */
function without(pieces: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let at = 0;
  for (const piece of pieces) {
    const taken = Math.min(Math.max(0, written - at), piece.byteLength);
    if (taken < piece.byteLength) rest.push(taken === 0 ? piece : piece.subarray(taken));
    at += piece.byteLength;
  }
  return rest;
}

function proves(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (thrown) {
    if (thrown instanceof VerificationError) return false;
    throw thrown;
  }
}

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<Uint8Array> {
  for (let done = 0; done < into.byteLength; ) {
    const { bytesRead } = await file.read(into, done, into.byteLength - done, position + done);
    if (bytesRead === 0) throw new Error('the part file became shorter while it was read');
    done += bytesRead;
  }
  return into;
}
