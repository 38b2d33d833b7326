import net from 'node:net';
import type { HttpHandler, HttpRefusal, HttpRequest, HttpServerLimits } from '../../env/http.ts';
import type { HttpListener, Listener } from '../../env/net.ts';
import { createRealNet, type RealNetOptions } from '../net.ts';

/** For the tests of this folder: a server with the project's limits, and a client that can misbehave. */
export const text = (value: string) => new TextEncoder().encode(value);
export const refusals: HttpRefusal[] = [];
export const refusalStatus: Record<HttpRefusal, number> = {
  malformed: 400,
  two_hosts: 400,
  headers_too_large: 431,
  header_timeout: 408,
  body_timeout: 408,
  over_capacity: 503,
};

export const limits: HttpServerLimits = {
  headerBytesMax: 16_384,
  headerFieldsMax: 100,
  headerTimeMs: 5000,
  keepAliveIdleMs: 5000,
  connectionsMax: 1024,
  connectionsPerAddressMax: 64,
  progressBytesPerSecondMin: 1024,
  refusal(reason) {
    refusals.push(reason);
    const headers = { 'content-type': 'application/json' };
    return { status: refusalStatus[reason], headers, body: text(`{"code":"${reason}"}`) };
  },
};

export const anyPort = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
const open: (Listener | net.Socket)[] = [];

/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const each of open.splice(0)) {
    if (each instanceof net.Socket) each.destroy();
    else await each.close(0);
  }
  refusals.length = 0;
}

export async function listen(
  handler: HttpHandler,
  changes: Partial<HttpServerLimits> = {},
  options: RealNetOptions = {},
): Promise<{ port: number; listener: HttpListener }> {
  const listener = await createRealNet(options).serveHttp(anyPort, { ...limits, ...changes }, handler);
  open.push(listener);
  return { listener, port: listener.address.kind === 'tcp' ? listener.address.port : 0 };
}

/** The port. */
export async function serve(
  handler: HttpHandler,
  changes: Partial<HttpServerLimits> = {},
  options: RealNetOptions = {},
): Promise<number> {
  return (await listen(handler, changes, options)).port;
}

export const hello: HttpHandler = () => ({
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body: text('hello'),
});

export async function readAll(request: HttpRequest): Promise<number> {
  let total = 0;
  for await (const piece of request.body) total += piece.byteLength;
  return total;
}

/** A client that says exactly what it is told and keeps everything that it hears. */
export class RawClient {
  readonly socket: net.Socket;
  heard = '';
  #wake: (() => void) | undefined;
  ended = false;

  constructor(port: number) {
    this.socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    open.push(this.socket);
    this.socket.on('data', (bytes) => this.#changed(bytes.toString('latin1')));
    this.socket.on('end', () => this.#changed('', true));
    this.socket.on('close', () => this.#changed('', true));
    this.socket.on('error', () => this.#changed('', true));
  }

  say(words: string | Uint8Array): this {
    this.socket.write(words);
    return this;
  }

  async until(condition: (heard: string) => boolean): Promise<string> {
    while (!condition(this.heard)) {
      if (this.ended) throw new Error(`the connection ended after ${JSON.stringify(this.heard.slice(0, 500))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.heard;
  }

  untilEnd(): Promise<string> {
    return this.until(() => this.ended);
  }

  #changed(more: string, ended = false): void {
    this.heard += more;
    this.ended ||= ended;
    this.#wake?.();
  }
}
