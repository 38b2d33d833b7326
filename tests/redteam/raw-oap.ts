import net from 'node:net';

/** One frame as the specification describes it; every field may lie. */
export interface RawFrame {
  readonly len?: number;
  readonly version?: number;
  readonly flags?: number;
  readonly code?: number;
  readonly app?: number;
  readonly capabilityBytes?: number;
  readonly stream?: number | bigint;
  readonly capability?: string | Uint8Array;
  readonly payload?: string | Uint8Array;
}

export interface HeardFrame {
  readonly flags: number;
  readonly code: number;
  readonly app: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const [REQ, RESP, EVENT, START, END, ACK_REQ, COMP, APP_E2E] = [1, 2, 4, 8, 16, 32, 64, 128];
export const oneShot = REQ | START | END;
export const gatewayApp = 0x0501;
export const storageApp = 0x0301;
/** Only ends a wait for what will not come. */
const waitMs = 40_000;

/** Written from the specification's text, not with the product's encoder. */
export function frame(fields: RawFrame): Buffer {
  const capability = Buffer.from(fields.capability ?? '');
  const payload = Buffer.from(fields.payload ?? '');
  const head = Buffer.alloc(37);
  head.writeUInt32LE(fields.len ?? 33 + capability.length + payload.length, 0);
  head.writeUInt8(fields.version ?? 1, 4);
  head.writeUInt16LE(fields.flags ?? 0, 5);
  head.writeUInt16LE(fields.code ?? 0, 7);
  head.writeUInt16LE(fields.app ?? 0, 9);
  head.writeUInt16LE(fields.capabilityBytes ?? capability.length, 27);
  head.writeBigUInt64LE(BigInt(fields.stream ?? 0), 29);
  return Buffer.concat([head, capability, payload]);
}

/** `hdr_len | header | body`. */
export function payloadOf(header: object | string, body: string | Uint8Array = ''): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(2);
  length.writeUInt16LE(json.length);
  return Buffer.concat([length, json, Buffer.from(body)]);
}

export const probe = frame({});
export const hello = (more: object = {}) =>
  frame({ flags: oneShot, payload: JSON.stringify({ proto: 'OAP/1', ...more }) });

/** A client that says exactly what it is told and decodes what it hears by the specification's table. */
export class RawOap implements Disposable {
  readonly socket: net.Socket;
  readonly frames: HeardFrame[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(port: number) {
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (bytes: Buffer) => this.#take(bytes));
    for (const event of ['end', 'close', 'error'] as const) {
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  say(...pieces: Uint8Array[]): this {
    if (this.socket.writable) this.socket.write(Buffer.concat(pieces));
    return this;
  }

  /** Says hello and waits for the answer. */
  async ready(): Promise<this> {
    this.say(probe);
    await this.next((heard) => heard.app === 0 && (heard.flags & RESP) !== 0);
    return this;
  }

  /** The first frame not yet taken that fits; rejects when the connection ends before. */
  async next(fits: (heard: HeardFrame) => boolean = () => true): Promise<HeardFrame> {
    for (;;) {
      const at = this.frames.findIndex(fits);
      if (at >= 0) return this.frames.splice(at, 1)[0]!;
      if (this.#ended) throw new Error('the connection ended');
      await this.#more();
    }
  }

  /** The last frame of a stream's answer. */
  answer(stream: number): Promise<HeardFrame> {
    return this.next((heard) => heard.stream === stream && heard.app !== 0 && (heard.flags & END) !== 0);
  }

  async end(): Promise<void> {
    while (!this.#ended) await this.#more();
  }

  get ended(): boolean {
    return this.#ended;
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 37) {
      const end = 4 + this.#rest.readUInt32LE(0);
      if (this.#rest.length < end) break;
      this.frames.push({
        flags: this.#rest.readUInt16LE(5),
        code: this.#rest.readUInt16LE(7),
        app: this.#rest.readUInt16LE(9),
        stream: Number(this.#rest.readBigUInt64LE(29)),
        payload: this.#rest.subarray(37, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    this.#wake?.();
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the node said nothing for 40 s')), waitMs);
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
