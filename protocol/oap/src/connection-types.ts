import type { RonError } from '@ron/proto/errors';
import type { AnswerHeader, DataHeader, RequestHeader } from './headers.ts';
import type { HelloIdentity, HelloReply, HelloRequest } from './hello.ts';
import type { Inflate } from './inflate.ts';
import type { ConnectionLimits } from './limits.ts';
import type { RefusalReason } from './refusals.ts';
import type { JsonObject } from './strict-json.ts';

/** The opener sends requests, the acceptor answers them. */
export type Role = 'opener' | 'acceptor';

/** A request as the acceptor gets it. */
export interface OpenedStream {
  readonly streamId: number;
  readonly app: number;
  /** 16 bytes, zero = unspecified. */
  readonly tenant: Uint8Array;
  /** Empty when none was sent; at most `capabilityBytesMax`. Not verified here. */
  readonly capability: Uint8Array;
  readonly header: RequestHeader;
  /** The DTO as JSON, not parsed; at most 8 × `max_frame` when it came compressed. Not counted as credit. */
  readonly body: Uint8Array;
  /** No more bytes follow. */
  readonly end: boolean;
  /** The body is sealed between the applications: do not log or sample it. */
  readonly sealed: boolean;
}

/** The beginning of an answer as the opener gets it. */
export interface StartedAnswer {
  readonly streamId: number;
  /** 0, 202 or 206. */
  readonly code: number;
  readonly header: AnswerHeader;
  /** The DTO as JSON, not parsed. Not counted as credit. */
  readonly body: Uint8Array;
  /** The answer is complete and the stream over. */
  readonly end: boolean;
  readonly sealed: boolean;
}

export interface ClosedConnection {
  /** `done`: somebody said close, or the transport ended between frames. */
  readonly reason: RefusalReason | 'done' | 'idle' | 'refused_by_peer';
  readonly by: 'us' | 'peer';
  /** For the calls that are still open; undefined after an orderly end. */
  readonly error: RonError | undefined;
}

/**
 * What a connection tells its driver. Called synchronously from `receive`, `drained`, `tick`, `ended` and `close`.
 * Handlers may call every method of the connection and must not throw. Byte arrays are views of what was passed to
 * `receive`: keep them only if the driver does not reuse its read buffer.
 */
export interface ConnectionHandler {
  /** HELLO is done; streams may be opened. */
  ready(peer: HelloRequest | HelloReply): void;
  /** Acceptor: a request has begun. */
  open(stream: OpenedStream): void;
  /** Opener: an answer has begun. */
  answer(answer: StartedAnswer): void;
  /** Body bytes. Return their credit with `consumed` when they have left memory. `header` with the first of a frame. */
  data(streamId: number, bytes: Uint8Array, header: DataHeader | undefined): void;
  /** The peer has sent all. For an opener the stream is over, even when it has not sent all itself. */
  end(streamId: number, header: DataHeader | undefined): void;
  /** Opener: the request was refused or failed; the stream is over. */
  error(streamId: number, error: RonError): void;
  /** The stream is over because the peer wants nothing more of it. */
  cancel(streamId: number): void;
  /** Acceptor: a request was answered with an error before it became a stream, or its stream was ended for what came on it. */
  refused?(streamId: number, error: RonError): void;
  /** Opener: a push. Its body counts as credit, return it with `consumed`. */
  event(streamId: number, header: JsonObject, body: Uint8Array): void;
  /** A frame that was sent with `ackRequest` has been handled; in order of sending within a stream. */
  ack(streamId: number): void;
  /** `sendBody` or `sendEvent` accepted less than it was given and is worth calling again. */
  writable(streamId: number): void;
  /** Last call of all; every stream still open is over. */
  closed(close: ClosedConnection): void;
}

export interface ConnectionOptions {
  readonly role: Role;
  readonly handler: ConnectionHandler;
  /**
   * Takes bytes to send, in order. False means "enough for now": bodies then wait until `drained` is called.
   * The chunks are not written to again.
   */
  readonly write: (chunks: Uint8Array[]) => boolean;
  /** Defaults of the limits table. `maxFrameBytes` may only be lowered. */
  readonly limits?: Partial<ConnectionLimits>;
  /** Acceptor: what HELLO says about it. */
  readonly identity?: HelloIdentity;
  /** Opener: what HELLO says about it. */
  readonly agent?: string;
  /** Without it COMP is refused, stream by stream. */
  readonly inflate?: Inflate;
  /** The `corr_id` of errors that belong to no readable request. Default `oap-connection`. */
  readonly corrId?: string;
}

export interface OpenRequest {
  readonly app: number;
  readonly header: RequestHeader;
  /** The DTO as JSON. Header, capability and body share one frame. */
  readonly body?: Uint8Array;
  readonly tenant?: Uint8Array;
  readonly capability?: Uint8Array;
  /** No body bytes will follow. */
  readonly end?: boolean;
  readonly ackRequest?: boolean;
  readonly sealed?: boolean;
}

export interface Answer {
  /** 0 (default), 202 or 206. */
  readonly code?: number;
  readonly header?: AnswerHeader;
  /** The DTO as JSON, in one frame with the header. */
  readonly body?: Uint8Array;
  /** No body bytes will follow; the stream is over. */
  readonly end?: boolean;
  readonly ackRequest?: boolean;
  readonly sealed?: boolean;
}

export interface SendBodyOptions {
  /** These are the last bytes. Takes effect once all of them were accepted. */
  readonly end?: boolean;
  /** Goes with the first frame of this call. */
  readonly header?: DataHeader;
  /** Asks for an acknowledgement of the last frame of this call. */
  readonly ackRequest?: boolean;
  readonly sealed?: boolean;
}

/** One OAP/1 connection over any ordered, reliable bytes. It does no I/O, reads no clock and sets no timer. */
export interface Connection {
  readonly role: Role;
  readonly state: 'hello' | 'ready' | 'closed';
  /** The negotiated `max_frame`. */
  readonly maxFrameBytes: number;
  /** Streams that are open now. */
  readonly liveStreams: number;
  /** Opener: `open` would succeed. */
  readonly canOpen: boolean;
  /** Bytes held between two calls of `receive`; never above `max_frame` and a header. */
  readonly heldBytes: number;

  /** Says HELLO (opener). Call once, when the transport is writable. */
  start(): void;
  /** Bytes from the transport, split in any way. */
  receive(bytes: Uint8Array): void;
  /** The transport took what was written before `write` returned false. */
  drained(): void;
  /** The transport's reading side ended. */
  ended(): void;
  /** Enforces handshake, idle and progress limits; call about once a second with a monotonic clock, milliseconds. */
  tick(nowMs: number): void;
  /** Closes; with an error the peer is told it first. The driver then closes the transport. */
  close(error?: RonError): void;

  /** Opener: sends a request, returns its stream id. @throws RonError `unavailable` unless `canOpen`, `payload_too_large`. */
  open(request: OpenRequest): number;
  /** Acceptor: begins the answer. False when the stream is already over. @throws RonError `payload_too_large`. */
  answer(streamId: number, answer: Answer): boolean;
  /** Acceptor: ends the stream, at any point, with an error. False when it is already over. */
  fail(streamId: number, error: RonError, corrId: string): boolean;
  /**
   * Sends body bytes within the credit; returns how many were accepted. After less than all, `writable` follows.
   * 0 without a later `writable` when the stream is over. The bytes must not change afterwards.
   */
  sendBody(streamId: number, bytes: Uint8Array, options?: SendBodyOptions): number;
  /** Ends our side, as `sendBody` with no bytes and `end`. False when the stream is already over. */
  end(streamId: number, header?: DataHeader): boolean;
  /** Acceptor: a push. False when the credit does not allow it now (`writable` follows) or the stream is over. */
  sendEvent(streamId: number, header: JsonObject, body?: Uint8Array): boolean;
  /** Ends the stream in both directions and forgets what was not consumed. */
  cancel(streamId: number): void;
  /** Returns the credit of `bytes` body bytes that `data` or `event` delivered. No effect on a cancelled or failed stream. */
  consumed(streamId: number, bytes: number): void;
}
