import { open, readFile } from 'node:fs/promises';
import type { ReadableSource } from '@ron/app-sdk';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';

const pieceBytes = 1_024 * 1_024;

/** A file that is open only while it is read: ten thousand of them can wait for their turn. */
export function lazyFile(path: string, sizeBytes: number): ReadableSource {
  return {
    sizeBytes,
    async *read(start, end) {
      if (end === start) return;
      if (sizeBytes <= pieceBytes) {
        const whole = await readFile(path);
        if (whole.byteLength !== sizeBytes) throw changed(path);
        yield whole.subarray(start, end);
        return;
      }
      await using file = await open(path, 'r');
      for (let at = start; at < end; ) {
        const piece = new Uint8Array(Math.min(pieceBytes, end - at));
        const { bytesRead } = await file.read(piece, 0, piece.byteLength, at);
        if (bytesRead === 0) throw changed(path);
        at += bytesRead;
        yield bytesRead === piece.byteLength ? piece : piece.subarray(0, bytesRead);
      }
    },
  };
}

function changed(path: string): CliError {
  return new CliError(exitCodes.conflict, `${path} changed while it was read`, {
    why: 'its length is not what it was',
    next: `ron put ${path}   (once nothing writes to it)`,
  });
}
