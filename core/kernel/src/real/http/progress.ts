import type { Clock, Timer } from '../../env/clock.ts';

/** Something that waits for the other side: a body that should arrive, or a response that should be taken. */
export interface Transfer {
  /** Bytes moved so far. */
  moved(): number;
  /** False while the delay is ours: the handler is not asking for more. */
  waiting(): boolean;
  tooSlow(): void;
}

interface Watched {
  readonly transfer: Transfer;
  lastMoved: number;
  waitedTicks: number;
}

/** The rate is judged over this many ticks of waiting, 5 s, so that a pause on a mobile network is not an attack. */
export const windowTicks = 5;

/** Cuts off what moves less than `bytesPerSecondMin`. One timer for a whole server, running only while something is watched. */
export class ProgressWatch {
  readonly #clock: Clock;
  readonly #bytesPerWindow: number;
  readonly #tickMs: number;
  readonly #watched = new Map<Transfer, Watched>();
  #timer: Timer | undefined;

  constructor(clock: Clock, bytesPerSecondMin: number, tickMs: number) {
    this.#tickMs = tickMs;
    this.#clock = clock;
    this.#bytesPerWindow = (bytesPerSecondMin * windowTicks * tickMs) / 1000;
  }

  get size(): number {
    return this.#watched.size;
  }

  add(transfer: Transfer): void {
    this.#watched.set(transfer, { transfer, lastMoved: transfer.moved(), waitedTicks: 0 });
    this.#timer ??= this.#clock.after(this.#tickMs, () => this.#tick());
  }

  remove(transfer: Transfer): void {
    this.#watched.delete(transfer);
  }

  #tick(): void {
    this.#timer = undefined;
    for (const entry of this.#watched.values()) this.#judge(entry);
    if (this.#watched.size > 0) this.#timer = this.#clock.after(this.#tickMs, () => this.#tick());
  }

  #judge(entry: Watched): void {
    if (!entry.transfer.waiting()) return;
    entry.waitedTicks++;
    if (entry.waitedTicks < windowTicks) return;
    const moved = entry.transfer.moved();
    const enough = moved - entry.lastMoved >= this.#bytesPerWindow;
    entry.waitedTicks = 0;
    entry.lastMoved = moved;
    if (enough) return;
    this.#watched.delete(entry.transfer);
    entry.transfer.tooSlow();
  }
}
