import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { sourceAddress } from './connection-pool.ts';
import { count } from './tally.ts';

export interface SlowPlan {
  readonly host: string;
  readonly port: number;
  readonly capability: string;
  /** In equal parts: heads that do not end, bodies that do not end, readers that do not read. */
  readonly sockets: number;
  /** Large enough not to fit into the buffers of two sockets. */
  readonly largeTarget: string;
}

export interface SlowState {
  readonly open: number;
  readonly opened: number;
  /** How connections ended, by what they did. */
  readonly ended: Readonly<Record<string, number>>;
}

const kinds = ['head', 'body', 'reader'] as const;
type Kind = (typeof kinds)[number];

/** Of one source address; a node takes no more than 64. */
const perAddressMax = 48;
/** Behind the addresses of all generators. */
const slowFrom = 500;
/** A byte a second: below any rate that a server may ask for, and enough not to look idle. */
const dripMs = 1_000;
/** A reader takes this much each second. */
const readBytes = 256;
/**
 * A reader whose server has closed still finds what the kernel kept for it, for hours at its pace, and no end. So that there are
 * readers for the server too, each starts again after this time: twice what a node gives one that takes nothing.
 */
const readerMs = 20_000;
/** A connection that was cut comes back after this time, so that the number stays. */
const againMs = 100;

/** Keeps a thousand slow connections open for as long as it lives. What is cut off comes back. */
class SlowClients {
  readonly #plan: SlowPlan;
  readonly #ended: Record<string, number> = {};
  readonly #drips = new Map<net.Socket, () => void>();
  #opened = 0;

  constructor(plan: SlowPlan) {
    this.#plan = plan;
    for (let index = 0; index < plan.sockets; index += 1) {
      // Spread over two seconds: a thousand handshakes at once are another attack.
      setTimeout(() => this.#open(index), (index / plan.sockets) * 2_000);
    }
    setInterval(() => {
      for (const drip of this.#drips.values()) drip();
    }, dripMs);
  }

  state(): SlowState {
    return { open: this.#drips.size, opened: this.#opened, ended: this.#ended };
  }

  #open(index: number): void {
    const { host, port } = this.#plan;
    const kind = kinds[index % kinds.length]!;
    const localAddress = sourceAddress(host, slowFrom + Math.floor(index / perAddressMax));
    let heard = '';
    // Straight from the kernel, so that a reader takes no more than it says and sees when it is cut off.
    const onread = {
      buffer: Buffer.allocUnsafe(readBytes),
      callback: (length: number, bytes: Uint8Array) => {
        if (heard.length < 12) heard += Buffer.from(bytes.subarray(0, Math.min(length, 12))).toString('latin1');
        return kind !== 'reader';
      },
    };
    const socket = net.connect({ host, port, noDelay: true, onread, ...(localAddress ? { localAddress } : {}) });
    let ending = 'closed';
    socket.once('connect', () => {
      this.#opened += 1;
      socket.write(this.#begin(kind), 'latin1');
      const openedMs = performance.now();
      this.#drips.set(socket, () => {
        if (kind === 'reader' && performance.now() - openedMs > readerMs) {
          ending = 'left by itself';
          socket.destroy();
        } else drip(socket, kind);
      });
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      ending = error.code ?? 'error';
    });
    socket.once('close', () => {
      this.#drips.delete(socket);
      const status = /^HTTP\/1\.1 ([3-5]\d\d)/.exec(heard)?.[1];
      count(this.#ended, `${kind}: ${status ?? ending}`);
      setTimeout(() => this.#open(index), againMs);
    });
  }

  #begin(kind: Kind): string {
    const { host, capability, largeTarget } = this.#plan;
    const head = `Host: ${host}\r\nAuthorization: Bearer ${capability}\r\n`;
    if (kind === 'head') return `GET /healthz HTTP/1.1\r\n${head}X-Slow: `;
    if (kind === 'body') return `PUT /put HTTP/1.1\r\n${head}Content-Length: 100000\r\n\r\n`;
    return `GET ${largeTarget} HTTP/1.1\r\n${head}\r\n`;
  }
}

function drip(socket: net.Socket, kind: Kind): void {
  if (kind !== 'reader') socket.write('a');
  else socket.resume();
}

let clients: SlowClients | undefined;
process.on('message', (message: SlowPlan | 'state') => {
  if (message === 'state') process.send?.(clients?.state());
  else clients ??= new SlowClients(message);
});
process.once('disconnect', () => process.exit(0));
