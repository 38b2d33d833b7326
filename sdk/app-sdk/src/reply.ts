import { createSliceVerifier, VerificationError } from '@ron/b3';
import { type Address, hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { BlobReply, Progress, Range } from './client.ts';
import { asClientError, type RonClientError } from './errors.ts';
import type { Resumption } from './resumption.ts';
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
  /** Of a verified read: an answer that breaks goes on where it broke. */
  readonly resumption?: Resumption | undefined;
}

export function blobReply(reply: TransportReply, options: ReplyOptions): BlobReply {
  const { output } = reply;
  const size = Number(output['size']);
  const start = options.range?.start ?? 0;
  const end = Math.min(options.range?.end ?? size, size);
  const source = reply.body ?? emptyStream();
  const content = options.verify ? resumed(source, options, start, end, size) : source;
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

/**
 * What is verified of one answer, and where it breaks off, of the next, from there on. Only what was verified counts,
 * so the pieces of several answers, also of several nodes behind one address, fit together or are refused.
 */
async function* resumed(
  source: ByteStream,
  options: ReplyOptions,
  start: number,
  end: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let at = start;
  let answer = source;
  for (let stalls = 1; ; stalls += 1) {
    try {
      for await (const piece of verified(answer, options, at, end - at, size)) {
        at += piece.byteLength;
        stalls = 0;
        yield piece;
      }
      return;
    } catch (thrown) {
      const error = asClientError(asBroken(thrown, options.address), options.corrId);
      // All of it was proved: only the end of the answer is missing. Of nothing, only its proof is.
      if (at === end && end > start) return;
      if (options.resumption === undefined || end === start || !isBreak(error)) throw error;
      stalls = Math.max(1, stalls);
      answer = (await options.resumption.again(at, end, error, stalls)).body ?? emptyStream();
    }
  }
}

/** A source that answers wrongly does so the next time too. */
function isBreak({ code, retryable }: RonClientError): boolean {
  return retryable && code !== 'integrity';
}

/** A proof that merely stops is a broken connection; one that is wrong is a wrong source. */
function asBroken(thrown: unknown, address: Address): unknown {
  if (!(thrown instanceof VerificationError)) return thrown;
  const code = thrown.reason === 'truncated' ? 'unavailable' : 'integrity';
  return new RonError(code, `the bytes do not fit ${address}: ${thrown.message}`, { cause: thrown });
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
    throw asClientError(thrown, options.corrId);
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
