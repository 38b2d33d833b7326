import tls from 'node:tls';

export const [DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const;
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const waitMs = 20_000;

/** One frame by RFC 9113, section 4.1; the length may lie. */
export function h2Frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields, never indexed, without Huffman coding (RFC 7541, section 6.2.3): shorter than 127 bytes each. */
export function h2Fields(pairs: Readonly<Record<string, string>>): Buffer {
  const word = (text: string) => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
  return Buffer.concat(Object.entries(pairs).flatMap(([name, value]) => [Buffer.of(0x10), word(name), word(value)]));
}

export const h2Get = (target: string): Buffer =>
  h2Fields({ ':method': 'GET', ':scheme': 'https', ':authority': 'n', ':path': target });

/** A client of HTTP/2 that sends the frames that it is told, and counts what comes. */
export class RawH2 implements Disposable {
  readonly socket: tls.TLSSocket;
  /** Frames heard, by type. */
  readonly heard = new Map<number, number>();
  goaway: number | undefined;
  readonly #closed: Promise<void>;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: tls.TLSSocket) {
    this.socket = socket;
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined); // A flood ends with a reset: the close tells it.
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  static async connect(port: number, local: { readonly localAddress?: string } = {}): Promise<RawH2> {
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      ...local,
    } as tls.ConnectionOptions);
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    if (socket.alpnProtocol !== 'h2') throw new Error(`the server speaks ${socket.alpnProtocol}`);
    const client = new RawH2(socket);
    client.say(Buffer.from(preface), h2Frame(SETTINGS, 0, 0));
    return client;
  }

  say(...pieces: Uint8Array[]): this {
    if (this.socket.writable) this.socket.write(Buffer.concat(pieces));
    return this;
  }

  get open(): boolean {
    return !this.socket.destroyed;
  }

  /** Whether the server ended it within so many milliseconds. */
  async endsWithin(ms = waitMs): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const ended = await Promise.race([this.#closed.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      const type = this.#rest[3]!;
      this.heard.set(type, (this.heard.get(type) ?? 0) + 1);
      if (type === GOAWAY) this.goaway = this.#rest.readUInt32BE(13);
      this.#rest = this.#rest.subarray(9 + length);
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
