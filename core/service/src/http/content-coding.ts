import type { ContentCoding, Work } from '@ron/kernel';
import { limits } from '@ron/oap';
import { RonError } from '@ron/proto/errors';

/** What a small body may grow to whatever its ratio: JSON of a few repeated fields compresses better than tenfold. */
export const inflatedFloorBytes = 16_384;

/** Of JSON bodies. */
const codingsTaken = 'gzip, br, zstd';

const codings = new Map<string, ContentCoding | undefined>([
  ['', undefined],
  ['identity', undefined],
  ['gzip', 'gzip'],
  // RFC 9110, 8.4.1.3: the same.
  ['x-gzip', 'gzip'],
  ['br', 'br'],
  ['zstd', 'zstd'],
]);

/**
 * Undefined when the content is as it is.
 *
 * @throws RonError `unsupported_media_type` for an unknown coding, and for several: each would multiply what the one
 * before it inflates to.
 */
export function contentCodingOf(field: string | undefined): ContentCoding | undefined {
  if (field === undefined) return undefined;
  const name = field.trim().toLowerCase();
  if (codings.has(name)) return codings.get(name);
  throw unsupportedCoding(`Content-Encoding: one of ${codingsTaken}, or none`, codingsTaken);
}

/** `codings` becomes the `Accept-Encoding` of the refusal: RFC 9110, 15.5.16. */
export function unsupportedCoding(message: string, codings: string): RonError {
  return new RonError('unsupported_media_type', message, { details: { codings } });
}

/** Bytes that a body of `encodedBytes` may inflate to: tenfold beyond the floor, 8 MiB at most, and never past `bytesMax`. */
export function inflatedBytesMax(encodedBytes: number, bytesMax: number): number {
  const byRatio = Math.max(inflatedFloorBytes, encodedBytes * limits.decompressionRatioMax);
  return Math.min(byRatio, limits.decompressedBytesMax, bytesMax);
}

/** @throws RonError `payload_too_large` past `inflatedBytesMax`, `bad_request` for what is not in that coding. */
export function inflateBody(
  work: Pick<Work, 'inflate'>,
  coding: ContentCoding,
  encoded: Uint8Array,
  bytesMax: number,
): Uint8Array {
  return work.inflate(coding, encoded, inflatedBytesMax(encoded.byteLength, bytesMax));
}
