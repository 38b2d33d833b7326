import { RonError } from '@ron/proto/errors';
import { type ByteStream, ResidentBody } from '@ron/proto/stream';

/** A body of known size in one piece. Another size is a broken storage service: `integrity`. The caller bounds `size`. */
export async function readExactly(body: ByteStream, size: number): Promise<Uint8Array> {
  if (body instanceof ResidentBody && body.bytes.byteLength === size) return body.bytes;
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const piece of body) {
    if (at + piece.byteLength > size) throw new RonError('integrity', 'storage sent more bytes than it announced');
    whole.set(piece, at);
    at += piece.byteLength;
  }
  if (at !== size) throw new RonError('integrity', 'storage sent fewer bytes than it announced');
  return whole;
}
