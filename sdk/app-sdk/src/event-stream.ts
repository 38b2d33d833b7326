import type { Caller } from './caller.ts';
import { asClientError, type RonClientError } from './errors.ts';
import { jitterMs, pause } from './retry.ts';
import { type SseEvent, SseParser } from './sse.ts';
import type { ServiceTable } from './transport.ts';

/** Milliseconds without a byte after which a stream counts as broken. A node sends a comment several times in that. */
const silenceMsMax = 60_000;

export interface EventStreamOptions {
  /** Default: the gateway. */
  readonly service?: ServiceTable;
  readonly signal: AbortSignal | undefined;
  /** The id of the last event that was seen. */
  readonly cursor: string | undefined;
  /** When the node no longer knows a cursor that it gave: begin without one, or fail. */
  readonly staleCursor: 'forget' | 'fail';
  readonly onBreak: ((error: RonClientError | undefined) => void) | undefined;
}

/**
 * The events of a subscription until its signal aborts. A stream that breaks is opened again after the last event that
 * came, with full jitter between attempts and never before `Retry-After`. The first attempt must succeed within the
 * retries of any call, and a refusal that cannot get better ends it at any time: both reject with `RonClientError`.
 * `input` is asked for each opening; undefined: it is over.
 */
export async function* eventStream(
  caller: Caller,
  operation: string,
  input: () => Readonly<Record<string, unknown>> | undefined,
  options: EventStreamOptions,
): AsyncGenerator<SseEvent> {
  const { signal } = options;
  const { platform } = caller;
  let cursor = options.cursor;
  let opened = false;
  for (let tries = 1; !signal?.aborted; tries += 1) {
    let error: RonClientError | undefined;
    const fields = input();
    if (fields === undefined) return;
    using watch = new SilenceWatch(caller, signal);
    try {
      const given = cursor === undefined ? fields : { ...fields, cursor };
      const { body } = await caller.call(operation, given, {
        streamed: true,
        signal: watch.signal,
        ...(options.service === undefined ? {} : { service: options.service }),
      });
      opened = true;
      const parser = new SseParser();
      for await (const bytes of watch.watched(body!)) {
        for (const event of parser.push(bytes)) {
          tries = 0;
          if (event.lastEventId !== '') cursor = event.lastEventId;
          yield event;
        }
      }
    } catch (thrown) {
      if (signal?.aborted) return;
      error = asClientError(thrown, '');
      const stale = error.code === 'bad_request' && opened && cursor !== undefined;
      if (stale && options.staleCursor === 'forget') cursor = undefined;
      else if (!error.retryable || !opened) throw error;
    }
    if (signal?.aborted || input() === undefined) return;
    options.onBreak?.(error);
    // A node that restarts meets all its subscribers again at different times.
    await pause(
      { platform, signal, corrId: '' },
      Math.max(error?.retryAfterMs ?? 0, jitterMs(platform, Math.max(1, tries))),
    ).catch((thrown: unknown) => {
      if (!signal?.aborted) throw thrown;
    });
  }
}

/** Ends a stream that is silent for too long, or whose reader has left. */
class SilenceWatch implements Disposable {
  readonly #controller = new AbortController();
  readonly #caller: Caller;
  readonly #outer: AbortSignal | undefined;
  readonly #forward = () => this.#controller.abort(this.#outer?.reason);

  constructor(caller: Caller, outer: AbortSignal | undefined) {
    this.#caller = caller;
    this.#outer = outer;
    outer?.addEventListener('abort', this.#forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Only the wait for the node counts, not the time that the reader takes. */
  async *watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const iterator = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const timer = this.#caller.platform.after(silenceMsMax, () => this.#controller.abort());
        const { done, value } = await iterator.next().finally(() => timer.cancel());
        if (done) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  [Symbol.dispose](): void {
    this.#outer?.removeEventListener('abort', this.#forward);
    this.#controller.abort();
  }
}
