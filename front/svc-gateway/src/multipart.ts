import type { ByteStream } from '@ron/proto/stream';
import { type ByteSpan, contentRange } from './ranges.ts';

export interface MultipartPlan {
  readonly contentType: string;
  /** Bytes of the whole body, part heads and closing line included. */
  readonly contentLength: number;
  readonly body: ByteStream;
}

/**
 * A `multipart/byteranges` body (RFC 9110, section 14.6). `open` is called for a part when the reader reaches it, so
 * that one part at a time is held open; it must give exactly the span's bytes. `boundary` must be unguessable for
 * whoever wrote the content.
 */
export function multipartOf(
  spans: readonly ByteSpan[],
  size: number,
  partType: string,
  boundary: string,
  open: (span: ByteSpan) => Promise<ByteStream>,
): MultipartPlan {
  const ascii = new TextEncoder();
  const parts = spans.map((span) => ({
    span,
    head: ascii.encode(
      `\r\n--${boundary}\r\ncontent-type: ${partType}\r\ncontent-range: ${contentRange(span, size)}\r\n\r\n`,
    ),
  }));
  const tail = ascii.encode(`\r\n--${boundary}--\r\n`);
  const contentLength = parts.reduce((sum, { span, head }) => sum + head.byteLength + span.length, tail.byteLength);
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const { span, head } of parts) {
      const bytes = await open(span);
      yield head;
      yield* bytes;
    }
    yield tail;
  }
  return { contentType: `multipart/byteranges; boundary=${boundary}`, contentLength, body: body() };
}

/** `random` (at most 33 bytes) in hexadecimal: RFC 2046 allows 70 characters. */
export function boundaryOf(random: Uint8Array): string {
  let text = 'ron-';
  for (const byte of random) text += byte.toString(16).padStart(2, '0');
  return text;
}
