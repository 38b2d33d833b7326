import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { steps } from '../bodies.ts';
import { refuseConflict, type Upload } from './upload.ts';

/** Appends. What arrived before a body broke off stays; another offset than the current one is `conflict`. */
export async function writePlain(upload: Upload, offset: number, body: ByteStream): Promise<void> {
  const { staging } = upload;
  if (offset !== staging.contiguousBytes) refuseConflict(upload, 'the upload goes on at another offset');
  let at = offset;
  try {
    for await (const bytes of steps(body)) {
      const fitting = bytes.subarray(0, staging.sizeBytes - at);
      await staging.write(at, fitting);
      at += fitting.byteLength;
      if (fitting.byteLength < bytes.byteLength) {
        throw new RonError('payload_too_large', 'more bytes than the upload was announced with', {
          details: { limit: staging.sizeBytes },
        });
      }
    }
  } finally {
    // Completing syncs what is complete.
    if (at > offset && at < staging.sizeBytes) await staging.sync();
  }
}
