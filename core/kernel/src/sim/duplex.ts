import type { Duplex, DuplexEvents } from '../env/net.ts';
import { SystemError } from '../env/system-error.ts';
import type { NetFaults } from './net-faults.ts';
import type { SimScheduler } from './scheduler.ts';

/** Unread bytes after which `write` asks for a pause: a socket's two buffers. */
const windowBytes = 64 * 1024;

type Parcel = { readonly bytes: Uint8Array } | { readonly end: true } | { readonly failure: Error };

export interface LinkPorts {
  readonly scheduler: SimScheduler;
  readonly faults: NetFaults;
}

/** One end of a simulated connection. Bytes keep their order; each write is copied, as a kernel would. */
export class SimDuplex implements Duplex {
  readonly remote: string;
  readonly node: string;
  readonly #ports: LinkPorts;
  readonly #onClose: (self: SimDuplex) => void;
  #peer!: SimDuplex;
  #events: DuplexEvents | undefined;
  #reading = true;
  #inbox: Parcel[] = [];
  #unreadBytes = 0;
  /** What the other end has been sent and has not read. */
  #outstanding = 0;
  #paused = false;
  #arrivesMs = 0;
  #writable = true;
  #closed = false;
  #failure: Error | undefined;
  #delivering = false;

  constructor(node: string, remote: string, ports: LinkPorts, onClose: (self: SimDuplex) => void) {
    this.node = node;
    this.remote = remote;
    this.#ports = ports;
    this.#onClose = onClose;
  }

  static connect(a: SimDuplex, b: SimDuplex): void {
    a.#peer = b;
    b.#peer = a;
  }

  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** Written and not read by the other end. */
  get unsentBytes(): number {
    return this.#outstanding;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (!this.#writable) return true;
    const { faults } = this.#ports;
    if (faults.resetRate > 0 && faults.random.chance(faults.resetRate)) {
      faults.note('reset');
      this.reset();
      return true;
    }
    for (const piece of pieces) {
      if (piece.byteLength === 0) continue;
      this.#outstanding += piece.byteLength;
      // `slice` of a Buffer would only be another view of memory that the caller uses again.
      this.#send({ bytes: new Uint8Array(piece) });
    }
    this.#paused = this.#outstanding >= windowBytes;
    return !this.#paused;
  }

  start(events: DuplexEvents): void {
    if (this.#events !== undefined) throw new Error('a connection is started once');
    this.#events = events;
    if (this.#closed) queueMicrotask(() => events.close(this.#failure));
    else this.#deliver();
  }

  setReading(on: boolean): void {
    this.#reading = on;
    if (on) queueMicrotask(() => this.#deliver());
  }

  close(): void {
    if (!this.#writable) return;
    this.#writable = false;
    this.#send({ end: true });
    this.setReading(true);
  }

  destroy(): void {
    if (this.#closed) return;
    this.#writable = false;
    this.#peer.#inbox = this.#peer.#inbox.filter((parcel) => 'bytes' in parcel);
    this.#send({ failure: new SystemError('ECONNRESET', 'the other side dropped the connection') });
    this.#finish(undefined);
  }

  /** Both ends break at once. */
  reset(): void {
    for (const end of [this, this.#peer]) end.#finish(new SystemError('ECONNRESET', 'the simulated connection broke'));
  }

  /** The process of this end died without a word: its system closes for it. */
  orphan(): void {
    this.#events = undefined;
    this.destroy();
  }

  #send(parcel: Parcel): void {
    const { faults, scheduler } = this.#ports;
    const peer = this.#peer;
    if (faults.isCut(this.node, peer.node)) {
      faults.note('partitioned');
      peer.#held.push(parcel);
      faults.afterHeal(() => peer.#unhold());
      return;
    }
    const delay = faults.delayMs();
    const atMs = Math.max(this.#arrivesMs, scheduler.nowMs + delay);
    this.#arrivesMs = atMs;
    const size = 'bytes' in parcel ? parcel.bytes.byteLength : 0;
    const label = `${this.node}>${peer.node} ${size}`;
    if (atMs > scheduler.nowMs) {
      scheduler.after(atMs - scheduler.nowMs, () => peer.#arrive(parcel), label);
    } else {
      scheduler.record(label);
      queueMicrotask(() => peer.#arrive(parcel));
    }
  }

  /** Sent during a partition, in order; they leave when it heals. */
  readonly #held: Parcel[] = [];

  #unhold(): void {
    const parcels = this.#held.splice(0);
    for (const parcel of parcels) this.#peer.#send(parcel);
  }

  #arrive(parcel: Parcel): void {
    if (this.#closed) return;
    this.#inbox.push(parcel);
    if ('bytes' in parcel) this.#unreadBytes += parcel.bytes.byteLength;
    this.#deliver();
  }

  #deliver(): void {
    if (this.#delivering) return; // The handler's own setReading or write comes back here: the loop below goes on anyway.
    this.#delivering = true;
    try {
      while (this.#events !== undefined && this.#reading && !this.#closed) {
        const parcel = this.#inbox.shift();
        if (parcel === undefined) return;
        if ('bytes' in parcel) {
          this.#unreadBytes -= parcel.bytes.byteLength;
          this.#peer.#taken(parcel.bytes.byteLength);
          this.#events.data(parcel.bytes);
        } else if ('failure' in parcel) {
          this.#finish(parcel.failure);
        } else {
          // The other side is done; like a socket without half-open mode, this side says goodbye and is done too.
          this.close();
          this.#finish(undefined);
        }
      }
    } finally {
      this.#delivering = false;
    }
  }

  #taken(bytes: number): void {
    this.#outstanding -= bytes;
    if (!this.#paused || this.#outstanding > 0) return;
    this.#paused = false;
    queueMicrotask(() => {
      if (!this.#closed) this.#events?.drain();
    });
  }

  #finish(failure: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#writable = false;
    this.#failure = failure;
    this.#inbox = [];
    this.#onClose(this);
    const events = this.#events;
    if (events !== undefined) queueMicrotask(() => events.close(failure));
  }
}
