import { open } from 'node:fs/promises';
import type { ReadableSource } from '../client.ts';

const pieceBytes = 1_024 * 1_024;

/** A file as a source that can be read again: its upload can be skipped or resumed. The file must not change meanwhile. */
export async function fileSource(path: string): Promise<ReadableSource & AsyncDisposable> {
  const file = await open(path, 'r');
  const { size } = await file.stat();
  return {
    sizeBytes: size,
    async *read(start, end) {
      for (let at = start; at < end; ) {
        const piece = new Uint8Array(Math.min(pieceBytes, end - at));
        const { bytesRead } = await file.read(piece, 0, piece.byteLength, at);
        if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
        at += bytesRead;
        yield bytesRead === piece.byteLength ? piece : piece.subarray(0, bytesRead);
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
