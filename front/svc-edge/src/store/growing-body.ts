import { type ByteStream, ResidentBody } from '@ron/proto/stream';
import type { BodyState, WholeBody } from './whole-body.ts';

/** A body with less left than this is fetched to its end when its readers have gone: somebody may want it soon. */
export const finishBytesMax = 1024 * 1024;
/** What may wait for the slowest reader of a body that is not kept. */
export const windowBytesMax = 1024 * 1024;
/** Bodies up to this are put together in one piece when complete: one write answers a hit. */
const pieceBytesMax = 1024 * 1024;

export interface BodyOptions {
  /** Bytes that the origin announced. */
  readonly declared: number | undefined;
  /** Asked before `bytes` more are kept; false = they must not be, and from then on only readers have them. */
  keep(bytes: number): boolean;
  /** All of it is in memory and `fill` brings it: the source is not asked. */
  isFilled?: boolean;
  /** Once, at the end. */
  onSettled(state: 'complete' | 'broken'): void;
}

interface Transfer {
  readonly source: AsyncIterator<Uint8Array>;
  readonly options: BodyOptions;
}

/**
 * One fetch for many readers: a body that is read while it arrives, from any offset. As long as it is kept it arrives at
 * the origin's speed; after that at the speed of its slowest reader. Not whole, it ends with an error for all of them.
 */
export class GrowingBody implements WholeBody {
  /** Until it is settled: what it comes from is much larger than what is kept. */
  #transfer: Transfer | undefined;
  readonly #declared: number | undefined;
  readonly #readers = new Set<BodyReader>();
  #pieces: Uint8Array[] = [];
  /** Offset of each piece. */
  #starts: number[] = [];
  #bytes = 0;
  #state: BodyState = 'growing';
  #kept = true;
  #failure: unknown;
  #room: (() => void) | undefined;

  constructor(source: ByteStream, options: BodyOptions) {
    const transfer = { source: source[Symbol.asyncIterator](), options };
    this.#transfer = transfer;
    this.#declared = options.declared;
    if (options.isFilled !== true) void this.#pump(transfer);
  }

  /** The whole body at once. */
  fill(bytes: Uint8Array): void {
    this.#append(bytes);
    this.#finish();
  }

  get state(): BodyState {
    return this.#state;
  }

  /** Bytes that have arrived. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of the whole body, as far as it is known by now. */
  get total(): number | undefined {
    return this.#state === 'complete' ? this.#bytes : this.#declared;
  }

  /** Both ends included. Past the end of what has arrived the reader waits. */
  read(first = 0, last = Number.POSITIVE_INFINITY): ByteStream {
    if (this.#state === 'complete') this.#unite();
    if (this.#state === 'complete' && this.#pieces.length <= 1) {
      const [piece = new Uint8Array(0)] = this.#pieces;
      return new ResidentBody(first === 0 && last >= piece.byteLength - 1 ? piece : piece.subarray(first, last + 1));
    }
    const reader = new BodyReader(this, first, last);
    this.#readers.add(reader);
    return reader;
  }

  /** All of a body that is complete. */
  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  /** Ends the transfer for everybody. */
  cancel(reason: Error): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    this.#settle('broken', reason);
    // What the source makes of being left is of no interest any more.
    transfer.source.return?.().catch(() => undefined);
  }

  /** For readers: the next bytes at `offset`, `undefined` at the end, or `wait` until they are told. */
  take(offset: number, last: number): Uint8Array | 'end' | 'wait' {
    if (offset > last) return 'end';
    if (offset < this.#bytes) {
      const index = this.#indexOf(offset);
      const piece = this.#pieces[index];
      if (piece === undefined) throw new Error('these bytes are no longer held');
      const skip = offset - (this.#starts[index] as number);
      const end = Math.min(piece.byteLength, last - (this.#starts[index] as number) + 1);
      return skip === 0 && end === piece.byteLength ? piece : piece.subarray(skip, end);
    }
    if (this.#state === 'complete') return 'end';
    if (this.#state === 'broken') throw this.#failure;
    return 'wait';
  }

  moved(): void {
    if (this.#kept) return;
    this.#forget();
    this.#room?.();
  }

  /** `satisfied`: it has had all that it wanted, which is no reason to end what others may want. */
  leave(reader: BodyReader, satisfied: boolean): void {
    if (!this.#readers.delete(reader) || this.#state !== 'growing') return;
    if (this.#readers.size > 0 || (satisfied && this.#kept)) {
      this.moved();
      return;
    }
    const left = (this.#declared ?? Number.POSITIVE_INFINITY) - this.#bytes;
    if (!this.#kept || left > finishBytesMax) this.cancel(new Error('nobody reads this body any more'));
  }

  async #pump({ source }: Transfer): Promise<void> {
    try {
      for (;;) {
        if (!this.#kept) await this.#untilRoom();
        const step = await source.next();
        if (this.#state !== 'growing') return;
        if (step.done === true) break;
        this.#append(step.value);
      }
    } catch (thrown) {
      this.#settle('broken', thrown);
      return;
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#declared !== undefined && this.#declared !== this.#bytes)
      this.#settle('broken', new Error('the length is wrong'));
    else this.#settle('complete', undefined);
  }

  #append(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    if (this.#kept && this.#transfer?.options.keep(piece.byteLength) !== true) this.#kept = false;
    this.#pieces.push(piece);
    this.#starts.push(this.#bytes);
    this.#bytes += piece.byteLength;
    for (const reader of this.#readers) reader.wake();
  }

  #settle(state: 'complete' | 'broken', failure: unknown): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    this.#transfer = undefined;
    this.#state = state;
    this.#failure = failure;
    this.#room?.();
    transfer.options.onSettled(this.#kept ? state : 'broken');
    for (const reader of this.#readers) reader.wake();
  }

  /** With the first reader that comes later: what nobody asks for again is not copied. */
  #unite(): void {
    if (!this.#kept || this.#pieces.length < 2 || this.#bytes > pieceBytesMax) return;
    this.#pieces = [adjoining(this.#pieces, this.#bytes) ?? joined(this.#pieces, this.#bytes)];
    this.#starts = [0];
  }

  /** Drops what every reader has had. */
  #forget(): void {
    let least = this.#bytes;
    for (const reader of this.#readers) least = Math.min(least, reader.offset);
    let count = 0;
    while (count < this.#pieces.length && (this.#starts[count + 1] ?? this.#bytes) <= least) count++;
    if (count === 0) return;
    this.#pieces.splice(0, count);
    this.#starts.splice(0, count);
  }

  #untilRoom(): Promise<void> | undefined {
    this.#forget();
    if (this.#readers.size === 0) {
      this.cancel(new Error('the body is neither kept nor read'));
      return undefined;
    }
    if (this.#held() < windowBytesMax) return undefined;
    return new Promise((resolve) => {
      this.#room = () => {
        if (this.#state === 'growing' && this.#held() >= windowBytesMax) return;
        this.#room = undefined;
        resolve();
      };
    });
  }

  #held(): number {
    return this.#pieces.length === 0 ? 0 : this.#bytes - (this.#starts[0] as number);
  }

  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** As one piece, where each begins in memory at the end of the one before: then there is nothing to copy. */
function adjoining(pieces: readonly Uint8Array[], length: number): Uint8Array | undefined {
  const first = pieces[0] as Uint8Array;
  let end = first.byteOffset;
  for (const piece of pieces) {
    if (piece.buffer !== first.buffer || piece.byteOffset !== end) return undefined;
    end += piece.byteLength;
  }
  return new Uint8Array(first.buffer, first.byteOffset, length);
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

type Step = IteratorResult<Uint8Array, undefined>;

class BodyReader implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #body: GrowingBody;
  readonly #last: number;
  offset: number;
  #waiting: PromiseWithResolvers<Step> | undefined;
  #left = false;

  constructor(body: GrowingBody, first: number, last: number) {
    this.#body = body;
    this.offset = first;
    this.#last = last;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Step> {
    if (this.#left) return { done: true, value: undefined };
    const taken = this.#body.take(this.offset, this.#last);
    if (taken === 'wait') {
      this.#waiting = Promise.withResolvers();
      return this.#waiting.promise;
    }
    if (taken === 'end') return this.#end(true);
    this.offset += taken.byteLength;
    this.#body.moved();
    return { done: false, value: taken };
  }

  async return(): Promise<Step> {
    return this.#end(false);
  }

  #end(satisfied: boolean): Step {
    this.#left = true;
    this.#body.leave(this, satisfied);
    const end: Step = { done: true, value: undefined };
    this.#waiting?.resolve(end);
    this.#waiting = undefined;
    return end;
  }

  wake(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.next().then(waiting.resolve, waiting.reject);
  }
}
