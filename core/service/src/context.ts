import type { CallContext, Principal } from '@ron/proto/contract';
import type { QuotaReport } from './define.ts';

export interface ContextFields {
  readonly corrId: string;
  readonly traceparent: string | undefined;
  readonly tenant: string;
  readonly principal: Principal;
  readonly deadlineMs: number;
  readonly idempotencyKey: string | undefined;
  readonly parent: CallContext | undefined;
  readonly quota?: QuotaReport | undefined;
}

/** One call's context. The abort controller exists only once somebody asks for the signal. */
export class Context implements CallContext {
  readonly corrId: string;
  readonly traceparent: string | undefined;
  readonly tenant: string;
  readonly principal: Principal;
  /** Ends with the beginning of a streamed reply: from then on progress is the bound. */
  deadlineMs: number;
  readonly idempotencyKey: string | undefined;
  /** What the call was charged to. */
  readonly quota: QuotaReport | undefined;
  #parent: CallContext | undefined;
  #controller: AbortController | undefined;
  #aborted: unknown;
  #forget: (() => void) | undefined;
  #owned: Set<() => void> | undefined;
  #ended = false;

  constructor(fields: ContextFields) {
    this.corrId = fields.corrId;
    this.traceparent = fields.traceparent;
    this.tenant = fields.tenant;
    this.principal = fields.principal;
    this.deadlineMs = fields.deadlineMs;
    this.idempotencyKey = fields.idempotencyKey;
    this.quota = fields.quota;
    this.#parent = fields.parent;
  }

  /** Aborts with the call itself, and with the one on whose behalf it is made. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const parent = this.#parent?.signal;
    if (this.#aborted !== undefined) controller.abort(this.#aborted);
    else if (parent?.aborted) this.abort(parent.reason);
    else if (parent !== undefined) {
      const follow = () => this.abort(parent.reason);
      parent.addEventListener('abort', follow, { once: true });
      this.#forget = () => parent.removeEventListener('abort', follow);
    }
    return controller.signal;
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  /** Calls `release` when the call ends, unless the returned function was called before. */
  own(release: () => void): () => void {
    if (this.#ended) {
      release();
      return () => undefined;
    }
    this.#owned ??= new Set();
    const owned = this.#owned;
    owned.add(release);
    return () => void owned.delete(release);
  }

  /** The call and its reply are over: nothing that was opened on its behalf stays open. Idempotent. */
  end(): void {
    this.#ended = true;
    this.#forget?.();
    this.#forget = undefined;
    this.#parent = undefined;
    const owned = this.#owned;
    this.#owned = undefined;
    for (const release of owned ?? []) release();
  }
}
