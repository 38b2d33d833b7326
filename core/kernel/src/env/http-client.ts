import type { ByteStream } from '@ron/proto/stream';
import type { HttpHeaders } from './http.ts';

/** The only place that a client ever connects to: fixed when the client is made, never taken from a request. */
export interface HttpOrigin {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** As a Host field names it: a default port is left out. RFC 9110, 7.2. */
export function authorityOf({ host, port, secure }: HttpOrigin): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`;
}

/** Outgoing HTTP/1.1 to one origin. Follows no redirect and decodes no content. */
export interface HttpClient {
  readonly origin: HttpOrigin;
  /**
   * Resolves with the final response's head. Rejects with a `SystemError`: `ECONNREFUSED` and the like when there is no
   * connection, `ETIMEDOUT` when a deadline passed, `ECONNRESET` when the origin hung up, `EPROTO` when its answer is no
   * HTTP, `ECANCELED` when the signal aborted, `EAGAIN` when too many wait for a connection.
   */
  request(request: HttpClientRequest): Promise<HttpClientResponse>;
  /** Ends idle connections at once and the others when their exchange is over. */
  close(): void;
}

export interface HttpClientRequest {
  readonly method: string;
  /** Origin form, or `*`. */
  readonly target: string;
  /** Name, value, name, value … The adapter adds `host` when it is missing, and `connection`. */
  readonly fieldLines: readonly string[];
  /** Undefined = no content. Without a `content-length` among the fields it is sent chunked. */
  readonly body?: ByteStream;
  readonly deadlines?: Partial<HttpClientDeadlines>;
  readonly signal?: AbortSignal;
  /** Interim responses, as they come. */
  onInform?(status: number, headers: HttpHeaders): void;
}

export interface HttpClientDeadlines {
  /** Until there is a connection, with the wait for a free place in the pool. */
  readonly connectMs: number;
  /** From the end of the request to the end of the response's header block. */
  readonly headerMs: number;
}

export interface HttpClientResponse {
  readonly status: number;
  /** As in `Via`: `1.1` or `1.0`. */
  readonly version: string;
  readonly headers: HttpHeaders;
  /**
   * Breaks off with an error when the connection ends before the message does, or when it comes more slowly than the
   * client allows. Its reader ends it early by `return`, which drops the connection.
   */
  readonly body: ByteStream;
  /** After the end of the body; empty when there were none. */
  trailers(): HttpHeaders;
}
