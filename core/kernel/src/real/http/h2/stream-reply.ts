import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { type ByteStream, lenderOf, ResidentBody } from '@ron/proto/stream';
import type { HttpHeaders, HttpResponse } from '../../../env/http.ts';
import type { Transfer } from '../progress.ts';
import type { StreamExchange } from './stream-exchange.ts';

/** Fields that speak about a connection of HTTP/1.1. RFC 9113, 8.2.2. */
const ofConnections: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

export function headOf(status: number, headers: HttpHeaders): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { ':status': status };
  for (const name in headers) {
    if (!ofConnections.has(name)) head[name] = headers[name] as string | number | string[];
  }
  return head;
}

/**
 * RST_STREAM, with INTERNAL_ERROR. Not `close`: node then ends the stream in all order, and a response that is cut short
 * looks complete.
 */
export function breakOff(stream: ServerHttp2Stream, why: string): void {
  stream.destroy(new Error(why));
}

/** Begins the response. Throws when its fields cannot be written. */
export function send(exchange: StreamExchange, result: HttpResponse): void {
  const { stream, session } = exchange;
  const head = headOf(result.status, result.headers);
  const body = result.body instanceof ResidentBody ? result.body.bytes : result.body;
  const bodiless = result.status === 204 || result.status === 304 || exchange.method === 'HEAD';
  if (body === undefined || body instanceof Uint8Array) {
    if (result.status !== 204 && result.status !== 304) head['content-length'] ??= body?.byteLength ?? 0;
    const empty = bodiless || body === undefined || body.byteLength === 0;
    stream.respond(head, { endStream: empty });
    if (!empty) void new Outflow(exchange).sendAll(body);
  } else {
    stream.respond(head, { endStream: bodiless });
    if (bodiless) void Promise.resolve(body[Symbol.asyncIterator]().return?.()).catch(() => undefined);
    else void new Outflow(exchange).sendStream(body, head['content-length'] as number | string | undefined);
  }
  session.watchReader();
}

/** A response's bytes on their way into the stream's window, a piece at a time: the client decides how fast. */
class Outflow implements Transfer {
  readonly #exchange: StreamExchange;
  readonly #stream: ServerHttp2Stream;
  readonly #pieceBytes: number;
  #moved = 0;
  #writing = false;

  constructor(exchange: StreamExchange) {
    const { watch, http2: limits } = exchange.session.ports;
    this.#exchange = exchange;
    this.#stream = exchange.stream;
    // Every stream of the connection at once stays within what the connection may have unsent.
    this.#pieceBytes = Math.max(1024, Math.floor(limits.unsentBytesMax / limits.streamsMax));
    watch.add(this, this.#pieceBytes);
    this.#stream.once('close', () => watch.remove(this));
  }

  moved(): number {
    return this.#moved;
  }

  waiting(): boolean {
    return this.#writing;
  }

  tooSlow(): void {
    breakOff(this.#stream, 'the response was not read');
  }

  async sendAll(bytes: Uint8Array): Promise<void> {
    const lastAt = Math.floor((bytes.byteLength - 1) / this.#pieceBytes) * this.#pieceBytes;
    if (lastAt > 0 && !(await this.#write(bytes.subarray(0, lastAt)))) return;
    // The end goes with the last piece: a small response is two frames.
    this.#writing = true;
    this.#stream.end(bytes.subarray(lastAt));
  }

  async sendStream(body: ByteStream, declared: number | string | undefined): Promise<void> {
    const stream = this.#stream;
    const iterator = body[Symbol.asyncIterator]();
    const lender = lenderOf(body);
    // A source that waits for its next event would otherwise never learn that nobody listens.
    this.#exchange.onAbort(() => void Promise.resolve(iterator.return?.()).catch(() => undefined));
    let sent = 0;
    try {
      for (;;) {
        const step = await iterator.next();
        if (stream.closed || stream.destroyed) return;
        if (step.done === true) break;
        sent += step.value.byteLength;
        if (declared !== undefined && sent > Number(declared)) break;
        if (!(await this.#write(step.value))) return;
        lender?.giveBack(step.value);
      }
    } catch {
      // The source's own failure; who made the stream has logged it. The client sees a response that breaks off.
      breakOff(stream, 'the source failed');
      return;
    }
    if (declared !== undefined && sent !== Number(declared)) breakOff(stream, 'not the declared length');
    else stream.end();
  }

  /** False when the stream ended before the system had taken all of it. */
  async #write(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.byteLength; at += this.#pieceBytes) {
      if (!(await this.#writePiece(bytes.subarray(at, at + this.#pieceBytes)))) return false;
    }
    return true;
  }

  #writePiece(piece: Uint8Array): Promise<boolean> {
    const stream = this.#stream;
    if (stream.closed || stream.destroyed) return Promise.resolve(false);
    this.#writing = true;
    this.#exchange.session.watchReader();
    return new Promise((resolve) => {
      const done = (taken: boolean) => {
        this.#writing = false;
        stream.off('close', left);
        resolve(taken);
      };
      const left = () => done(false);
      stream.once('close', left);
      stream.write(piece, (error) => {
        if (error === undefined || error === null) this.#moved += piece.byteLength;
        done(error === undefined || error === null);
      });
    });
  }
}
