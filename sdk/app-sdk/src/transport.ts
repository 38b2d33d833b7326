import type { ByteStream } from '@ron/proto/stream';
import type { ClientRoute } from './routes.ts';

/** A service that a node serves beside its gateway: where its operations are, over OAP and over HTTP. */
export interface ServiceTable {
  /** OAP `app_proto_id`. */
  readonly app: number;
  readonly routes: Readonly<Record<string, ClientRoute>>;
}

/** Who calls, asked for each request anew. */
export interface Access {
  capability(): string | undefined;
  /**
   * The `ron-proof` that goes with a capability which is bound to a key. `request` is `GET /path?query` over HTTP and
   * `<app>/<operation>` over OAP.
   */
  proof?(capability: string, request: string): Promise<string>;
}

/**
 * Carries the operations of a node. One implementation for `fetch`, one for `node:http`, one for OAP;
 * one suite holds for all. Rejects with `RonError` for what the node answered, and with `unavailable` when no answer came.
 */
export interface Transport extends AsyncDisposable {
  call(request: TransportRequest): Promise<TransportReply>;
  /** The text of an operations endpoint (`/readyz`, `/version`, `/metrics`), whatever its status. HTTP only. */
  ops(path: string, signal: AbortSignal | undefined): Promise<string>;
}

export interface TransportRequest {
  /** Default: the gateway. */
  readonly service?: ServiceTable;
  readonly operation: string;
  /** The operation's input DTO. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly body?: ByteStream | Uint8Array;
  readonly bodyBytes?: number;
  readonly corrId: string;
  readonly idempotencyKey?: string;
  /** Goes without the capability: what renews one must not need one. */
  readonly anonymous?: true;
  /** Asks for the proof that the call is in the audit log. */
  readonly receipt?: true;
  readonly signal?: AbortSignal;
}

export interface TransportReply {
  /** The output DTO; over HTTP, what its headers or JSON carried. */
  readonly output: Readonly<Record<string, unknown>>;
  readonly body: ByteStream | undefined;
  /** As the node gave it; nothing of it was checked. */
  readonly receipt?: string;
}

/** The world around the SDK: replaced in tests, and the only place here that knows clocks and chance. */
export interface Platform {
  monotonicMs(): number;
  wallMs(): number;
  after(delayMs: number, task: () => void): { cancel(): void };
  randomBytes(length: number): Uint8Array;
}
