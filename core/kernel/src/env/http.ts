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
  /** The other end of the connection, or `unix`. */
  readonly remote: string;
  /** As in `Via`: `1.0`, `1.1` or `2`. Absent where there was no wire. */
  readonly version?: string;
  /** Milliseconds that it stood in line behind others of its address before it was handled; absent: none. */
  readonly waitedMs?: number;
  /** Name, value, name, value … as received: for who passes a request on. Absent where nothing was received. */
  readonly fieldLines?: readonly string[];
  /**
   * Sends an interim response (102 to 199, not 101) ahead of the final one; nothing happens when that one has begun, or
   * for a client of HTTP/1.0. RFC 9110, 15.2.
   */
  inform?(status: number, headers: HttpHeaders): void;
  /** Calls back once when the client leaves before the response is complete. */
  onAbort(callback: () => void): void;
}

/** Lower-case names. A list is a field of several lines, as `set-cookie` needs it. */
export type HttpHeaders = Record<string, string | number | readonly string[]>;

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; the adapter adds `date`, `connection` and, for resident bodies, `content-length`. */
  readonly headers: HttpHeaders;
  /** Undefined = no body. A stream needs its `content-length` in `headers`, or is sent chunked. */
  readonly body?: Uint8Array | ByteStream;
  /**
   * Milliseconds for which nothing more is read from the connection after this: the client was asked to wait, and is made
   * to, because refusing costs nearly as much as serving something small. Not for a
   * connection of several streams, nor for an address that speaks for many.
   */
  readonly restMs?: number;
  /** The connection ends after this response, and the client is told so. */
  readonly closes?: true;
}

export interface HttpServerLimits {
  readonly headerBytesMax: number;
  readonly headerFieldsMax: number;
  /** Milliseconds from the connection or the previous response to the end of the header block. */
  readonly headerTimeMs: number;
  readonly keepAliveIdleMs: number;
  /** At the cap a newcomer takes the place of the connection that has been idle longest; without one it is refused. */
  readonly connectionsMax: number;
  /** The same for one remote address. Unix sockets have no addresses. */
  readonly connectionsPerAddressMax: number;
  /** Addresses that speak for many clients, such as trusted proxies: `connectionsPerAddressMax` is not for them. */
  readonly speaksForMany?: (address: string) => boolean;
  /** Slower bodies and slower readers are cut off. */
  readonly progressBytesPerSecondMin: number;
  /** Requests that are answered ahead of all others, since what they ask costs nothing: whether the process lives. */
  readonly isProbe?: (target: string) => boolean;
  /** Takes targets in absolute form: their authority stands for the Host field. RFC 9112, 3.2.2. Refused without this. */
  readonly absoluteForm?: boolean;
  /**
   * Absent: clear text and HTTP/1.1 alone. Present: TLS 1.3 alone, on any address, with `h2` and `http/1.1` on one port by
   * ALPN (RFC 7301).
   */
  readonly tls?: TlsIdentity;
  /** Changes of `http2LimitsDefault`. */
  readonly http2?: Partial<Http2Limits>;
  /** The refusal of what the parser rejects, so that even these get the envelope. */
  readonly refusal: (reason: HttpRefusal, remote: string) => HttpResponse;
}

/** What a server shows to its clients, as PEM. */
export interface TlsIdentity {
  /** The server's own certificate first. */
  readonly certificateChainPem: string;
  readonly keyPem: string;
}

/** Of one HTTP/2 connection, besides what holds for HTTP/1.1 too. */
export interface Http2Limits {
  /** Streams open at a time (SETTINGS_MAX_CONCURRENT_STREAMS); more are refused with REFUSED_STREAM. */
  readonly streamsMax: number;
  /** Streams that the client may reset a second, over ten seconds; more end the connection. CVE-2023-44487. */
  readonly resetsPerSecondMax: number;
  /**
   * Bytes a second of frames that carry nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty and unknown ones), beyond
   * a share of what is transferred; more end the connection. CVE-2019-9511 to 9518.
   */
  readonly controlBytesPerSecondMax: number;
  /** Frames against the protocol before the connection ends. */
  readonly invalidFramesMax: number;
  /** Bytes of what the library keeps for the connection, in steps of 1 MB; new streams are refused beyond. */
  readonly memoryBytesMax: number;
  /** Bytes that wait for the client over all streams; the sources of responses wait beyond. */
  readonly unsentBytesMax: number;
}

/**
 * Streams as in OAP/1. A browser that leaves a page resets what it asked for: up to `streamsMax` at once, so 20 a second
 * over ten seconds are three such pages. A frame that carries nothing has 9 to 49 bytes.
 */
export const http2LimitsDefault: Http2Limits = {
  streamsMax: 64,
  resetsPerSecondMax: 20,
  controlBytesPerSecondMax: 32 * 1024,
  invalidFramesMax: 64,
  memoryBytesMax: 4_000_000,
  unsentBytesMax: 1024 * 1024,
};

export type HttpRefusal =
  | 'malformed'
  | 'headers_too_large'
  | 'header_timeout'
  | 'body_timeout'
  | 'two_hosts'
  | 'over_capacity';
