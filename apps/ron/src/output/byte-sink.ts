import { once } from 'node:events';
import type { ByteStream } from '@ron/proto/stream';
import type { OutputStream } from './output.ts';

/** Writes a stream no faster than its reader takes it. Returns how many bytes were written. */
export async function pipeTo(stdout: OutputStream, stream: ByteStream, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.byteLength;
    if (!stdout.write(piece)) await once(stdout, 'drain', { signal });
  }
  return bytes;
}
