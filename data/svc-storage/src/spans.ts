import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { BlobEngine, StoredObject } from './engine.ts';

/** An object whose bytes may be read: live, or in the trash and not yet purged. */
export function readable(blobs: BlobEngine, address: string): StoredObject {
  const object = blobs.stat(address as Address);
  if (object === undefined) throw new RonError('not_found', 'no such object');
  if (object.state === 'quarantined') {
    throw new RonError('integrity', 'the stored bytes of this object failed verification');
  }
  return object;
}

export interface Span {
  readonly start: number;
  readonly length: number;
}

/** What of the asked span exists; past the end it is cut. Refuses a start that is not inside, except 0 of nothing. */
export function spanOf(sizeBytes: number, start = 0, length = Number.MAX_SAFE_INTEGER): Span {
  if (start > 0 ? start >= sizeBytes : false) {
    throw new RonError('range_not_satisfiable', 'the range begins past the end', { details: { size: sizeBytes } });
  }
  return { start, length: Math.min(length, sizeBytes - start) };
}
