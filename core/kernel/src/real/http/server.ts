import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type net from 'node:net';
import type { HttpHandler, HttpRefusal, HttpResponse, HttpServerLimits, TlsIdentity } from '../../env/http.ts';
import type { HttpListener, NetAddress } from '../../env/net.ts';
import { errorCode, SystemError } from '../../env/system-error.ts';
import { createRealClock } from '../clock.ts';
import type { RealNetOptions } from '../net.ts';
import type { Connection } from './connection.ts';
import { Connections } from './connections.ts';
import { Doors } from './doors.ts';
import { Exchange } from './exchange.ts';
import { type Fields, readFields } from './fields.ts';
import { Http2Port } from './h2/port.ts';
import { ProgressWatch } from './progress.ts';
import { discard, lingerAtEnd, respond, writeRaw } from './respond.ts';
import { renewIdentity, tlsOptions, wireTls } from './tls-port.ts';
import { loopTurns } from './turns.ts';

/** Requests that one connection may have sent ahead of their responses. */
const pipelinedMax = 64;
/** Of these, how many are handled at once: each may hold a piece of its response until its turn on the wire has come. */
const parallelMax = 4;

const connectionKey = Symbol('connection');
type Parse = (this: http.Server | https.Server, socket: net.Socket) => void;
type OwnedSocket = net.Socket & { [connectionKey]?: Connection };

export async function serveHttp(
  address: NetAddress,
  limits: HttpServerLimits,
  handler: HttpHandler,
  options: RealNetOptions,
): Promise<HttpListener> {
  const listener = new HttpServer(limits, handler, options.progressTickMs ?? 1000);
  await listener.listen(address, options.httpBeyondLoopback === true || limits.tls !== undefined);
  return listener;
}

class HttpServer implements HttpListener {
  address: NetAddress = { kind: 'tcp', host: '', port: 0 };
  readonly watch: ProgressWatch;
  readonly #limits: HttpServerLimits;
  readonly #handler: HttpHandler;
  readonly #server: http.Server | https.Server;
  readonly #doors: Doors;
  readonly #http2: Http2Port | undefined;
  readonly #connections: Connections;
  #closed: Promise<void> | undefined;

  constructor(limits: HttpServerLimits, handler: HttpHandler, progressTickMs: number) {
    this.#limits = limits;
    this.#handler = handler;
    this.watch = new ProgressWatch(createRealClock(), limits.progressBytesPerSecondMin, progressTickMs);
    this.#connections = new Connections(limits, this.watch, (connection) => {
      connection.watched = false;
      this.watch.remove(connection);
    });
    const options = parserOptions(limits);
    if (limits.tls === undefined) {
      this.#server = http.createServer(options);
      this.#wire(this.#server);
    } else {
      const server = https.createServer({ ...options, ...tlsOptions(limits.tls, limits.headerTimeMs) });
      this.#server = server;
      this.#http2 = new Http2Port({ limits, handler, watch: this.watch, progressTickMs });
      this.#wireTls(server, this.#http2);
    }
    this.#doors = new Doors(this.#server);
    // The parser keeps one more than allowed: dropping silently would hide a second Host.
    this.#server.maxHeadersCount = limits.headerFieldsMax + 1;
    this.#server.timeout = 0;
    this.#wireRequests();
  }

  async listen(address: NetAddress, beyondLoopback: boolean): Promise<void> {
    this.address = await this.#doors.listen(address, beyondLoopback);
  }

  renewIdentity(identity: TlsIdentity): void {
    if (!(this.#server instanceof https.Server)) throw new SystemError('EINVAL', 'this listener has no TLS');
    renewIdentity(this.#server, identity);
  }

  close(graceMs: number): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const { wire } of this.#connections) wire.destroy();
      }, graceMs);
      this.#doors.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#http2?.close();
      for (const connection of this.#connections) {
        if (connection.pending === 0 && !connection.isHttp2) connection.socket.destroySoon();
      }
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0);
  }

  #wire(server: http.Server): void {
    const [parse] = server.listeners('connection') as Parse[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: net.Socket) => {
      // Refused before there is a parser: a connection over the cap costs one write.
      if (this.#admit(socket) !== undefined) parse?.call(server, socket);
      else this.#refuseRaw('over_capacity', socket);
    });
  }

  #wireTls(server: https.Server, http2: Http2Port): void {
    const [parse] = server.listeners('secureConnection') as Parse[];
    wireTls(server, {
      admit: (wire) => {
        const admitted = this.#admit(wire) !== undefined;
        // Counted by whoever makes refusals; its words cannot be sent.
        if (!admitted) this.#limits.refusal('over_capacity', wire.remoteAddress ?? 'unix');
        return admitted;
      },
      http1: (socket: OwnedSocket, wire: OwnedSocket) => {
        const connection = wire[connectionKey] as Connection;
        socket[connectionKey] = connection;
        connection.socket = socket;
        parse?.call(server, socket);
      },
      http2: (socket, wire: OwnedSocket) => http2.take(socket, wire[connectionKey] as Connection),
    });
  }

  #wireRequests(): void {
    const server = this.#server;
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

  #admit(socket: OwnedSocket): Connection | undefined {
    const connection = this.#connections.admit(socket);
    if (connection === undefined) return undefined;
    socket[connectionKey] = connection;
    connection.onClose(() => this.watch.remove(connection));
    return connection;
  }

  #onRequest(message: IncomingMessage, response: ServerResponse, continueOwed: boolean): void {
    const connection = (message.socket as OwnedSocket)[connectionKey] as Connection;
    if (connection.refused) return;
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
    const target = this.#limits.absoluteForm === true ? originForm(message, fields) : (message.url as string);
    if (target.charCodeAt(0) !== 0x2f && !(target === '*' && message.method === 'OPTIONS')) {
      this.#refuse('malformed', connection, response);
      return;
    }
    if (connection.pending > pipelinedMax) {
      this.#refuse('over_capacity', connection, response);
      return;
    }
    const exchange = new Exchange(message, response, connection, fields, this, continueOwed, target);
    if (connection.running < parallelMax) this.#begin(exchange);
    else connection.later.push(() => this.#begin(exchange));
  }

  #begin(exchange: Exchange): void {
    exchange.connection.running++;
    const { address } = exchange.connection;
    const run = (waitedMs: number) => {
      exchange.waitedMs = waitedMs;
      this.#run(exchange);
    };
    if (this.#limits.isProbe?.(exchange.target) === true) loopTurns.takeProbe(run, address);
    else loopTurns.take(run, address);
  }

  #run(exchange: Exchange): void {
    const { connection } = exchange;
    if (connection.closed) {
      // Its client left while it waited for its turn.
      exchange.answered = true;
      connection.ran();
      return;
    }
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
      if (!exchange.answered) connection.ran();
      exchange.answered = true;
      discard(result).catch(() => undefined); // The stream's owner has the error; here it has no reader any more.
      return;
    }
    exchange.answered = true;
    if (this.#closed !== undefined || result.closes === true) exchange.response.shouldKeepAlive = false;
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
      connection.ran();
      const { restMs } = result;
      // Not before Node is done with the request: it reads on until it has all of it.
      if (restMs !== undefined && this.#limits.speaksForMany?.(connection.address) !== true) {
        exchange.response.once('finish', () => connection.rest(restMs));
      }
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
    connection.ran();
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
    connection.ran();
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
    connection.refused = true;
    connection.done();
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
    const code = errorCode(error);
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      // After a turn of the loop that was longer than the limit, the parser has not seen yet what came in time.
      const before = socket[connectionKey]?.newest;
      setImmediate(() => {
        if (!socket.destroyed && socket[connectionKey]?.newest === before) this.#refuseUnparsed(code, socket);
      });
    } else this.#refuseUnparsed(code, socket);
  }

  #refuseUnparsed(code: string | undefined, socket: OwnedSocket): void {
    const connection = socket[connectionKey];
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

function parserOptions(limits: HttpServerLimits) {
  return {
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
  };
}

/** What stands behind the authority of a target in absolute form; the authority replaces the Host field. */
function originForm(message: IncomingMessage, fields: Fields): string {
  const url = message.url as string;
  const match = /^https?:\/\/([^/?#@]+)([/?][^#]*)?$/i.exec(url);
  if (match === null) return url;
  fields.host = match[1] as string;
  const rest = match[2] ?? '';
  if (rest === '' && message.method === 'OPTIONS') return '*';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
