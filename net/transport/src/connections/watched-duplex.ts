import type { Clock, Duplex, DuplexEvents } from '@ron/kernel';
import type { TransportLimits } from '../limits.ts';

export const cutReasons = ['idle', 'stalled'] as const;
export type CutReason = (typeof cutReasons)[number];

/** A connection as it comes from the port. One that does not count its unsent bytes has sent all unless it asked for a pause. */
export type WatchableDuplex = Duplex & { readonly unsentBytes?: number };

type Caps = Pick<TransportLimits, 'idleMs' | 'unsentBytesMax' | 'writeStallMs'>;

/** Passes everything on, and knows when something last moved. */
export class WatchedDuplex implements Duplex {
  readonly remote: string;
  readonly #inner: WatchableDuplex;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #caps: Caps;
  readonly #onOver: (self: WatchedDuplex) => void;
  #writtenBytes = 0;
  /** As of the last judgement. */
  #sentBytes = 0;
  #sentMs: number;
  #movedMs: number;
  #paused = false;
  #over = false;

  constructor(
    inner: WatchableDuplex,
    clock: Pick<Clock, 'monotonicMs'>,
    caps: Caps,
    onOver: (self: WatchedDuplex) => void,
  ) {
    this.#inner = inner;
    this.remote = inner.remote;
    this.#clock = clock;
    this.#caps = caps;
    this.#onOver = onOver;
    this.#movedMs = clock.monotonicMs();
    this.#sentMs = this.#movedMs;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    // What begins to wait now has not waited before.
    if (this.#unsentBytes === 0) this.#sentMs = this.#clock.monotonicMs();
    for (const piece of pieces) this.#writtenBytes += piece.byteLength;
    const flowing = this.#inner.write(pieces);
    this.#paused = !flowing;
    return flowing;
  }

  start(events: DuplexEvents): void {
    this.#inner.start({
      data: (bytes) => {
        this.#movedMs = this.#clock.monotonicMs();
        events.data(bytes);
      },
      drain: () => {
        this.#paused = false;
        events.drain();
      },
      close: (reason) => {
        this.#end();
        events.close(reason);
      },
    });
  }

  setReading(on: boolean): void {
    this.#inner.setReading(on);
  }

  close(): void {
    this.#inner.close();
  }

  destroy(): void {
    this.#inner.destroy();
    this.#end();
  }

  /** Called once a second; what it answers is what the connection is to be cut for. */
  judge(nowMs: number): CutReason | undefined {
    const { idleMs, unsentBytesMax, writeStallMs } = this.#caps;
    const unsentBytes = this.#unsentBytes;
    const sentBytes = this.#writtenBytes - unsentBytes;
    if (sentBytes > this.#sentBytes) {
      this.#sentBytes = sentBytes;
      this.#sentMs = nowMs;
      this.#movedMs = nowMs;
    }
    if (unsentBytes > unsentBytesMax && nowMs - this.#sentMs >= writeStallMs) return 'stalled';
    return nowMs - this.#movedMs >= idleMs ? 'idle' : undefined;
  }

  get #unsentBytes(): number {
    const { unsentBytes } = this.#inner;
    if (unsentBytes !== undefined) return unsentBytes;
    return this.#paused ? this.#writtenBytes - this.#sentBytes : 0;
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver(this);
  }
}
