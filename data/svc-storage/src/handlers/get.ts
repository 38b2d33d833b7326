import { ResidentBody } from '@ron/proto/stream';
import { readable, spanOf } from '../spans.ts';
import type { VerifiedReads } from '../verified-reads.ts';
import type { StorageHandler } from './operation.ts';

/** Answers at once, without a promise, when the bytes are in memory. Objects in the trash are served until purged. */
export function get(reads: VerifiedReads): StorageHandler<'get'> {
  return (input) => {
    const object = readable(reads.blobs, input.address);
    const span = spanOf(object.sizeBytes, input.start, input.length);
    const output = { address: object.address, size: object.sizeBytes, start: span.start, length: span.length };
    const body = reads.open(object, span);
    return body instanceof ResidentBody ? { output, body } : body.then((ready) => ({ output, body: ready }));
  };
}
