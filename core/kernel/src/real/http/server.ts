import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type net from 'node:net';
import type { HttpHandler, HttpRefusal, HttpResponse, HttpServerLimits } from '../../env/http.ts';
import type { Listener, NetAddress } from '../../env/net.ts';
import { errorCode } from '../../env/system-error.ts';
import { listenOn } from '../address.ts';
import { createRealClock } from '../clock.ts';
import type { RealNetOptions } from '../net.ts';
import { Connection } from './connection.ts';
import { Exchange } from './exchange.ts';
import { readFields } from './fields.ts';
import { ProgressWatch } from './progress.ts';
import { discard, lingerAtEnd, respond, writeRaw } from './respond.ts';

/** Requests that one connection may have sent ahead of their responses. */
const pipelinedMax = 64;

const connectionKey = Symbol('connection');
type OwnedSocket = net.Socket & { [connectionKey]?: Connection };

export async function serveHttp(
  address: NetAddress,
  limits: HttpServerLimits,
  handler: HttpHandler,
  options: RealNetOptions,
): Promise<Listener> {
  const listener = new HttpListener(limits, handler, options.progressTickMs ?? 1000);
  await listener.listen(address, options.httpBeyondLoopback ?? false);
  return listener;
}

class HttpListener implements Listener {
  address: NetAddress = { kind: 'tcp', host: '', port: 0 };
  readonly watch: ProgressWatch;
  readonly #limits: HttpServerLimits;
  readonly #handler: HttpHandler;
  readonly #server: http.Server;
  readonly #connections = new Set<Connection>();
  readonly #byAddress = new Map<string, number>();
  readonly #onDrained: (connection: Connection) => void;
  #closed: Promise<void> | undefined;

  constructor(limits: HttpServerLimits, handler: HttpHandler, progressTickMs: number) {
    this.#limits = limits;
    this.#handler = handler;
    this.watch = new ProgressWatch(createRealClock(), limits.progressBytesPerSecondMin, progressTickMs);
    this.#onDrained = (connection) => {
      connection.watched = false;
      this.watch.remove(connection);
    };
    this.#server = http.createServer({
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headerTimeMs,
      connectionsCheckingInterval: Math.max(10, Math.min(1000, Math.ceil(limits.headerTimeMs / 4))),
      keepAliveTimeout: limits.keepAliveIdleMs,
      keepAliveTimeoutBuffer: 0,
      // Bodies are judged by their progress: a whole-request timeout would end every large upload.
      requestTimeout: 0,
      // Checked here instead, so that the refusal has the envelope.
      requireHostHeader: false,
      noDelay: true,
    });
    // The parser keeps one more than allowed: dropping silently would hide a second Host.
    this.#server.maxHeadersCount = limits.headerFieldsMax + 1;
    this.#server.timeout = 0;
    this.#wire();
  }

  async listen(address: NetAddress, beyondLoopback: boolean): Promise<void> {
    this.address = await listenOn(this.#server, address, beyondLoopback);
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const { socket } of this.#connections) socket.destroy();
      }, graceMs);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      for (const connection of this.#connections) if (connection.pending === 0) connection.socket.destroySoon();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  #wire(): void {
    const server = this.#server;
    const [parse] = server.listeners('connection') as ((this: http.Server, socket: net.Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: net.Socket) => {
      // Refused before there is a parser: a connection over the cap costs one write.
      if (this.#admit(socket)) parse?.call(server, socket);
    });
    server.on('request', (message, response) => this.#onRequest(message, response, false));
    server.on('checkContinue', (message, response) => this.#onRequest(message, response, true));
    server.on('checkExpectation', (message: IncomingMessage, response: ServerResponse) => {
      const connection = (message.socket as OwnedSocket)[connectionKey] as Connection;
      connection.pending++;
      this.#refuse('malformed', connection, response);
    });
    server.on('connect', (_message, socket) => this.#refuseRaw('malformed', socket as net.Socket));
    server.on('clientError', (error, socket) => this.#onClientError(error, socket as OwnedSocket));
  }

  #admit(socket: OwnedSocket): boolean {
    const connection = new Connection(socket, this.#onDrained);
    const { address } = connection;
    const count = this.#byAddress.get(address) ?? 0;
    const perAddress = address === 'unix' ? Number.POSITIVE_INFINITY : this.#limits.connectionsPerAddressMax;
    if (this.#connections.size >= this.#limits.connectionsMax || count >= perAddress) {
      socket.on('error', () => undefined); // A refused client may reset: nothing is left to tell it.
      this.#refuseRaw('over_capacity', socket);
      return false;
    }
    socket[connectionKey] = connection;
    this.#connections.add(connection);
    this.#byAddress.set(address, count + 1);
    socket.once('close', () => {
      connection.close();
      this.#connections.delete(connection);
      this.watch.remove(connection);
      const left = (this.#byAddress.get(address) as number) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
    return true;
  }

  #onRequest(message: IncomingMessage, response: ServerResponse, continueOwed: boolean): void {
    const connection = (message.socket as OwnedSocket)[connectionKey] as Connection;
    connection.pending++;
    connection.newest = response;
    if (this.#closed !== undefined) response.shouldKeepAlive = false;
    // The parser also takes 0.9 and 2.0 on a request line; the rules about Host and lengths are those of 1.x alone.
    if (message.httpVersionMajor !== 1) {
      this.#refuse('malformed', connection, response);
      return;
    }
    const fields = readFields(message.rawHeaders, this.#limits.headerFieldsMax, message.httpVersionMinor > 0);
    if (typeof fields === 'string') {
      this.#refuse(fields, connection, response);
      return;
    }
    // Absolute and authority forms name a host a second time; only `OPTIONS *` has no path.
    const target = message.url as string;
    if (target.charCodeAt(0) !== 0x2f && !(target === '*' && message.method === 'OPTIONS')) {
      this.#refuse('malformed', connection, response);
      return;
    }
    if (connection.pending > pipelinedMax) {
      this.#refuse('over_capacity', connection, response);
      return;
    }
    const exchange = new Exchange(message, response, connection, fields, this, continueOwed);
    let result: HttpResponse | Promise<HttpResponse>;
    try {
      result = this.#handler(exchange);
    } catch {
      this.#fail(exchange);
      return;
    }
    if (result instanceof Promise) {
      result.then(
        (late) => this.#answer(exchange, late),
        () => this.#fail(exchange),
      );
    } else this.#answer(exchange, result);
  }

  #answer(exchange: Exchange, result: HttpResponse): void {
    const { connection } = exchange;
    if (exchange.answered || connection.closed) {
      if (!exchange.answered) connection.pending--;
      exchange.answered = true;
      discard(result).catch(() => undefined); // The stream's owner has the error; here it has no reader any more.
      return;
    }
    exchange.answered = true;
    if (this.#closed !== undefined) exchange.response.shouldKeepAlive = false;
    let sending: void | Promise<void>;
    try {
      sending = respond(exchange, result);
    } catch {
      // A header that cannot be written is the handler's defect; nothing of the response is out yet.
      exchange.answered = false;
      this.#fail(exchange);
      return;
    }
    if (sending === undefined) {
      connection.pending--;
      if (connection.unsent > 0) this.#watchReader(connection);
      return;
    }
    this.#watchReader(connection);
    sending.then(
      () => this.#streamed(connection),
      () => connection.socket.destroy(),
    );
  }

  #streamed(connection: Connection): void {
    connection.pending--;
    if (connection.unsent > 0) this.#watchReader(connection);
  }

  #watchReader(connection: Connection): void {
    if (connection.watched || connection.socket.destroyed) return;
    connection.watched = true;
    this.watch.add(connection);
  }

  bodyTimedOut(exchange: Exchange): void {
    if (exchange.answered || exchange.response.headersSent) {
      exchange.message.socket.destroy();
      return;
    }
    exchange.answered = true;
    this.#refuse('body_timeout', exchange.connection, exchange.response);
  }

  /** The handler broke its promise to answer. */
  #fail(exchange: Exchange): void {
    const { connection, response } = exchange;
    if (exchange.answered) return;
    exchange.answered = true;
    connection.pending--;
    if (response.headersSent || connection.closed) {
      connection.socket.destroy();
      return;
    }
    response.writeHead(500, { 'content-length': 0, connection: 'close' });
    response.end();
  }

  /** An answer in its turn on the connection, which then closes. */
  #refuse(reason: HttpRefusal, connection: Connection, response: ServerResponse): void {
    const result = this.#limits.refusal(reason, connection.address);
    connection.pending--;
    response.shouldKeepAlive = false;
    lingerAtEnd(connection.socket);
    const body = result.body instanceof Uint8Array ? result.body : new Uint8Array(0);
    response.writeHead(result.status, { ...result.headers, 'content-length': body.byteLength });
    response.end(body);
  }

  #refuseRaw(reason: HttpRefusal, socket: net.Socket): void {
    writeRaw(socket, this.#limits.refusal(reason, socket.remoteAddress ?? 'unix'));
  }

  #onClientError(error: Error, socket: OwnedSocket): void {
    const connection = socket[connectionKey];
    const code = errorCode(error);
    if (!socket.writable || code === 'ECONNRESET' || code === 'EPIPE') {
      socket.destroy();
      return;
    }
    // With responses under way, bytes put on the wire here would land in the middle of one of them.
    const newest = connection?.newest;
    const free = newest === undefined || (connection?.pending === 0 && newest.writableFinished);
    const onlyOne = connection?.pending === 1 && newest?.socket === socket && !newest.headersSent;
    if (!free && !onlyOne) {
      socket.destroy();
      return;
    }
    const reason: HttpRefusal =
      code === 'HPE_HEADER_OVERFLOW'
        ? 'headers_too_large'
        : code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? 'header_timeout'
          : 'malformed';
    this.#refuseRaw(reason, socket);
  }
}
