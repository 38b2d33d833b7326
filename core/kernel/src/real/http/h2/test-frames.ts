import net from 'node:net';
import tls from 'node:tls';

/** For tests: an HTTP/2 client that sends the frames that it is told and keeps those that it gets. RFC 9113, 4.1. */
export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
} as const;
export const calm = 11;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** HPACK literals without Huffman coding or index (RFC 7541, 6.2.2). */
export function fields(pairs: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const size = [127];
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) size.push((rest & 127) | 128);
    return Buffer.concat([Buffer.from([...size, rest]), bytes]);
  };
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export const head = (method: string, target: string, more: readonly (readonly [string, string])[] = []) =>
  fields([[':method', method], [':scheme', 'https'], [':authority', 'a'], [':path', target], ...more]);

const endStream = 1;
const endHeaders = 4;

export const request = (stream: number, block: Uint8Array, ends = true) =>
  frame(frameTypes.headers, endHeaders | (ends ? endStream : 0), stream, block);

export class FrameClient {
  readonly socket: tls.TLSSocket;
  readonly frames: Frame[] = [];
  ended = false;
  #bytes = Buffer.alloc(0);
  #wake: (() => void) | undefined;

  /** `settings` is the payload of the first SETTINGS frame. With `allowHalfOpen` it does not end when the server does. */
  constructor(port: number, settings: Uint8Array = Buffer.alloc(0), allowHalfOpen = false) {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen });
    this.socket = tls.connect({ socket, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    this.socket.on('data', (bytes: Buffer) => this.#take(bytes));
    for (const event of ['end', 'close', 'error'] as const) {
      this.socket.on(event, () => {
        this.ended = true;
        this.#wake?.();
      });
    }
    this.say(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(frameTypes.settings, 0, 0, settings));
  }

  say(...frames: readonly Uint8Array[]): this {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
    return this;
  }

  async until(condition: (frames: readonly Frame[]) => boolean): Promise<readonly Frame[]> {
    while (!condition(this.frames)) {
      if (this.ended) throw new Error(`the connection ended after ${this.frames.length} frames`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.frames;
  }

  untilEnd(): Promise<readonly Frame[]> {
    return this.until(() => this.ended);
  }

  of(type: number, stream?: number): readonly Frame[] {
    return this.frames.filter((each) => each.type === type && (stream === undefined || each.stream === stream));
  }

  /** Of the last GOAWAY. */
  get goawayCode(): number | undefined {
    return this.of(frameTypes.goaway).at(-1)?.payload.readUInt32BE(4);
  }

  bodyOf(stream: number): Buffer {
    return Buffer.concat(this.of(frameTypes.data, stream).map(({ payload }) => payload));
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const length = this.#bytes.length < 9 ? Number.POSITIVE_INFINITY : this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) break;
      const [type, flags] = [this.#bytes[3] as number, this.#bytes[4] as number];
      const payload = this.#bytes.subarray(9, 9 + length);
      this.frames.push({ type, flags, stream: this.#bytes.readUInt32BE(5), payload });
      this.#bytes = this.#bytes.subarray(9 + length);
    }
    this.#wake?.();
  }
}
