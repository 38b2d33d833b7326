import net from 'node:net';

export interface RawReply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Only ends a wait for what will not come. */
const waitMs = 40_000;

/** A client that says exactly what it is told and reads what comes, by nobody's rules but RFC 9112's framing. */
export class RawHttp implements Disposable {
  readonly socket: net.Socket;
  #heard: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(port: number, options: { readonly localAddress?: string } = {}) {
    this.socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true, ...options });
    this.socket.on('data', (bytes: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, bytes]);
      this.#wake?.();
    });
    for (const event of ['end', 'close', 'error'] as const) {
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  get heardBytes(): number {
    return this.#heard.length;
  }

  say(words: string | Uint8Array): this {
    if (this.socket.writable) this.socket.write(typeof words === 'string' ? Buffer.from(words, 'latin1') : words);
    return this;
  }

  /** Writes a large body as fast as it is taken; false when the server closed first. */
  async pour(piece: Uint8Array, times: number): Promise<boolean> {
    for (let i = 0; i < times; i++) {
      if (this.#ended || !this.socket.writable) return false;
      if (!this.socket.write(piece)) await this.#until(() => this.#ended || this.socket.writableLength === 0, true);
    }
    return true;
  }

  /** The next complete response. Rejects when the connection ends before one. */
  async reply(head = false): Promise<RawReply> {
    for (;;) {
      const parsed = parseReply(this.#heard, this.#ended, head);
      if (parsed !== undefined) {
        this.#heard = this.#heard.subarray(parsed.bytes);
        return parsed.reply;
      }
      if (this.#ended)
        throw new Error(`the connection ended after ${JSON.stringify(this.#heard.toString('latin1', 0, 300))}`);
      await this.#more();
    }
  }

  /** Resolves when the server has closed. */
  async end(): Promise<void> {
    await this.#until(() => this.#ended, false);
  }

  async #until(done: () => boolean, drains: boolean): Promise<void> {
    const wake = () => this.#wake?.();
    if (drains) this.socket.once('drain', wake);
    while (!done()) await this.#more();
    this.socket.off('drain', wake);
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the server said nothing for 40 s')), waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function parseReply(bytes: Buffer, ended: boolean, isHead: boolean): { reply: RawReply; bytes: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [statusLine, ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine ?? '')?.[1]);
  if (!(status >= 100)) throw new Error(`not a status line: ${statusLine}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const bodyAt = headEnd + 4;
  if (isHead || status < 200 || status === 204 || status === 304) {
    return { reply: { status, headers, body: Buffer.alloc(0) }, bytes: bodyAt };
  }
  if (headers['content-length'] === undefined) {
    return ended ? { reply: { status, headers, body: bytes.subarray(bodyAt) }, bytes: bytes.length } : undefined;
  }
  const end = bodyAt + Number(headers['content-length']);
  if (bytes.length < end) return undefined;
  return { reply: { status, headers, body: bytes.subarray(bodyAt, end) }, bytes: end };
}

/** Sends one message as raw bytes and takes the answer; the connection is gone afterwards. */
export async function exchange(port: number, message: string | Uint8Array): Promise<RawReply> {
  using client = new RawHttp(port);
  client.say(message);
  return await client.reply();
}

export interface RequestParts {
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A well-formed request with `Connection: close`. */
export function requestBytes({ method = 'GET', target, headers = {}, body }: RequestParts): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body ?? '');
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: node', 'Connection: close'];
  if (body !== undefined) lines.push(`Content-Length: ${bytes.length}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
}

export async function ask(port: number, parts: RequestParts): Promise<RawReply> {
  using client = new RawHttp(port);
  client.say(requestBytes(parts));
  const reply = await client.reply(parts.method === 'HEAD');
  await client.end();
  return reply;
}
