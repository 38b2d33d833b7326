import http2, { type ServerHttp2Stream } from 'node:http2';
import { type ByteStream, emptyBody } from '@ron/proto/stream';
import type { HttpHandler, HttpHeaders, HttpRefusal, HttpRequest, HttpResponse } from '../../../env/http.ts';
import type { Fields } from '../fields.ts';
import { RequestBody } from '../request-body.ts';
import { discard, drainBytesMax } from '../respond.ts';
import { loopTurns } from '../turns.ts';
import { listBytesOf, readHead } from './fields.ts';
import type { Session } from './session.ts';
import { breakOff, headOf, send } from './stream-reply.ts';

const { NGHTTP2_NO_ERROR } = http2.constants;

/** The initial window of a stream, which nobody changes here. RFC 9113, 6.9.2. */
const windowBytes = 65_535;

/** For a client that still sends what nobody reads. */
const lingerMs = 500;

/** One stream of HTTP/2: a request and its response. */
export class StreamExchange implements HttpRequest {
  method = '';
  target = '';
  headers: Fields = {};
  fieldLines: readonly string[] = [];
  body: ByteStream = emptyBody;
  readonly version = '2';
  readonly stream: ServerHttp2Stream;
  readonly session: Session;
  readonly #raw: readonly string[];
  /** A response has been chosen. */
  waitedMs = 0;
  #answered = false;
  /** The response has left whole. */
  #complete = false;

  constructor(session: Session, stream: ServerHttp2Stream, raw: readonly string[]) {
    this.session = session;
    this.stream = stream;
    this.#raw = raw;
    stream.once('finish', () => {
      this.#complete = !stream.aborted;
      if (this.#complete) this.#leaveUnread();
    });
    stream.once('close', () => session.streamEnded(!this.#complete));
  }

  get remote(): string {
    return this.session.connection.address;
  }

  serve(): void {
    const { limits, handler } = this.session.ports;
    const listBytes = listBytesOf(this.#raw);
    this.session.budget.headers(listBytes);
    const head = listBytes > limits.headerBytesMax ? 'headers_too_large' : readHead(this.#raw, limits.headerFieldsMax);
    if (typeof head === 'string') {
      this.#refuse(head);
      return;
    }
    const { expect } = head.fields;
    if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
      this.#refuse('malformed');
      return;
    }
    this.method = head.method;
    this.target = head.target;
    this.headers = head.fields;
    this.fieldLines = head.lines;
    this.body = this.#bodyOf(expect !== undefined);
    const run = (waitedMs: number) => {
      this.waitedMs = waitedMs;
      this.#run(handler);
    };
    if (limits.isProbe?.(this.target) === true) loopTurns.takeProbe(run, this.remote);
    else loopTurns.take(run, this.remote);
  }

  #run(handler: HttpHandler): void {
    // Its client may have left while it waited for its turn.
    if (this.stream.destroyed) return;
    let result: HttpResponse | Promise<HttpResponse>;
    try {
      result = handler(this);
    } catch {
      this.#fail();
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (late) => this.#answer(late),
        () => this.#fail(),
      );
    } else this.#answer(result);
  }

  inform(status: number, headers: HttpHeaders): void {
    const { stream } = this;
    if (this.#answered || stream.headersSent || stream.destroyed || stream.closed) return;
    stream.additionalHeaders(headOf(status, headers));
  }

  #sendContinue(): boolean {
    this.inform(100, {});
    return true;
  }

  onAbort(callback: () => void): void {
    const { stream } = this;
    const left = () => {
      if (!this.#complete) callback();
    };
    if (stream.destroyed) queueMicrotask(left);
    else stream.once('close', left);
  }

  bodyTimedOut(): void {
    if (this.#answered) breakOff(this.stream, 'the body came too slowly');
    else this.#refuse('body_timeout');
  }

  #bodyOf(expectsContinue: boolean): ByteStream {
    const { stream, session } = this;
    // END_STREAM came with the fields: there is nothing to read.
    if (stream.endAfterHeaders) return emptyBody;
    // What comes for a body that nobody reads is no flood: it ends with the stream's window.
    stream.once('close', () => session.budget.data(windowBytes));
    return new RequestBody(
      stream,
      {
        watch: session.ports.watch,
        bodyTimedOut: () => this.bodyTimedOut(),
        arrived: (bytes) => session.budget.data(bytes),
      },
      expectsContinue ? () => this.#sendContinue() : undefined,
    );
  }

  /** A client that still sends gets to the response first, then NO_ERROR: it need not go on. RFC 9113, 8.1. */
  #leaveUnread(): void {
    const { stream } = this;
    if (stream.endAfterHeaders || stream.readableEnded) return;
    let drained = 0;
    stream.removeAllListeners('data');
    stream.on('data', (bytes: Uint8Array) => {
      drained += bytes.byteLength;
      if (drained > drainBytesMax) stream.pause();
    });
    stream.resume();
    const timer = setTimeout(() => stream.close(NGHTTP2_NO_ERROR), lingerMs);
    stream.once('close', () => clearTimeout(timer));
  }

  #answer(result: HttpResponse): void {
    const { stream } = this;
    if (this.#answered || stream.destroyed || stream.closed) {
      this.#answered = true;
      discard(result).catch(() => undefined); // The stream's owner has the error; here it has no reader any more.
      return;
    }
    this.#answered = true;
    try {
      send(this, result);
      if (result.closes === true) this.session.close();
    } catch {
      // A field that cannot be written is the handler's defect.
      if (!stream.headersSent) {
        this.#answered = false;
        this.#fail();
      } else breakOff(stream, 'the response failed');
    }
  }

  #refuse(reason: HttpRefusal): void {
    this.#answered = true;
    if (this.stream.destroyed || this.stream.closed) return;
    const { body, ...rest } = this.session.ports.limits.refusal(reason, this.remote);
    send(this, body instanceof Uint8Array ? { ...rest, body } : rest);
  }

  /** The handler broke its promise to answer. */
  #fail(): void {
    const { stream } = this;
    if (this.#answered || stream.destroyed || stream.closed) return;
    this.#answered = true;
    stream.respond({ ':status': 500, 'content-length': 0 }, { endStream: true });
  }
}
