import type { Clock, Timer } from '@ron/kernel';
import type { TransportLimits } from '../limits.ts';
import { type CutReason, type WatchableDuplex, WatchedDuplex } from './watched-duplex.ts';

const tickMs = 1_000;

/** Cuts connections that are idle or do not take what they are sent; looks once a second while there are any. */
export class ConnectionWatch implements Disposable {
  readonly #clock: Clock;
  readonly #limits: TransportLimits;
  readonly #onCut: (reason: CutReason) => void;
  /** Bounded by who adds: accepted connections by their caps, dialled ones by those of the links. */
  readonly #open = new Set<WatchedDuplex>();
  #timer: Timer | undefined;

  constructor(clock: Clock, limits: TransportLimits, onCut: (reason: CutReason) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onCut = onCut;
  }

  get size(): number {
    return this.#open.size;
  }

  /** `onOver` is called once, when the connection is over, however it ended. */
  watch(duplex: WatchableDuplex, onOver: () => void): WatchedDuplex {
    const watched = new WatchedDuplex(duplex, this.#clock, this.#limits, () => {
      this.#open.delete(watched);
      if (this.#open.size === 0) this.#rest();
      onOver();
    });
    this.#open.add(watched);
    if (this.#timer === undefined) this.#arm();
    return watched;
  }

  /** Drops everything that is open. */
  [Symbol.dispose](): void {
    for (const connection of [...this.#open]) connection.destroy();
    this.#rest();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.#timer = this.#clock.after(tickMs, () => {
      const nowMs = this.#clock.monotonicMs();
      for (const connection of [...this.#open]) {
        const reason = connection.judge(nowMs);
        if (reason === undefined) continue;
        this.#onCut(reason);
        connection.destroy();
      }
      if (this.#open.size > 0) this.#arm();
    });
  }
}
