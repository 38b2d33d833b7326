import type { ByteStream } from '@ron/proto/stream';

/**
 * An HTTP exchange without a socket: the real adapter runs `node:http`, the simulator calls the handler itself.
 * The adapter has already refused what is malformed on the wire.
 */
export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent, origin form. */
  readonly target: string;
  /** Lower-case names. A repeated field is joined with `, ` unless it must be single: then it was refused. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: ByteStream;
  readonly remote: string;
  /** Calls back once when the client leaves before the response is complete. */
  onAbort(callback: () => void): void;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; the adapter adds `date`, `connection` and, for resident bodies, `content-length`. */
  readonly headers: Record<string, string | number>;
  /** Undefined = no body. A stream needs its `content-length` in `headers`, or is sent chunked. */
  readonly body?: Uint8Array | ByteStream;
}

export interface HttpServerLimits {
  readonly headerBytesMax: number;
  readonly headerFieldsMax: number;
  /** Milliseconds from the connection or the previous response to the end of the header block. */
  readonly headerTimeMs: number;
  readonly keepAliveIdleMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Slower bodies and slower readers are cut off. */
  readonly progressBytesPerSecondMin: number;
  /** The refusal of what the parser rejects, so that even these get the envelope. */
  readonly refusal: (reason: HttpRefusal, remote: string) => HttpResponse;
}

export type HttpRefusal =
  | 'malformed'
  | 'headers_too_large'
  | 'header_timeout'
  | 'body_timeout'
  | 'two_hosts'
  | 'over_capacity';
