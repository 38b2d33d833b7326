import net from 'node:net';

/** What came back. `body` is kept only when it was asked for or when the status is no success. */
export interface Reply {
  readonly status: number;
  readonly bodyBytes: number;
  readonly body: string;
}

export type Ending = { readonly reply: Reply } | { readonly failure: string; readonly heard: boolean };

/** Bodies longer than this are counted and not kept. */
const keptBytesMax = 64 * 1_024;
const headBytesMax = 32 * 1_024;
/** One for all sockets: libuv reads and calls back in one go. */
const shared = Buffer.allocUnsafe(256 * 1_024);

/** HTTP/1.1 with one request at a time, as lean as a raw socket allows: bodies are counted in a buffer that all share. */
export class Connection {
  readonly #socket: net.Socket;
  readonly #onIdle: (connection: Connection) => void;
  readonly #onClosed: (connection: Connection) => void;
  #done: ((ending: Ending) => void) | undefined;
  #keepsBody = false;
  #head = '';
  #status = 0;
  #bodyLeft = -1;
  #bodyBytes = 0;
  #body = '';
  #closes = false;
  #heard = false;
  /** Answers so far: a connection that has answered before may have been closed while it was idle. */
  answers = 0;
  /** Of the monotonic clock; kept by the pool. */
  idleSinceMs = 0;
  /** Milliseconds at which the request in flight was due. */
  dueMs = 0;

  constructor(options: {
    readonly host: string;
    readonly port: number;
    readonly localAddress: string | undefined;
    readonly onIdle: (connection: Connection) => void;
    readonly onClosed: (connection: Connection) => void;
  }) {
    const { host, port, localAddress, onIdle, onClosed } = options;
    this.#onIdle = onIdle;
    this.#onClosed = onClosed;
    const onread = { buffer: shared, callback: (length: number) => this.#read(length) };
    this.#socket = net.connect({ host, port, noDelay: true, onread, ...(localAddress ? { localAddress } : {}) });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? 'error'));
    this.#socket.on('close', () => {
      // First, so that there is room for whoever is told.
      this.#onClosed(this);
      this.#end('closed');
    });
  }

  get busy(): boolean {
    return this.#done !== undefined;
  }

  /** The server said that it closes after the last answer. */
  get closing(): boolean {
    return this.#closes || this.#socket.destroyed;
  }

  /** Also before it is connected: the socket keeps what is written. */
  send(bytes: string | Uint8Array, keepsBody: boolean, done: (ending: Ending) => void): void {
    this.#done = done;
    this.#keepsBody = keepsBody;
    this.#head = '';
    this.#bodyLeft = -1;
    this.#bodyBytes = 0;
    this.#body = '';
    this.#heard = false;
    if (typeof bytes === 'string') this.#socket.write(bytes, 'latin1');
    else this.#socket.write(bytes);
  }

  /** The request in flight fails with `why`. */
  destroy(why: string): void {
    this.#end(why);
    this.#socket.destroy();
  }

  #read(length: number): boolean {
    let at = 0;
    if (this.#done === undefined) {
      this.#socket.destroy();
      return true;
    }
    this.#heard = true;
    if (this.#bodyLeft < 0) {
      const text = this.#head + shared.toString('latin1', 0, Math.min(length, headBytesMax));
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#head = text;
        if (text.length >= headBytesMax) this.destroy('a head without an end');
        return true;
      }
      at = end + 4 - this.#head.length;
      if (!this.#begin(text.slice(0, end))) return true;
    }
    const taken = Math.min(this.#bodyLeft, length - at);
    if (this.#keepsBody || this.#status >= 300) {
      if (this.#body.length < keptBytesMax) this.#body += shared.toString('latin1', at, at + taken);
    }
    this.#bodyLeft -= taken;
    this.#bodyBytes += taken;
    if (at + taken < length) this.destroy('bytes after the answer');
    else if (this.#bodyLeft === 0) this.#complete();
    return true;
  }

  /** False when this is no answer that can be counted. */
  #begin(head: string): boolean {
    this.#status = Number(head.slice(9, 12));
    if (!head.startsWith('HTTP/1.1 ') || !(this.#status >= 200)) {
      this.destroy('not an answer of HTTP/1.1');
      return false;
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const isEmpty = this.#status === 204 || this.#status === 304;
    if (length === undefined && !isEmpty) {
      this.destroy('an answer without Content-Length');
      return false;
    }
    this.#bodyLeft = isEmpty ? 0 : Number(length);
    this.#closes = /\r\nconnection: *close/i.test(head);
    return true;
  }

  #complete(): void {
    const done = this.#done!;
    this.#done = undefined;
    this.answers += 1;
    const reply = { status: this.#status, bodyBytes: this.#bodyBytes, body: this.#body };
    if (this.#closes) this.#socket.destroy();
    done({ reply });
    // `done` may have sent the next request already.
    if (!this.#closes && this.#done === undefined) this.#onIdle(this);
  }

  #end(why: string): void {
    const done = this.#done;
    this.#done = undefined;
    done?.({ failure: why, heard: this.#heard });
  }
}
