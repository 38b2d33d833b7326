import type { Duplex, DuplexEvents } from '../env/net.ts';
import type { TlsDuplex, TlsFailure, TlsPeer } from '../env/tls.ts';
import type { SimDuplex } from './duplex.ts';

/** What a side says first, as one line of JSON. */
export interface Greeting {
  readonly tls: string;
  readonly alpn: string;
  /** PEM, the peer's own certificate first. */
  readonly chain: string;
  readonly random: string;
}

interface GreetingEvents {
  greeted(greeting: Greeting): void;
  failed(reason: TlsFailure): void;
}

const lineFeed = 0x0a;
const openingBrace = 0x7b;

/** One end of a simulated TLS connection: reads the peer's line, then passes bytes on. */
export class SimTlsDuplex implements TlsDuplex {
  readonly remote: string;
  readonly #wire: SimDuplex;
  readonly #lineBytesMax: number;
  readonly #greetings: GreetingEvents;
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  #clear: DuplexEvents | undefined;
  #state: 'clear' | 'greeting' | 'secure' | 'over' = 'clear';
  #peer: TlsPeer | undefined;
  #events: DuplexEvents | undefined;
  /** Bytes behind the greeting, before anybody listens. */
  #early: Uint8Array = new Uint8Array(0);
  #ended: { readonly reason: Error | undefined } | undefined;

  constructor(wire: SimDuplex, lineBytesMax: number, greetings: GreetingEvents) {
    this.remote = wire.remote;
    this.#wire = wire;
    this.#lineBytesMax = lineBytesMax;
    this.#greetings = greetings;
  }

  get peer(): TlsPeer {
    if (this.#peer === undefined) throw new Error('the handshake has not ended');
    return this.#peer;
  }

  get unsentBytes(): number {
    return this.#wire.unsentBytes;
  }

  /** The wire for who speaks before TLS. */
  clearText(): Duplex {
    this.#listen();
    return {
      remote: this.remote,
      write: (pieces) => this.#wire.write(pieces),
      start: (events) => {
        this.#clear = events;
      },
      setReading: (on) => this.#wire.setReading(on),
      close: () => this.#wire.close(),
      destroy: () => this.#wire.destroy(),
    };
  }

  begin(): void {
    if (this.#state === 'over') return;
    const listens = this.#clear !== undefined;
    this.#clear = undefined;
    this.#state = 'greeting';
    if (!listens) this.#listen();
  }

  greet(greeting: Greeting): void {
    this.#wire.write([Buffer.from(`${JSON.stringify(greeting)}\n`)]);
  }

  secured(peer: TlsPeer): void {
    this.#peer = peer;
    this.#state = 'secure';
    this.#wire.setReading(this.#events !== undefined);
  }

  write(pieces: readonly Uint8Array[]): boolean {
    return this.#wire.write(pieces);
  }

  start(events: DuplexEvents): void {
    if (this.#events !== undefined) throw new Error('a connection is started once');
    this.#events = events;
    const early = this.#early;
    this.#early = new Uint8Array(0);
    if (early.byteLength > 0) events.data(early);
    const ended = this.#ended;
    if (ended !== undefined) queueMicrotask(() => events.close(ended.reason));
    else this.#wire.setReading(true);
  }

  setReading(on: boolean): void {
    this.#wire.setReading(on);
  }

  close(): void {
    this.#wire.close();
  }

  destroy(): void {
    if (this.#state !== 'secure') this.#state = 'over';
    this.#wire.destroy();
  }

  #listen(): void {
    this.#wire.start({
      data: (bytes) => this.#data(bytes),
      drain: () => (this.#clear ?? this.#events)?.drain(),
      close: (reason) => this.#closed(reason),
    });
  }

  #data(bytes: Uint8Array): void {
    if (this.#state === 'clear') this.#clear?.data(bytes);
    else if (this.#state === 'greeting') this.#read(bytes);
    else if (this.#events !== undefined) this.#events.data(bytes);
    else this.#early = Buffer.concat([this.#early, bytes]);
  }

  #read(bytes: Uint8Array): void {
    const at = bytes.indexOf(lineFeed);
    const part = at < 0 ? bytes : bytes.subarray(0, at);
    this.#line.push(part);
    this.#lineBytes += part.byteLength;
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#fail(refusal);
      return;
    }
    if (at < 0) return;
    const greeting = parseGreeting(Buffer.concat(this.#line).toString());
    if (greeting === undefined) {
      this.#fail('malformed');
      return;
    }
    // Nothing more is read before somebody listens; what came with the line is kept.
    this.#wire.setReading(false);
    this.#early = bytes.slice(at + 1);
    this.#greetings.greeted(greeting);
  }

  #refusal(): TlsFailure | undefined {
    if (this.#lineBytes > this.#lineBytesMax) return 'too_large';
    return this.#line[0]?.[0] === openingBrace ? undefined : 'malformed';
  }

  #fail(reason: TlsFailure): void {
    this.#state = 'over';
    this.#greetings.failed(reason);
  }

  #closed(reason: Error | undefined): void {
    const state = this.#state;
    this.#ended = { reason };
    if (state === 'clear') this.#clear?.close(reason);
    if (state === 'clear' || state === 'greeting') this.#fail('closed');
    else this.#events?.close(reason);
  }
}

function parseGreeting(line: string): Greeting | undefined {
  let value: Partial<Record<keyof Greeting, unknown>>;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  const { tls, alpn, chain, random } = value;
  if (typeof tls !== 'string' || typeof alpn !== 'string') return undefined;
  return typeof chain === 'string' && typeof random === 'string' ? { tls, alpn, chain, random } : undefined;
}
