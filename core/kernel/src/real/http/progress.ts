import type { Clock, Timer } from '../../env/clock.ts';

/** Something that waits for the other side: a body that should arrive, or a response that should be taken. */
export interface Transfer {
  /** Bytes moved so far. */
  moved(): number;
  /** False while the delay is ours: the handler is not asking for more. */
  waiting(): boolean;
  tooSlow(): void;
  /** Ends the connection for a newcomer. False, and nothing happened: others use it too. */
  giveWay?(): boolean;
}

interface Watched {
  readonly transfer: Transfer;
  readonly windowTicks: number;
  lastMoved: number;
  waitedTicks: number;
}

/** The rate is judged over this many ticks of waiting, so that a pause on a mobile network is not an attack. */
const windowTicks = 5;
/** With no place left for others, over this many: some whole ticks of waiting for sure. */
const crowdedTicks = 3;

/** Cuts off what moves less than `bytesPerSecondMin`. One timer for a whole server, running only while something is watched. */
export class ProgressWatch {
  readonly #clock: Clock;
  readonly #bytesPerWindow: number;
  readonly #bytesPerTick: number;
  readonly #tickMs: number;
  readonly #watched = new Map<Transfer, Watched>();
  #timer: Timer | undefined;

  constructor(clock: Clock, bytesPerSecondMin: number, tickMs: number) {
    this.#tickMs = tickMs;
    this.#clock = clock;
    this.#bytesPerTick = (bytesPerSecondMin * tickMs) / 1000;
    this.#bytesPerWindow = this.#bytesPerTick * windowTicks;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** `grainBytes`: the steps in which its progress shows, when that is not each byte. It gets the time for one more. */
  add(transfer: Transfer, grainBytes = 0): void {
    const ticks = grainBytes === 0 ? windowTicks : windowTicks + Math.ceil(grainBytes / this.#bytesPerTick);
    this.#watched.set(transfer, { transfer, windowTicks: ticks, lastMoved: transfer.moved(), waitedTicks: 0 });
    this.#timer ??= this.#clock.after(this.#tickMs, () => this.#tick());
  }

  remove(transfer: Transfer): void {
    this.#watched.delete(transfer);
  }

  /** Ends the connection of whoever moves least and less than it must, and has for a while. False when there is none. */
  endSlowest(): boolean {
    const slow = [...this.#watched.values()]
      .filter((entry) => entry.waitedTicks >= crowdedTicks && entry.transfer.giveWay !== undefined)
      .map((entry) => ({ entry, perTick: (entry.transfer.moved() - entry.lastMoved) / entry.waitedTicks }))
      .filter(({ perTick }) => perTick < this.#bytesPerTick)
      .sort((one, other) => one.perTick - other.perTick);
    for (const { entry } of slow) {
      if (!entry.transfer.waiting() || !entry.transfer.giveWay!()) continue;
      this.#watched.delete(entry.transfer);
      return true;
    }
    return false;
  }

  #tick(): void {
    this.#timer = undefined;
    for (const entry of this.#watched.values()) this.#judge(entry);
    if (this.#watched.size > 0) this.#timer = this.#clock.after(this.#tickMs, () => this.#tick());
  }

  #judge(entry: Watched): void {
    if (!entry.transfer.waiting()) return;
    entry.waitedTicks++;
    if (entry.waitedTicks < entry.windowTicks) return;
    const moved = entry.transfer.moved();
    const enough = moved - entry.lastMoved >= this.#bytesPerWindow;
    entry.waitedTicks = 0;
    entry.lastMoved = moved;
    if (enough) return;
    this.#watched.delete(entry.transfer);
    entry.transfer.tooSlow();
  }
}
