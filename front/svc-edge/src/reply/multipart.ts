import type { Random } from '@ron/kernel';
import type { ByteStream } from '@ron/proto/stream';
import { formatContentRange } from '../fields/content-range.ts';
import type { ByteRange } from '../fields/range.ts';

export interface Multipart {
  readonly type: string;
  readonly length: number;
  readonly body: ByteStream;
}

/** Several ranges in one response. RFC 9110, 14.6. */
export function multipartOf(
  ranges: readonly ByteRange[],
  total: number,
  partType: string | undefined,
  random: Random,
  read: (range: ByteRange) => ByteStream,
): Multipart {
  const boundary = Buffer.from(random.bytes(16)).toString('hex');
  const encoder = new TextEncoder();
  const heads = ranges.map((range) => {
    const type = partType === undefined ? '' : `Content-Type: ${partType}\r\n`;
    const place = formatContentRange({ ...range, total });
    return encoder.encode(`\r\n--${boundary}\r\n${type}Content-Range: ${place}\r\n\r\n`);
  });
  const end = encoder.encode(`\r\n--${boundary}--\r\n`);
  const length = ranges.reduce((sum, { first, last }, i) => sum + last - first + 1 + (heads[i]?.byteLength ?? 0), 0);
  async function* body() {
    for (const [i, range] of ranges.entries()) {
      yield heads[i] as Uint8Array;
      yield* read(range);
    }
    yield end;
  }
  return { type: `multipart/byteranges; boundary=${boundary}`, length: length + end.byteLength, body: body() };
}
