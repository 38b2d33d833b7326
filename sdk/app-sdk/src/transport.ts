import type { ByteStream } from '@ron/proto/stream';

/**
 * Carries the operations of the gateway contract. One implementation for `fetch`, one for `node:http`, one for OAP;
 * one suite holds for all. Rejects with `RonError` for what the node answered, and with `unavailable` when no answer came.
 */
export interface Transport extends AsyncDisposable {
  call(request: TransportRequest): Promise<TransportReply>;
  /** The text of an operations endpoint (`/readyz`, `/version`, `/metrics`), whatever its status. HTTP only. */
  ops(path: string, signal: AbortSignal | undefined): Promise<string>;
}

export interface TransportRequest {
  readonly operation: string;
  /** The operation's input DTO. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly body?: ByteStream | Uint8Array;
  readonly bodyBytes?: number;
  readonly corrId: string;
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

export interface TransportReply {
  /** The output DTO; over HTTP, what its headers or JSON carried. */
  readonly output: Readonly<Record<string, unknown>>;
  readonly body: ByteStream | undefined;
}

/** The world around the SDK: replaced in tests, and the only place here that knows clocks and chance. */
export interface Platform {
  monotonicMs(): number;
  wallMs(): number;
  after(delayMs: number, task: () => void): { cancel(): void };
  randomBytes(length: number): Uint8Array;
}
