import { RonError } from '@ron/proto/errors';
import { limits } from './limits.ts';
import { frameFlag } from './wire.ts';

/**
 * Decompresses one zstd frame. Must stop at `maxOutputBytes` and throw a `RangeError` or a
 * `RonError` `payload_too_large` then; anything else that it throws means that the input is not valid. Node's `zstdDecompressSync` with `maxOutputLength` fits.
 */
export type Inflate = (bytes: Uint8Array, maxOutputBytes: number) => Uint8Array;

/**
 * The payload as its sender wrote it.
 *
 * @throws RonError `unsupported_media_type` when there is no inflater or the payload is sealed end to end,
 * `payload_too_large` past 8 × `maxFrameBytes`, `bad_request` for bytes that are not zstd.
 */
export function inflatePayload(
  payload: Uint8Array,
  flags: number,
  inflate: Inflate | undefined,
  maxFrameBytes: number,
): Uint8Array {
  if ((flags & frameFlag.COMP) === 0) return payload;
  if (inflate === undefined) {
    throw new RonError('unsupported_media_type', 'compressed payloads are not understood here');
  }
  if ((flags & frameFlag.APP_E2E) !== 0) {
    throw new RonError('unsupported_media_type', 'a payload sealed end to end is never decompressed');
  }
  const maxOutputBytes = limits.inflatedFramesMax * maxFrameBytes;
  let inflated: Uint8Array;
  try {
    inflated = inflate(payload, maxOutputBytes);
  } catch (cause) {
    if (cause instanceof RangeError || (cause instanceof RonError && cause.code === 'payload_too_large'))
      throw tooLarge(maxOutputBytes, cause);
    throw new RonError('bad_request', 'the payload cannot be decompressed', { cause });
  }
  if (inflated.length > maxOutputBytes) throw tooLarge(maxOutputBytes, undefined);
  return inflated;
}

function tooLarge(bytesMax: number, cause: unknown): RonError {
  return new RonError('payload_too_large', 'the payload decompresses to too much', {
    details: { bytes_max: bytesMax },
    cause,
  });
}
