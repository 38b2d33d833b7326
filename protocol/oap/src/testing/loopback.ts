import type { RonError } from '@ron/proto/errors';
import { createConnection } from '../connection.ts';
import type {
  ClosedConnection,
  Connection,
  ConnectionHandler,
  ConnectionOptions,
  OpenedStream,
  StartedAnswer,
} from '../connection-types.ts';
import type { DataHeader } from '../headers.ts';
import type { JsonObject } from '../strict-json.ts';

/** What a handler was told, in order. */
export type Told =
  | { readonly type: 'ready'; readonly peer: unknown }
  | { readonly type: 'open'; readonly stream: OpenedStream }
  | { readonly type: 'answer'; readonly answer: StartedAnswer }
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array; readonly header: DataHeader | undefined }
  | { readonly type: 'end'; readonly id: number; readonly header: DataHeader | undefined }
  | { readonly type: 'error'; readonly id: number; readonly error: RonError }
  | { readonly type: 'event'; readonly id: number; readonly header: JsonObject; readonly body: Uint8Array }
  | { readonly type: 'cancel' | 'ack' | 'writable'; readonly id: number }
  | { readonly type: 'closed'; readonly close: ClosedConnection };

/** A handler that writes down everything, and passes it on to the few methods that a test cares about. */
export class Recorder implements ConnectionHandler {
  readonly told: Told[] = [];
  private readonly also: Partial<ConnectionHandler>;

  constructor(also: Partial<ConnectionHandler> = {}) {
    this.also = also;
  }

  of<T extends Told['type']>(type: T): Extract<Told, { readonly type: T }>[] {
    return this.told.filter((item) => item.type === type) as Extract<Told, { readonly type: T }>[];
  }

  get closeReason(): string | undefined {
    return this.of('closed')[0]?.close.reason;
  }

  ready(peer: unknown): void {
    this.told.push({ type: 'ready', peer });
    this.also.ready?.(peer as never);
  }
  open(stream: OpenedStream): void {
    this.told.push({ type: 'open', stream });
    this.also.open?.(stream);
  }
  answer(answer: StartedAnswer): void {
    this.told.push({ type: 'answer', answer });
    this.also.answer?.(answer);
  }
  data(id: number, bytes: Uint8Array, header: DataHeader | undefined): void {
    this.told.push({ type: 'data', id, bytes, header });
    this.also.data?.(id, bytes, header);
  }
  end(id: number, header: DataHeader | undefined): void {
    this.told.push({ type: 'end', id, header });
    this.also.end?.(id, header);
  }
  error(id: number, error: RonError): void {
    this.told.push({ type: 'error', id, error });
    this.also.error?.(id, error);
  }
  cancel(id: number): void {
    this.told.push({ type: 'cancel', id });
    this.also.cancel?.(id);
  }
  event(id: number, header: JsonObject, body: Uint8Array): void {
    this.told.push({ type: 'event', id, header, body });
    this.also.event?.(id, header, body);
  }
  ack(id: number): void {
    this.told.push({ type: 'ack', id });
    this.also.ack?.(id);
  }
  writable(id: number): void {
    this.told.push({ type: 'writable', id });
    this.also.writable?.(id);
  }
  closed(close: ClosedConnection): void {
    this.told.push({ type: 'closed', close });
    this.also.closed?.(close);
  }
}

/** One side alone, with what it wrote. */
export class Side {
  readonly recorder: Recorder;
  readonly connection: Connection;
  written: Uint8Array[] = [];
  /** What the transport answers to a write. */
  accepts = true;

  constructor(options: Omit<ConnectionOptions, 'handler' | 'write'>, also: Partial<ConnectionHandler> = {}) {
    this.recorder = new Recorder(also);
    this.connection = createConnection({
      ...options,
      handler: this.recorder,
      write: (chunks) => {
        this.written.push(...chunks);
        return this.accepts;
      },
    });
  }

  /** Takes what was written, as one piece. */
  take(): Uint8Array {
    const bytes = concat(this.written);
    this.written = [];
    return bytes;
  }
}

/** An opener and an acceptor joined by memory. Nothing moves until `pump`. */
export class Loopback {
  readonly opener: Side;
  readonly acceptor: Side;

  constructor(
    options: {
      readonly opener?: Partial<ConnectionOptions>;
      readonly acceptor?: Partial<ConnectionOptions>;
      readonly onOpener?: Partial<ConnectionHandler>;
      readonly onAcceptor?: Partial<ConnectionHandler>;
    } = {},
  ) {
    this.opener = new Side({ ...options.opener, role: 'opener' }, options.onOpener);
    this.acceptor = new Side({ ...options.acceptor, role: 'acceptor' }, options.onAcceptor);
  }

  /** Says HELLO and delivers it both ways. */
  start(): this {
    this.opener.connection.start();
    this.pump();
    return this;
  }

  /** Moves bytes both ways until nothing moves; `split` cuts each delivery in pieces. */
  pump(split: (bytes: Uint8Array) => Uint8Array[] = (bytes) => [bytes]): void {
    while (this.opener.written.length + this.acceptor.written.length > 0) {
      for (const piece of split(this.opener.take())) this.acceptor.connection.receive(piece);
      for (const piece of split(this.acceptor.take())) this.opener.connection.receive(piece);
    }
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array((text.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
}
