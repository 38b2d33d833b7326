import { ResidentBody } from '@ron/proto/stream';
import type { HttpHeaders } from '../../env/http.ts';
import type { HttpClientDeadlines, HttpClientRequest, HttpClientResponse, HttpOrigin } from '../../env/http-client.ts';
import { errorCode, SystemError } from '../../env/system-error.ts';
import { ClientBody } from './client-body.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ClientPool, PoolUser } from './client-pool.ts';
import type { ProgressWatch } from './progress.ts';
import { composeHead, type RequestHead } from './request-head.ts';
import { type ResponseEvents, type ResponseHead, ResponseParser } from './response-parser.ts';
import { Upload } from './upload.ts';

export interface ExchangeOwner {
  readonly origin: HttpOrigin;
  readonly pool: ClientPool;
  readonly watch: ProgressWatch;
  readonly deadlines: HttpClientDeadlines;
  readonly headerBytesMax: number;
}

/** A kept connection ended without one byte of an answer. */
export class StaleConnection extends Error {
  override readonly name = 'StaleConnection';
}

/** One request and what the origin says to it. */
export class ClientExchange implements PoolUser, ResponseEvents {
  readonly response: Promise<HttpClientResponse>;
  readonly #owner: ExchangeOwner;
  readonly #request: HttpClientRequest;
  readonly #head: RequestHead;
  readonly #parser: ResponseParser;
  readonly #abort: (() => void) | undefined;
  #connection: ClientConnection | undefined;
  #upload: Upload | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heard = false;
  /** The head has been handed out, or a failure. */
  #settled = false;
  #over = false;
  #answer: ResponseHead | undefined;
  #body: ClientBody | undefined;
  #trailers: HttpHeaders = {};
  #resolve!: (response: HttpClientResponse) => void;
  #reject!: (error: Error) => void;

  /** Throws what is wrong with the request itself. */
  constructor(owner: ExchangeOwner, request: HttpClientRequest, fresh: boolean) {
    this.#owner = owner;
    this.#request = request;
    this.#head = composeHead(request, owner.origin);
    this.#parser = new ResponseParser(request.method, owner.headerBytesMax, this);
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal } = request;
    if (signal !== undefined) {
      this.#abort = () => this.failed(new SystemError('ECANCELED', 'the request was given up'));
      if (signal.aborted) {
        this.#abort();
        return;
      }
      signal.addEventListener('abort', this.#abort, { once: true });
    }
    try {
      owner.pool.take(this, fresh);
    } catch (refusal) {
      this.#end();
      throw refusal;
    }
    if (this.#connection?.isConnected !== true) this.#wait(this.#deadlines.connectMs, 'no connection');
  }

  get #deadlines(): HttpClientDeadlines {
    const { deadlines } = this.#request;
    return deadlines === undefined ? this.#owner.deadlines : { ...this.#owner.deadlines, ...deadlines };
  }

  given(connection: ClientConnection): void {
    this.#connection = connection;
  }

  connected(): void {
    const { socket } = this.#connection as ClientConnection;
    const { body } = this.#request;
    socket.write(this.#head.text, 'latin1');
    if (body === undefined) {
      this.#awaitHead();
      return;
    }
    this.#upload = new Upload(socket, body, this.#head, this.#owner.watch, {
      moving: () => clearTimeout(this.#timer),
      // An upload takes as long as it makes progress: the header's time runs from its end.
      finished: () => this.#awaitHead(),
      failed: (error) => this.failed(error),
    });
    this.#awaitHead();
    this.#upload.start();
  }

  received(bytes: Buffer): void {
    this.#heard = true;
    let taken: number;
    try {
      taken = this.#parser.take(bytes);
    } catch (broken) {
      this.failed(broken as Error);
      return;
    }
    this.#handOut();
    // More than was asked for: nobody knows what it answers.
    if (this.#over) this.#release(taken === bytes.byteLength);
  }

  ended(): void {
    const whole = this.#parser.close();
    this.#handOut();
    if (whole) this.#release(false);
    else this.failed(new SystemError('ECONNRESET', 'the origin hung up'));
  }

  failed(error: Error): void {
    if (this.#over) return;
    this.#end();
    this.#owner.pool.forget(this);
    this.#body?.fail(error);
    if (!this.#settled) this.#fail(error);
    this.#upload?.stop();
    this.#connection?.destroy();
  }

  informed(status: number, headers: HttpHeaders): void {
    if (status === 100) this.#upload?.proceed();
    else this.#request.onInform?.(status, headers);
  }

  answered(head: ResponseHead): void {
    clearTimeout(this.#timer);
    this.#upload?.answered();
    this.#answer = head;
    const { socket } = this.#connection as ClientConnection;
    this.#body = new ClientBody(socket, this.#owner.watch, head.length);
  }

  content(bytes: Buffer): void {
    this.#body?.take(bytes);
  }

  /** Of the message. */
  over(trailers: HttpHeaders): void {
    this.#trailers = trailers;
    this.#body?.end();
    this.#end();
  }

  /** After all that came with it has been read: what is there already need not be waited for. */
  #handOut(): void {
    const head = this.#answer;
    const body = this.#body;
    if (head === undefined || body === undefined || this.#settled) return;
    this.#settled = true;
    const { whole } = body;
    if (whole === undefined) body.watch();
    this.#resolve({
      status: head.status,
      version: head.version,
      headers: head.headers,
      body: whole === undefined ? body : new ResidentBody(whole),
      trailers: () => this.#trailers,
    });
  }

  #release(clean: boolean): void {
    const connection = this.#connection as ClientConnection;
    const { persists, headers } = this.#answer as ResponseHead;
    if (clean && persists && (this.#upload === undefined || this.#upload.isComplete)) {
      this.#owner.pool.giveBack(connection, keptMs(headers));
      return;
    }
    this.#upload?.stop();
    connection.destroy();
  }

  #awaitHead(): void {
    this.#wait(this.#deadlines.headerMs, 'no response');
  }

  #wait(ms: number, what: string): void {
    clearTimeout(this.#timer);
    if (this.#answer !== undefined || this.#over) return;
    this.#timer = setTimeout(() => this.failed(new SystemError('ETIMEDOUT', `${what} within ${ms} ms`)), ms);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    if (this.#abort !== undefined) this.#request.signal?.removeEventListener('abort', this.#abort);
  }

  #fail(error: Error): void {
    this.#settled = true;
    if (error instanceof SystemError && error.code !== 'ECONNRESET') {
      this.#reject(error);
      return;
    }
    const code = errorCode(error) ?? 'ECONNRESET';
    const failure = new SystemError(
      code.startsWith('ERR_') ? 'EPROTO' : code,
      `the origin gave no response (${code})`,
      {
        cause: error,
      },
    );
    const hungUp = code === 'ECONNRESET' || code === 'EPIPE';
    const stale = (this.#connection?.uses ?? 0) > 1 && hungUp && !this.#heard;
    this.#reject(stale ? new StaleConnection('a kept connection was closed', { cause: failure }) : failure);
  }
}

/** For how long the origin says that it keeps the connection, less a second for the way. */
function keptMs(headers: HttpHeaders): number | undefined {
  const seconds = /(?:^|[\s,])timeout=(\d{1,6})/i.exec(String(headers['keep-alive'] ?? ''))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000 - 1000;
}
