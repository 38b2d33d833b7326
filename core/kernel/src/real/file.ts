import fs from 'node:fs';
import { promisify } from 'node:util';
import type { File } from '../env/disk.ts';
import { SystemError } from '../env/system-error.ts';

const read = promisify(fs.read);
const close = promisify(fs.close);
const fdatasync = promisify(fs.fdatasync);
const ftruncate = promisify(fs.ftruncate);
const fstat = promisify(fs.fstat);

/** Linux takes at most 1,024 pieces and 2 GiB − 4 KiB in one call. */
const piecesMax = 1024;
const callBytesMax = 1 << 30;
/** Copied into the page cache on the spot: 20 µs against 100 to 300 for a trip to a worker thread that sleeps. */
const syncBytesMax = 32_768;
const zeros = new Uint8Array(1 << 20);

function writev(fd: number, pieces: readonly Uint8Array[], offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, offset, (error, written) => (error === null ? resolve(written) : reject(error)));
  });
}

export class RealFile implements File {
  #fd: number;
  #running = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  readSync(into: Uint8Array, offsetBytes: number): number {
    this.#checkOpen();
    let filled = 0;
    while (filled < into.byteLength) {
      const count = fs.readSync(this.#fd, into, filled, into.byteLength - filled, offsetBytes + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  read(into: Uint8Array, offsetBytes: number): Promise<number> {
    return this.#run(async (fd) => {
      let filled = 0;
      while (filled < into.byteLength) {
        const { bytesRead } = await read(fd, into, filled, into.byteLength - filled, offsetBytes + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    });
  }

  write(pieces: readonly Uint8Array[], offsetBytes: number): Promise<void> {
    return this.#run(async (fd) => {
      let offset = offsetBytes;
      for (let at = 0; at < pieces.length; ) {
        const batch: Uint8Array[] = [];
        let expected = 0;
        while (at < pieces.length && batch.length < piecesMax) {
          const piece = pieces[at] as Uint8Array;
          if (piece.byteLength > callBytesMax) throw new SystemError('EINVAL', 'a piece is larger than 1 GiB');
          if (expected + piece.byteLength > callBytesMax) break;
          expected += piece.byteLength;
          if (piece.byteLength > 0) batch.push(piece);
          at++;
        }
        if (batch.length === 0) continue;
        const written = expected <= syncBytesMax ? fs.writevSync(fd, batch, offset) : await writev(fd, batch, offset);
        // A full disk first shows as a short write without any error.
        if (written !== expected) throw new SystemError('ENOSPC', `${written} of ${expected} bytes were written`);
        offset += written;
      }
    });
  }

  sync(): Promise<void> {
    return this.#run((fd) => fdatasync(fd));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#run((fd) => ftruncate(fd, sizeBytes));
  }

  preallocate(sizeBytes: number): Promise<void> {
    return this.#run(async (fd) => {
      // Node has no fallocate; only written blocks are certain to be there.
      let size = (await fstat(fd)).size;
      while (size < sizeBytes) {
        const piece = zeros.subarray(0, Math.min(zeros.byteLength, sizeBytes - size));
        const written = await writev(fd, [piece], size);
        if (written !== piece.byteLength) throw new SystemError('ENOSPC', 'no room to reserve');
        size += written;
      }
    });
  }

  size(): Promise<number> {
    return this.#run(async (fd) => (await fstat(fd)).size);
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Waits for what is on the worker threads: a descriptor number that is reused under a running read would give another file's bytes. */
  async #finish(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    const fd = this.#fd;
    this.#fd = -1;
    await close(fd);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new SystemError('EBADF', 'the file is closed');
  }

  async #run<T>(operation: (fd: number) => Promise<T>): Promise<T> {
    this.#checkOpen();
    this.#running++;
    try {
      return await operation(this.#fd);
    } finally {
      this.#running--;
      if (this.#running === 0) this.#idle?.();
    }
  }
}
