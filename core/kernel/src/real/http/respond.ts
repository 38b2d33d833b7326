import { type ServerResponse, STATUS_CODES } from 'node:http';
import type net from 'node:net';
import { type ByteStream, lenderOf, ResidentBody } from '@ron/proto/stream';
import type { HttpHeaders, HttpResponse } from '../../env/http.ts';
import type { Exchange } from './exchange.ts';
import type { Transfer } from './progress.ts';
import { RequestBody } from './request-body.ts';
import { transferTurns, turnBytes } from './transfer-turns.ts';

/** What is read of a body that nobody wanted, so that the client gets to the response. */
export const drainBytesMax = 64 * 1024;
/** How long a connection stays half open for a client that is still sending. */
const lingerMs = 500;

/** Sends a response; resolves (or returns) when its last byte was handed to the socket. */
export function respond(exchange: Exchange, result: HttpResponse): void | Promise<void> {
  const body = result.body instanceof ResidentBody ? result.body.bytes : result.body;
  if (body === undefined || body instanceof Uint8Array) {
    if (body !== undefined && body.byteLength > turnBytes && exchange.method !== 'HEAD') {
      const headers = { ...result.headers };
      headers['content-length'] ??= body.byteLength;
      return sendStream(exchange, { status: result.status, headers }, slicesOf(body));
    }
    leaveUnread(exchange);
    sendResident(exchange.response, result, body);
    return;
  }
  if (exchange.method === 'HEAD') {
    leaveUnread(exchange);
    exchange.response.writeHead(result.status, flatten(result.headers));
    exchange.response.end();
    return abandon(body);
  }
  return sendStream(exchange, result, body);
}

function sendResident(response: ServerResponse, result: HttpResponse, body: Uint8Array | undefined): void {
  const { status, headers } = result;
  const flat = flatten(headers);
  if (status !== 204 && status !== 304 && headers['content-length'] === undefined) {
    flat.push('content-length', body === undefined ? 0 : body.byteLength);
  }
  // Head and body leave in one write: `end` corks the socket.
  response.writeHead(status, flat);
  response.end(body);
}

/** Names and values in turn: `writeHead` takes this form as it is, and the handler's object stays untouched. */
export function flatten(headers: HttpHeaders): (string | number)[] {
  const flat: (string | number)[] = [];
  for (const name in headers) {
    const value = headers[name] as string | number | readonly string[];
    if (typeof value === 'string' || typeof value === 'number') flat.push(name, value);
    else for (const line of value) flat.push(name, line);
  }
  return flat;
}

async function* slicesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += turnBytes) yield bytes.subarray(at, at + turnBytes);
}

async function sendStream(exchange: Exchange, result: HttpResponse, body: ByteStream): Promise<void> {
  const { response } = exchange;
  const socket = exchange.message.socket;
  const declared = result.headers['content-length'];
  const iterator = body[Symbol.asyncIterator]();
  const lender = lenderOf(body);
  let left = false;
  // A source that waits for its next event would otherwise never learn that nobody listens.
  exchange.onAbort(() => {
    left = true;
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  });
  let sent = 0;
  let sentAtTurn = 0;
  try {
    response.writeHead(result.status, flatten(result.headers));
    if (declared === undefined) response.flushHeaders();
    for (;;) {
      const step = await iterator.next();
      if (left || step.done === true) break;
      sent += step.value.byteLength;
      if (declared !== undefined && sent > Number(declared)) break;
      if (step.value.byteLength > 0 && !response.write(step.value)) await writable(exchange);
      if (left) break;
      // Nothing waits in this process: the system has its own copy.
      if (response.writableLength === 0) lender?.giveBack(step.value);
      if (sent - sentAtTurn >= turnBytes) {
        sentAtTurn = sent;
        await transferTurns.next();
        if (left) break;
      }
    }
  } catch {
    // The source's own failure; who made the stream has logged it. The client sees a response that breaks off.
    socket.destroy();
    return;
  }
  if (left) return;
  if (declared !== undefined && sent !== Number(declared)) {
    socket.destroy();
    return;
  }
  if (leaveUnread(exchange)) response.once('finish', () => socket.destroySoon());
  response.end();
}

function writable({ connection, response, watch }: Exchange): Promise<void> {
  return new Promise((resolve) => {
    if (connection.closed) return resolve();
    // The watch lets go of a connection whose source is silent: its reader is judged again from here on.
    if (!connection.watched) {
      connection.watched = true;
      watch.add(connection);
    }
    const done = () => {
      response.removeListener('drain', done);
      forget();
      resolve();
    };
    const forget = connection.onClose(done);
    response.on('drain', done);
  });
}

async function abandon(body: ByteStream): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

/** A result that comes after another one was sent. */
export async function discard(result: HttpResponse): Promise<void> {
  if (result.body !== undefined && !(result.body instanceof Uint8Array)) await abandon(result.body);
}

/** Deals with a body that the handler did not read. True when the connection cannot be used again. */
function leaveUnread(exchange: Exchange): boolean {
  const { body, message, response } = exchange;
  if (!(body instanceof RequestBody) || body.finished || message.complete) return false;
  const length = exchange.headers['content-length'];
  const left = length === undefined ? Number.POSITIVE_INFINITY : Number(length) - body.moved();
  const mustClose = body.continueOwed || left > drainBytesMax;
  let drained = 0;
  message.removeAllListeners('data');
  message.on('error', () => undefined); // A client that leaves now takes nothing with it.
  message.on('data', (bytes: Uint8Array) => {
    drained += bytes.byteLength;
    if (drained > drainBytesMax) message.pause();
  });
  message.resume();
  const rest: Transfer = {
    moved: () => drained,
    waiting: () => true,
    tooSlow: () => message.socket.destroy(),
  };
  exchange.watch.add(rest);
  const over = () => {
    exchange.watch.remove(rest);
    forget();
  };
  const forget = exchange.connection.onClose(over);
  message.once('end', over);
  if (mustClose) {
    response.shouldKeepAlive = false;
    lingerAtEnd(message.socket);
  }
  return mustClose;
}

/** Closing a socket with unread bytes resets it, and a reset may overtake the response. */
export function lingerAtEnd(socket: net.Socket): void {
  let ending = false;
  socket.destroySoon = () => {
    if (ending) return;
    ending = true;
    socket.end();
    // After a turn of the loop that was longer, what the client did in time is seen first.
    const timer = setTimeout(() => setImmediate(() => socket.destroy()), lingerMs);
    timer.unref();
    socket.once('end', () => socket.destroy());
    socket.once('close', () => clearTimeout(timer));
  };
}

/** A response for a connection whose requests cannot be parsed any more. */
export function writeRaw(socket: net.Socket, result: HttpResponse): void {
  // Such a socket may have nobody else who listens, and its client may be gone: nothing is left to tell it.
  socket.on('error', () => undefined);
  const body = result.body instanceof ResidentBody ? result.body.bytes : result.body;
  const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
  let head = `HTTP/1.1 ${result.status} ${STATUS_CODES[result.status] ?? ''}\r\n`;
  const flat = flatten(result.headers);
  for (let i = 0; i < flat.length; i += 2) head += `${flat[i]}: ${flat[i + 1]}\r\n`;
  head += `date: ${new Date().toUTCString()}\r\ncontent-length: ${bytes.byteLength}\r\nconnection: close\r\n\r\n`;
  socket.cork();
  socket.write(head, 'latin1');
  socket.write(bytes);
  socket.uncork();
  lingerAtEnd(socket);
  socket.destroySoon();
}
