import type { ByteStream } from '@ron/proto/stream';
import type { CallOptions } from './client.ts';
import { asClientError, clientError, endedByCaller, type RonClientError } from './errors.ts';
import { beforeRetry, RetryBudget, type RetryOptions, withRetry } from './retry.ts';
import type { Platform, ServiceTable, Transport, TransportReply } from './transport.ts';

const controlTimeoutMs = 30_000;

export interface CallBody {
  /** Made anew for each attempt; absent = the call has no body. */
  readonly open: () => ByteStream | Uint8Array;
  readonly bytes: number | undefined;
  /** False when `open` can serve only once. */
  readonly repeatable: boolean;
}

/** Keeps a capability fresh around the calls that use it. */
export interface Renewal {
  /** Renews what is about to expire, sends, and after one refusal as `unauthenticated` renews and sends once more. */
  around<T>(send: () => Promise<T>, repeatable: () => boolean, signal: AbortSignal | undefined): Promise<T>;
}

export interface CallFields extends CallOptions {
  /** Default: the gateway. */
  readonly service?: ServiceTable;
  readonly mutation?: boolean;
  readonly streamed?: boolean;
  /** Goes without the capability. */
  readonly anonymous?: boolean;
  /** Asks for an audit receipt; it is not checked here. */
  readonly receipt?: boolean;
  /** Default: a fresh one for each mutation. */
  readonly idempotencyKey?: string;
}

/** One call of an operation: corr_id, idempotency key, deadline, cancellation and retries, the same for all of them. */
export class Caller {
  readonly #transport: Transport;
  readonly platform: Platform;
  readonly #budget = new RetryBudget();
  readonly #renewal: Renewal | undefined;

  constructor(transport: Transport, platform: Platform, renewal?: Renewal) {
    this.#transport = transport;
    this.platform = platform;
    this.#renewal = renewal;
  }

  /** A fresh idempotency key or corr_id, for what must be the same through all attempts. */
  newKey(): string {
    return hex(this.platform.randomBytes(16));
  }

  async call(
    operation: string,
    input: Readonly<Record<string, unknown>>,
    options: CallFields = {},
    body?: CallBody,
  ): Promise<TransportReply> {
    const corrId = options.corrId ?? this.newKey();
    const idempotencyKey = options.mutation ? (options.idempotencyKey ?? this.newKey()) : undefined;
    const timeoutMs = options.timeoutMs ?? (options.streamed ? Number.POSITIVE_INFINITY : controlTimeoutMs);
    if (options.signal?.aborted) throw endedByCaller(corrId, options.signal);
    const limit = this.#limit(timeoutMs, options.signal, corrId);
    let opened = false;
    let streaming = false;
    const repeatable = () => !opened || body?.repeatable !== false;
    const send = () => {
      opened = body !== undefined;
      return this.#transport.call({
        ...(options.service === undefined ? {} : { service: options.service }),
        operation,
        input,
        corrId,
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        ...(options.anonymous ? { anonymous: true } : {}),
        ...(options.receipt ? { receipt: true } : {}),
        ...(body === undefined ? {} : { body: body.open() }),
        ...(body?.bytes === undefined ? {} : { bodyBytes: body.bytes }),
        ...(limit.signal === undefined ? {} : { signal: limit.signal }),
      });
    };
    const renewal = options.anonymous ? undefined : this.#renewal;
    try {
      const reply = await withRetry(
        () => (renewal === undefined ? send() : renewal.around(send, repeatable, limit.signal)),
        {
          platform: this.platform,
          budget: this.#budget,
          corrId,
          deadlineMs: this.platform.monotonicMs() + timeoutMs,
          signal: limit.signal,
          repeatable,
        },
      );
      streaming = reply.body !== undefined;
      return streaming ? { ...reply, body: untilLate(reply.body!, limit, timeoutMs, corrId) } : reply;
    } catch (thrown) {
      if (limit.late()) throw lateError(`no answer within ${timeoutMs} ms`, corrId, thrown);
      throw options.signal?.aborted ? endedByCaller(corrId, options.signal) : asClientError(thrown, corrId);
    } finally {
      if (!streaming) limit.end();
    }
  }

  /** The deadline of a call that takes several requests. */
  deadlineOf({ timeoutMs = Number.POSITIVE_INFINITY }: Pick<CallOptions, 'timeoutMs'>): number {
    return this.platform.monotonicMs() + timeoutMs;
  }

  /** The options for one request of such a call: the same corr_id and signal, and what is left of the time. */
  within(deadlineMs: number, { corrId, signal }: CallOptions): CallOptions {
    const timeoutMs = Math.max(0, deadlineMs - this.platform.monotonicMs());
    return {
      ...(corrId === undefined ? {} : { corrId }),
      ...(signal === undefined ? {} : { signal }),
      ...(Number.isFinite(timeoutMs) ? { timeoutMs } : {}),
    };
  }

  /** Waits for another attempt of what a retry of one request cannot mend, by the same rules and from the same budget. */
  beforeRetry(
    error: RonClientError,
    tries: number,
    call: Pick<RetryOptions, 'deadlineMs' | 'signal' | 'attemptsMax'>,
  ): Promise<void> {
    const { platform } = this;
    const { corrId } = error;
    return beforeRetry(error, tries, { ...call, platform, corrId, budget: this.#budget, repeatable: () => true });
  }

  async ops(path: string, options: CallOptions = {}): Promise<string> {
    const corrId = options.corrId ?? this.newKey();
    const limit = this.#limit(options.timeoutMs ?? controlTimeoutMs, options.signal, corrId);
    try {
      return await this.#transport.ops(path, limit.signal);
    } catch (thrown) {
      if (limit.late()) throw clientError('deadline_exceeded', 'no answer in time', { corrId, cause: thrown });
      throw asClientError(thrown, corrId);
    } finally {
      limit.end();
    }
  }

  #limit(timeoutMs: number, signal: AbortSignal | undefined, corrId: string): CallLimit {
    if (!Number.isFinite(timeoutMs)) return { signal, late: () => false, end: () => undefined };
    const controller = new AbortController();
    let late = false;
    const timer = this.platform.after(timeoutMs, () => {
      late = true;
      controller.abort(clientError('deadline_exceeded', 'too late', { corrId }));
    });
    const forward = () => controller.abort(signal?.reason);
    if (signal?.aborted) forward();
    signal?.addEventListener('abort', forward, { once: true });
    return {
      signal: controller.signal,
      late: () => late,
      end: () => {
        timer.cancel();
        signal?.removeEventListener('abort', forward);
      },
    };
  }
}

interface CallLimit {
  readonly signal: AbortSignal | undefined;
  late(): boolean;
  end(): void;
}

/** The deadline and the caller's signal hold until the last byte of an answer. */
async function* untilLate(
  body: ByteStream,
  limit: CallLimit,
  timeoutMs: number,
  corrId: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (thrown) {
    if (limit.late()) throw lateError(`the answer did not end within ${timeoutMs} ms`, corrId, thrown);
    throw thrown;
  } finally {
    limit.end();
  }
}

/** Too late, with what the last attempt came to, where there was one. */
function lateError(message: string, corrId: string, cause: unknown): RonClientError {
  return clientError('deadline_exceeded', message, { corrId, cause });
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
