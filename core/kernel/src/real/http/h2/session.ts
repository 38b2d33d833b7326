import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type tls from 'node:tls';
import type { Connection } from '../connection.ts';
import { FrameBudget } from './frame-budget.ts';
import type { SessionPorts } from './port.ts';
import { StreamExchange } from './stream-exchange.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;

/** Between a GOAWAY and the end of its socket, so that the client can read why. */
const lingerMs = 200;
/**
 * The same after the last response. A socket that ends while its client still writes, as one of HTTP/2 does while it reads,
 * is reset, and what lies in between is lost: most clients are done, and close, much sooner.
 */
const farewellMs = 2_000;
/** Our count comes first, and says ENHANCE_YOUR_CALM; the library's own would leave the socket open. */
const libraryResetBurst = 1_000_000;
/** Pairs that the library keeps: what is one field too many still gets an answer with an envelope. */
const pseudoFields = 4;
const settingsEntriesMax = 32;
const refusedStreamsMax = 200;

/** One HTTP/2 connection. RFC 9113. */
export class Session {
  readonly ports: SessionPorts;
  readonly connection: Connection;
  readonly budget: FrameBudget;
  readonly #session: ServerHttp2Session;
  readonly #socket: tls.TLSSocket;
  #idle: NodeJS.Timeout;
  #over = false;
  #isLingering = false;

  constructor(ports: SessionPorts, socket: tls.TLSSocket, connection: Connection) {
    this.ports = ports;
    this.connection = connection;
    this.budget = new FrameBudget(ports.http2);
    this.#socket = socket;
    connection.isHttp2 = true;
    this.#session = http2.performServerHandshake(socket, sessionOptions(ports));
    this.#session.on('stream', (stream, _headers, _flags, raw) => this.#onStream(stream, raw));
    // The library has answered with GOAWAY and closes; a session that broke cannot be told more.
    this.#session.on('error', () => socket.destroy());
    this.#session.on('frameError', () => socket.destroy());
    this.#idle = setTimeout(() => this.#onIdle(), ports.limits.headerTimeMs);
    connection.onClose(() => {
      clearTimeout(this.#idle);
      this.#session.destroy();
    });
  }

  /** GOAWAY; what runs may end. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#session.close();
    if (this.connection.pending === 0) this.#linger(lingerMs);
  }

  /** Called once in `ms`: whether the client's frames bring more than work. */
  judge(ms: number): void {
    const handle = (this.#socket as { _handle?: { bytesRead: number; bytesWritten: number } | null })._handle;
    if (handle === undefined || handle === null) return;
    if (!this.budget.tick(handle.bytesRead, handle.bytesWritten, ms)) this.calmDown();
  }

  /** RFC 9113, 7: ENHANCE_YOUR_CALM. */
  calmDown(): void {
    this.#goAway(NGHTTP2_ENHANCE_YOUR_CALM);
  }

  streamEnded(wasReset: boolean): void {
    const { connection } = this;
    connection.done();
    if (connection.pending === 0) {
      if (this.#over) this.#linger(farewellMs);
      else this.#armIdle();
    }
    if (wasReset && !this.budget.reset()) this.calmDown();
  }

  /** Its responses have bytes that the system has not taken. */
  watchReader(): void {
    const { connection } = this;
    if (connection.watched || connection.closed) return;
    connection.watched = true;
    this.ports.watch.add(connection);
  }

  #onStream(stream: ServerHttp2Stream, raw: readonly string[]): void {
    stream.on('error', () => undefined); // `close` follows, and is what counts.
    // Reset in the same packet: no handler begins for nobody.
    if (stream.closed || stream.destroyed) {
      if (!this.budget.reset()) this.calmDown();
      return;
    }
    if (this.#over) {
      stream.destroy();
      return;
    }
    clearTimeout(this.#idle);
    this.connection.pending++;
    new StreamExchange(this, stream, raw).serve();
  }

  #armIdle(): void {
    clearTimeout(this.#idle);
    if (!this.connection.closed) this.#idle = setTimeout(() => this.#onIdle(), this.ports.limits.keepAliveIdleMs);
  }

  #onIdle(): void {
    if (this.connection.pending === 0) this.#goAway(NGHTTP2_NO_ERROR);
  }

  /** Once, whatever else comes. */
  #goAway(code: number): void {
    this.#over = true;
    if (this.#isLingering) return;
    // After the client's own GOAWAY the session is gone, while its socket stays for as long as the client likes.
    if (!this.#session.destroyed) this.#session.goaway(code);
    this.#linger(lingerMs);
  }

  #linger(ms: number): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    // After a turn of the loop that was longer, what the client did in time is seen first.
    const timer = setTimeout(() => setImmediate(() => this.connection.wire.destroy()), ms);
    this.connection.onClose(() => clearTimeout(timer));
  }
}

function sessionOptions({ limits, http2: { streamsMax, invalidFramesMax, memoryBytesMax } }: SessionPorts) {
  return {
    maxSessionMemory: Math.ceil(memoryBytesMax / 1_000_000),
    maxHeaderListPairs: limits.headerFieldsMax + pseudoFields + 1,
    maxOutstandingPings: 1,
    maxSessionInvalidFrames: invalidFramesMax,
    maxSessionRejectedStreams: refusedStreamsMax,
    maxSettings: settingsEntriesMax,
    streamResetBurst: libraryResetBurst,
    streamResetRate: libraryResetBurst,
    settings: {
      enablePush: false,
      maxConcurrentStreams: streamsMax,
      // Twice what is allowed, so that what is somewhat too large gets an answer with an envelope. RFC 9113, 10.5.1.
      maxHeaderListSize: limits.headerBytesMax * 2,
    },
  };
}
