import { RonError } from '@ron/proto/errors';
import { type ByteStream, ResidentBody } from '@ron/proto/stream';

/** The largest piece that goes to an engine at once; keeps a transfer's memory under 1 MiB and its turns short. */
const stepBytesMax = 262_144;

/** The same bytes in pieces of at most 256 KiB. */
export async function* steps(body: ByteStream): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    if (piece.byteLength <= stepBytesMax) {
      if (piece.byteLength > 0) yield piece;
      continue;
    }
    for (let at = 0; at < piece.byteLength; at += stepBytesMax) yield piece.subarray(at, at + stepBytesMax);
  }
}

/** All bytes as one array. Throws `bad_request` past the limit. */
export async function whole(body: ByteStream, bytesMax: number): Promise<Uint8Array> {
  if (body instanceof ResidentBody && body.bytes.byteLength <= bytesMax) return body.bytes;
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of body) {
    total += piece.byteLength;
    if (total > bytesMax) throw new RonError('bad_request', `at most ${bytesMax} bytes are expected here`);
    pieces.push(piece);
  }
  if (pieces.length === 1) return pieces[0]!;
  const joined = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}
