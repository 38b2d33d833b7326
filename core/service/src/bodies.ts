import { RonError } from '@ron/proto/errors';
import { type ByteStream, type LendingBody, lenderOf, ResidentBody } from '@ron/proto/stream';

export interface BodyBounds {
  readonly bytesMax: number;
  /** What the caller said that it sends; then exactly that many must come. */
  readonly announcedBytes: number | undefined;
}

/** Told when a body's other end, its client, is waited for, and when it is no more. */
export interface Waiting {
  hold(): void;
  resume(): void;
}

/** Passes an incoming body on and ends it as soon as it passes its limit, or what was announced. */
export async function* boundedBody(
  body: ByteStream,
  { bytesMax, announcedBytes }: BodyBounds,
  onPiece: (bytes: number) => void,
  waiting: Waiting = unobserved,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  const iterator = body[Symbol.asyncIterator]();
  let isOpen = false;
  try {
    for (;;) {
      isOpen = false;
      const step = await arriving(iterator, waiting);
      if (step.done === true) break;
      isOpen = true;
      const piece = step.value;
      total += piece.byteLength;
      if (total > bytesMax) throw tooLarge(bytesMax);
      if (announcedBytes !== undefined && total > announcedBytes) throw notAsAnnounced(announcedBytes);
      onPiece(piece.byteLength);
      yield piece;
    }
  } finally {
    if (isOpen) await iterator.return?.();
  }
  if (announcedBytes !== undefined && total < announcedBytes) throw notAsAnnounced(announcedBytes);
}

async function arriving(iterator: AsyncIterator<Uint8Array>, waiting: Waiting): Promise<IteratorResult<Uint8Array>> {
  waiting.hold();
  try {
    return await iterator.next();
  } finally {
    waiting.resume();
  }
}

const unobserved: Waiting = {
  hold() {
    // Its wait is nobody's to count.
  },
  resume() {
    // As above.
  },
};

export const abandoned = Symbol('the reader left');

type Step = IteratorResult<Uint8Array, undefined>;
const over: Step = { done: true, value: undefined };

/**
 * Tells once how an outgoing body ended: undefined after the last byte, `abandoned` when the reader left (also before
 * it began, with `return` or `release`), else the error of the source or of `fail`. A reader that leaves is passed on to the source.
 * Its reader is waited for whenever it does not ask, from the beginning on.
 */
export class MeasuredBody implements LendingBody, AsyncIterator<Uint8Array, undefined> {
  readonly #source: ByteStream;
  readonly #count: (bytes: number) => void;
  readonly #onEnd: (outcome: unknown) => void;
  readonly #waiting: Waiting;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #ended = false;
  /** Set when it ended otherwise than by its source or its reader. */
  #failure: unknown;

  constructor(
    source: ByteStream,
    count: (bytes: number) => void,
    onEnd: (outcome: unknown) => void,
    waiting: Waiting = unobserved,
  ) {
    this.#source = source;
    this.#count = count;
    this.#onEnd = onEnd;
    this.#waiting = waiting;
    waiting.hold();
  }

  /** Pieces go on as they come, so whoever sent one may return it to the source. */
  giveBack(piece: Uint8Array): void {
    lenderOf(this.#source)?.giveBack(piece);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Step> {
    if (this.#ended) return this.#after();
    this.#iterator ??= this.#source[Symbol.asyncIterator]();
    let step: IteratorResult<Uint8Array>;
    this.#waiting.resume();
    try {
      step = await this.#iterator.next();
    } catch (error) {
      this.#end(error);
      throw error;
    }
    if (this.#ended) return this.#after();
    if (step.done === true) {
      this.#end(undefined);
      return over;
    }
    this.#waiting.hold();
    this.#count(step.value.byteLength);
    return step;
  }

  async return(): Promise<Step> {
    this.#leave();
    return over;
  }

  /** The owner lets it go: a reader that goes on all the same gets an error, never a body that seems to end. Idempotent. */
  release(): void {
    if (this.#ended) return;
    this.#failure = new RonError('request_timeout', 'the body was let go before its end');
    this.#leave();
  }

  /** Its call ended first: whoever reads on gets `reason`, which is its outcome. No effect after its end. */
  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#failure = reason;
    this.#leave(reason);
  }

  #leave(outcome: unknown = abandoned): void {
    if (this.#ended) return;
    this.#end(outcome);
    leave(this.#iterator ?? this.#source[Symbol.asyncIterator]());
  }

  #after(): Step {
    if (this.#failure !== undefined) throw this.#failure;
    return over;
  }

  #end(outcome: unknown): void {
    if (this.#ended) return; // The source broke after its reader had left.
    this.#ended = true;
    this.#onEnd(outcome);
  }
}

/** Tells a body that nobody will read it. */
export function discardBody(body: ByteStream): void {
  if (!(body instanceof ResidentBody)) leave(body[Symbol.asyncIterator]());
}

/** Not waited for: a source in the middle of a piece answers only after it. Its failure has nobody left to tell. */
function leave(iterator: AsyncIterator<Uint8Array>): void {
  void Promise.resolve(iterator.return?.()).catch(() => undefined);
}

export async function readWhole(body: ByteStream, bytesMax: number): Promise<Uint8Array> {
  if (body instanceof ResidentBody) {
    if (body.bytes.byteLength > bytesMax) throw tooLarge(bytesMax);
    return body.bytes;
  }
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of body) {
    total += piece.byteLength;
    if (total > bytesMax) throw tooLarge(bytesMax);
    pieces.push(piece);
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

export function tooLarge(limit: number): RonError {
  return new RonError('payload_too_large', `the body is larger than ${limit} bytes`, { details: { limit } });
}

function notAsAnnounced(announced: number): RonError {
  return new RonError('bad_request', `the body has not the ${announced} bytes that were announced`);
}
