import { createSliceVerifier, VerificationError } from '@ron/b3';
import { type Address, hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { BlobReply, Progress, Range } from './client.ts';
import { asClientError } from './errors.ts';
import { collect, toReadable } from './streams.ts';
import type { TransportReply } from './transport.ts';

export const sliceMediaType = 'application/vnd.ron.b3-slice';

export interface ReplyOptions {
  /** What the caller trusts: bytes that do not fit it are never yielded. */
  readonly address: Address;
  readonly range: Range | undefined;
  /** The body is a slice; otherwise plain bytes that the caller chose to trust. */
  readonly verify: boolean;
  readonly corrId: string;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export function blobReply(reply: TransportReply, options: ReplyOptions): BlobReply {
  const { output } = reply;
  const size = Number(output['size']);
  const start = options.range?.start ?? 0;
  const end = Math.min(options.range?.end ?? size, size);
  const source = reply.body ?? emptyStream();
  const content = options.verify ? verified(source, options, start, end - start, size) : source;
  const stream = watched(content, options, end - start);
  return {
    address: options.address,
    size,
    start,
    end,
    contentType: options.verify ? undefined : (output['content_type'] as string | undefined),
    stream,
    readable: () => toReadable(stream),
    bytes: () => collect(stream),
    text: async () => new TextDecoder().decode(await collect(stream)),
  };
}

/** Checks group by group against the address: the first bad one ends the stream before any byte of it is yielded. */
async function* verified(
  source: ByteStream,
  options: ReplyOptions,
  start: number,
  length: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  const verifier = createSliceVerifier({ root: hashFromAddress(options.address), start, length });
  for await (const bytes of source) {
    yield* verifier.push(bytes);
    // The size in the reply's head is only a claim until the proof has spoken.
    if (verifier.size !== undefined && verifier.size !== size)
      throw new RonError('integrity', 'the node lied about the size');
  }
  verifier.finish();
}

async function* watched(content: ByteStream, options: ReplyOptions, totalBytes: number): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  try {
    for await (const piece of content) {
      doneBytes += piece.byteLength;
      yield piece;
      options.onProgress?.({ doneBytes, totalBytes });
    }
    if (doneBytes !== totalBytes)
      throw new RonError('unavailable', `the answer ended after ${doneBytes} of ${totalBytes} bytes`);
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw asClientError(thrown, options.corrId);
    // A proof that merely stops is a broken connection; one that is wrong is a wrong source.
    const code = thrown.reason === 'truncated' ? 'unavailable' : 'integrity';
    throw asClientError(
      new RonError(code, `the bytes do not fit ${options.address}: ${thrown.message}`, { cause: thrown }),
      options.corrId,
    );
  }
}

async function* emptyStream(): AsyncGenerator<Uint8Array> {
  yield* [];
}

/** Bytes of a half-open range as an RFC 9110 Range field. */
export function rangeHeader(range: Range | undefined): string | undefined {
  if (range === undefined) return undefined;
  return `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`;
}
