import { createSliceVerifier, groupBytes, VerificationError } from '@ron/b3';
import { RonError } from '@ron/proto/errors';
import { groupPastEnd } from '@ron/proto/exchange';
import type { ByteStream } from '@ron/proto/stream';
import type { Evidence } from './fetch-ports.ts';

/** Rejects as soon as the signal aborts, whatever became of `work`, whose late failure is nobody's. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A controller that also aborts with `signal`, until it is disposed of. */
export function following(signal: AbortSignal): Disposable & { readonly controller: AbortController } {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  signal.addEventListener('abort', follow, { once: true });
  if (signal.aborted) follow();
  return { controller, [Symbol.dispose]: () => signal.removeEventListener('abort', follow) };
}

/** Pieces of a body until it ends or the signal aborts; the body is let go in any case, and not waited for. */
export async function* untilAborted(
  body: ByteStream,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await orAborted(pieces.next(), signal);
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    letGo(pieces);
  }
}

function letGo(pieces: AsyncIterator<Uint8Array>): void {
  const ignored = () => undefined;
  Promise.resolve(pieces.return?.()).then(ignored, ignored);
}

/** What a slice that proves the size tells: the size, and the last group, verified. */
export interface ProvenEnd {
  readonly size: number;
  readonly lastGroup: Uint8Array;
}

/** Reads the slice of the group past the end: the last one, which proves where the object ends. */
export async function readEnd(body: ByteStream, root: Uint8Array, signal: AbortSignal): Promise<ProvenEnd> {
  const verifier = createSliceVerifier({ root, start: lastGroupStart, length: groupBytes() });
  // A range past the end has no content: the last group is what the slice ends with.
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of untilAborted(body, signal)) {
    bytes += piece.length;
    if (bytes > endSliceBytesMax) throw new VerificationError('trailing', 'bytes after the end of the slice');
    kept.push(piece.slice());
    verifier.push(piece);
    if (verifier.done) break;
  }
  verifier.finish();
  const size = verifier.size!;
  const slice = Buffer.concat(kept);
  const length = size === 0 ? 0 : ((size - 1) % groupBytes()) + 1;
  return { size, lastGroup: slice.subarray(slice.length - length) };
}

const lastGroupStart = groupPastEnd * 65_536;

/** Header, a path of at most 37 parents, one group. */
const endSliceBytesMax = 8 + 37 * 64 + 65_536;

/** What an error of a stream says about its source. A slice that ends early is an interruption, not a lie. */
export function lieOf(error: unknown, address: string): Evidence | undefined {
  if (!(error instanceof VerificationError) || error.reason === 'truncated') return undefined;
  return { address, kind: error.reason, group: error.groupIndex };
}

/** How long a source asks to be left alone, milliseconds; undefined when it is not merely busy. */
export function busyMs(error: unknown): number | undefined {
  if (!(error instanceof RonError)) return undefined;
  if (error.code !== 'quota_exhausted' && !(error.code === 'unavailable' && error.retryAfterMs !== undefined))
    return undefined;
  return Math.min(error.retryAfterMs ?? 0, busyMsMax);
}

/** However long a source would like to be left alone, it is tried again after this. */
const busyMsMax = 10_000;

/** Whether the source said that it does not have what it was asked for. */
export function isAbsence(error: unknown): boolean {
  return error instanceof RonError && error.code === 'not_found';
}
