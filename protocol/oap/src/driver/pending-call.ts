import { RonError } from '@ron/proto/errors';
import { limits } from '../limits.ts';
import type { OapCall, OapReply } from './client.ts';
import type { InboundBody } from './inbound-body.ts';
import type { OutboundBody } from './outbound-body.ts';
import { TransferWatch } from './transfer-watch.ts';

/** For a call without a deadline of its own: the longest that any operation of the project may take. */
const answerMsMax = 600_000;

export interface Settle {
  resolve(reply: OapReply): void;
  reject(error: unknown): void;
}

/** A call from the moment it is made to the last byte of its answer. */
export class PendingCall {
  readonly call: OapCall;
  /** Undefined while it waits in line. */
  streamId: number | undefined;
  outbound: OutboundBody | undefined;
  inbound: InboundBody | undefined;
  readonly #lateMs: number;
  readonly #settle: Settle;
  readonly #onAbort: () => void;
  readonly #answering = new TransferWatch(answerMsMax, 1);
  readonly #sending = new TransferWatch(limits.oapIdleMs, 1);
  #events = 0;
  readonly #receiving = new TransferWatch(limits.oapIdleMs, 1);

  constructor(call: OapCall, nowMs: number, settle: Settle, onAbort: () => void) {
    this.call = call;
    this.#lateMs = nowMs + (call.timeoutMs ?? Number.POSITIVE_INFINITY);
    this.#settle = settle;
    this.#onAbort = onAbort;
    call.signal?.addEventListener('abort', onAbort, { once: true });
  }

  /** Milliseconds that the server gets; undefined when the caller set no deadline. */
  leftMs(nowMs: number): number | undefined {
    return Number.isFinite(this.#lateMs) ? Math.max(0, Math.floor(this.#lateMs - nowMs)) : undefined;
  }

  /** The server says something about its answer, if only that it is alive. */
  heard(): void {
    this.#events += 1;
  }

  answer(reply: OapReply): void {
    this.#settle.resolve(reply);
  }

  /** Says it to whoever waits: the caller, or the reader of the answer's body. */
  fail(error: unknown): void {
    if (this.inbound === undefined) this.#settle.reject(error);
    else this.inbound.fail(error instanceof Error ? error : new Error(String(error)));
  }

  /** It is over: nothing listens or sends for it any more. */
  end(): void {
    this.call.signal?.removeEventListener('abort', this.#onAbort);
    this.outbound?.stop();
  }

  /** What is wrong with it at `nowMs`, if anything. A minute without a byte, or an event, is the end of a body, either way. */
  judge(nowMs: number): RonError | undefined {
    if (this.inbound !== undefined) {
      const { waiting, receivedBytes } = this.inbound;
      return this.#receiving.isTooSlow(nowMs, waiting, receivedBytes + this.#events)
        ? silent('sends nothing')
        : undefined;
    }
    if (nowMs >= this.#lateMs) return late();
    const { outbound } = this;
    if (outbound !== undefined && this.#sending.isTooSlow(nowMs, outbound.waiting, outbound.sentBytes))
      return silent('reads nothing');
    const answering = this.streamId !== undefined && (outbound?.done ?? true);
    return this.#answering.isTooSlow(nowMs, answering, 0) ? late() : undefined;
  }
}

function late(): RonError {
  return new RonError('deadline_exceeded', 'the node did not answer in time');
}

function silent(how: string): RonError {
  return new RonError('unavailable', `the node ${how} any more`);
}
