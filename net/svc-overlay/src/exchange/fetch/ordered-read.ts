import { groupBytes } from '@ron/b3';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { type FetchOptions, fetchObject, type Transfer } from './fetch-object.ts';

/** Groups that were asked for and not read yet: 3 MiB, which bounds the memory of a reader however many sources it has. */
const windowGroups = 48;
/** The window moves in steps of 1 MiB, so that a run is worth its question; three sources can have one each. */
const stepGroups = 16;

export interface ReadOptions extends Omit<FetchOptions, 'sink' | 'horizon' | 'resume'> {
  readonly size: number;
  readonly range: { readonly first: number; readonly count: number };
  readonly signal: AbortSignal;
}

type Step = IteratorResult<Uint8Array, undefined>;
const over: Step = { done: true, value: undefined };

/**
 * Verified groups of an object in their order, each in memory of its own, fetched from several sources at once. Begins when the first
 * is asked for, and rests while the reader does, until it goes on or leaves. Groups that came before a failure are handed out before it; a reader that leaves ends the transfer.
 */
export class OrderedRead implements ByteStream, AsyncIterator<Uint8Array, undefined> {
  readonly #options: ReadOptions;
  readonly #ending = new AbortController();
  readonly #first: number;
  readonly #end: number;
  /** By group; all are below the horizon. */
  readonly #waiting = new Map<number, Uint8Array>();
  readonly #onAbort = () => this.#fail(this.#options.signal.reason);
  #next: number;
  #transfer: Transfer | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(options: ReadOptions) {
    const { range, signal } = options;
    const { first, count } = range;
    this.#options = options;
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#first = first;
    this.#next = first;
    this.#end = first + count;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Step> {
    if (this.#failure === undefined) this.#transfer ??= this.#begin();
    for (;;) {
      if (this.#next >= this.#end) return over;
      const bytes = this.#waiting.get(this.#next);
      if (bytes !== undefined) {
        this.#take();
        return { done: false, value: bytes };
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<Step> {
    this.#next = this.#end;
    this.#waiting.clear();
    this.#fail(new RonError('request_timeout', 'the reader left'));
    return over;
  }

  #begin(): Transfer {
    const sink = { write: (offset: number, bytes: Uint8Array) => this.#put(offset / groupBytes(), bytes) };
    const horizon = () => this.#horizon;
    const transfer = fetchObject({ ...this.#options, sink, horizon, signal: this.#ending.signal });
    transfer.done.catch((error: unknown) => this.#fail(error));
    return transfer;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#ending.abort(error);
    this.#wake();
  }

  get #horizon(): number {
    const steps = Math.floor((this.#next - this.#first) / stepGroups);
    return this.#first + steps * stepGroups + windowGroups;
  }

  #put(group: number, bytes: Uint8Array): void {
    // A view of what a connection read would hold on to all of it.
    const isAlone = bytes.byteLength === bytes.buffer.byteLength;
    this.#waiting.set(group, isAlone ? bytes : new Uint8Array(bytes));
    if (group === this.#next) this.#wake();
  }

  #take(): void {
    const before = this.#horizon;
    this.#waiting.delete(this.#next);
    this.#next += 1;
    if (this.#next === this.#end) this.#options.signal.removeEventListener('abort', this.#onAbort);
    if (this.#horizon > before) this.#transfer?.wake();
  }
}
