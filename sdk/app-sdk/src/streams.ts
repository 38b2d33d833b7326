import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { BlobSource, ReadableSource } from './client.ts';

/** Web streams stand only at the SDK's edge; inside, bodies are async iterables. */
export function toReadable(stream: ByteStream): ReadableStream<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      await iterator.return?.(reason);
    },
  });
}

export async function* fromReadable(readable: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = readable.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    // The reader already has its reason to leave; how the other end takes it changes nothing.
    if (!ended) await Promise.allSettled([reader.cancel()]);
    reader.releaseLock();
  }
}

/** A body whose connection breaks on the way is a node that does not answer, whatever the platform calls it. */
export async function* unbroken(body: ByteStream): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw cause instanceof RonError ? cause : new RonError('unavailable', 'the connection broke', { cause });
  }
}

/** Reads to the end for nothing, so that the connection is free again. */
export async function discard(stream: ByteStream | undefined): Promise<void> {
  for await (const _piece of stream ?? []);
}

export async function collect(stream: ByteStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of stream) {
    pieces.push(piece);
    total += piece.byteLength;
  }
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(total);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

export function isReadableSource(source: BlobSource): source is ReadableSource {
  return typeof source === 'object' && 'sizeBytes' in source && 'read' in source;
}

/** A source that can be read again, when the given one can. */
export function rereadable(source: BlobSource): ReadableSource | undefined {
  if (typeof source === 'string') return fromBytes(new TextEncoder().encode(source));
  if (source instanceof Uint8Array) return fromBytes(source);
  if (source instanceof Blob) return fromBlob(source);
  return isReadableSource(source) ? source : undefined;
}

/** Any source as bytes that pass once. */
export function once(source: BlobSource): ByteStream {
  const again = rereadable(source);
  if (again !== undefined) return again.read(0, again.sizeBytes);
  if (source instanceof ReadableStream) return fromReadable(source);
  return source as ByteStream;
}

function fromBytes(bytes: Uint8Array): ReadableSource {
  return {
    sizeBytes: bytes.byteLength,
    async *read(start, end) {
      if (end > start) yield bytes.subarray(start, end);
    },
  };
}

function fromBlob(blob: Blob): ReadableSource {
  return {
    sizeBytes: blob.size,
    read: (start, end) => fromReadable(blob.slice(start, end).stream() as ReadableStream<Uint8Array>),
  };
}
