import type { ByteStream } from '@ron/proto/stream';
import type { CallOptions } from './client.ts';
import { asClientError, clientError } from './errors.ts';
import { RetryBudget, withRetry } from './retry.ts';
import type { Platform, Transport, TransportReply } from './transport.ts';

const controlTimeoutMs = 30_000;

export interface CallBody {
  /** Made anew for each attempt; absent = the call has no body. */
  readonly open: () => ByteStream | Uint8Array;
  readonly bytes: number | undefined;
  /** False when `open` can serve only once. */
  readonly repeatable: boolean;
}

/** One call of an operation: corr_id, idempotency key, deadline, cancellation and retries, the same for all of them. */
export class Caller {
  readonly #transport: Transport;
  readonly platform: Platform;
  readonly #budget = new RetryBudget();

  constructor(transport: Transport, platform: Platform) {
    this.#transport = transport;
    this.platform = platform;
  }

  /** A fresh idempotency key, for what must be the same through all attempts. */
  newKey(): string {
    return hex(this.platform.randomBytes(16));
  }

  async call(
    operation: string,
    input: Readonly<Record<string, unknown>>,
    options: CallOptions & { mutation?: boolean; streamed?: boolean } = {},
    body?: CallBody,
  ): Promise<TransportReply> {
    const corrId = options.corrId ?? hex(this.platform.randomBytes(16));
    const idempotencyKey = options.mutation ? this.newKey() : undefined;
    const timeoutMs = options.timeoutMs ?? (options.streamed ? Number.POSITIVE_INFINITY : controlTimeoutMs);
    const limit = this.#limit(timeoutMs, options.signal, corrId);
    let opened = false;
    let streaming = false;
    try {
      const reply = await withRetry(
        () => {
          opened = body !== undefined;
          return this.#transport.call({
            operation,
            input,
            corrId,
            ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
            ...(body === undefined ? {} : { body: body.open() }),
            ...(body?.bytes === undefined ? {} : { bodyBytes: body.bytes }),
            ...(limit.signal === undefined ? {} : { signal: limit.signal }),
          });
        },
        {
          platform: this.platform,
          budget: this.#budget,
          corrId,
          deadlineMs: this.platform.monotonicMs() + timeoutMs,
          signal: limit.signal,
          repeatable: () => !opened || body?.repeatable !== false,
        },
      );
      streaming = reply.body !== undefined;
      return streaming ? { ...reply, body: untilLate(reply.body!, limit, timeoutMs, corrId) } : reply;
    } catch (thrown) {
      throw limit.late()
        ? clientError('deadline_exceeded', `no answer within ${timeoutMs} ms`, { corrId, cause: thrown })
        : asClientError(thrown, corrId);
    } finally {
      if (!streaming) limit.end();
    }
  }

  async ops(path: string, options: CallOptions = {}): Promise<string> {
    const corrId = options.corrId ?? hex(this.platform.randomBytes(16));
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
    if (!limit.late()) throw thrown;
    throw clientError('deadline_exceeded', `the answer did not end within ${timeoutMs} ms`, { corrId, cause: thrown });
  } finally {
    limit.end();
  }
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
