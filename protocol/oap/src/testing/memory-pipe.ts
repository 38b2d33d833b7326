import type { BytePipe, DriverClock } from '../driver/pipe.ts';

type PipeEvents = Parameters<BytePipe['start']>[0];

/** Bytes that may be on their way in one direction before `write` asks for a pause. */
const highWaterBytes = 65_536;

/** One end of a connection in memory: what is written arrives at the other end later, cut as `split` says. */
export class MemoryPipe implements BytePipe {
  other!: MemoryPipe;
  closed = false;
  readonly #split: (bytes: Uint8Array) => Uint8Array[];
  #events: PipeEvents | undefined;
  #onTheWay: Uint8Array[] = [];
  #bytes = 0;
  #moving = false;
  #owesDrain = false;

  constructor(split: (bytes: Uint8Array) => Uint8Array[]) {
    this.#split = split;
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (this.closed) return true;
    for (const piece of pieces) {
      // A copy: a sender that changes bytes after it gave them away is found out.
      this.#onTheWay.push(...this.#split(piece.slice()));
      this.#bytes += piece.byteLength;
    }
    void this.#move();
    this.#owesDrain ||= this.#bytes > highWaterBytes;
    return !this.#owesDrain;
  }

  start(events: PipeEvents): void {
    this.#events = events;
    void this.other.#move();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    void this.#move();
  }

  destroy(): void {
    this.#onTheWay = [];
    this.close();
  }

  async #move(): Promise<void> {
    if (this.#moving || this.other.#events === undefined) return;
    this.#moving = true;
    for (;;) {
      await Promise.resolve();
      const piece = this.#onTheWay.shift();
      if (piece === undefined) break;
      this.#bytes -= piece.byteLength;
      if (!this.other.closed) this.other.#events.data(piece);
      if (this.#bytes === 0 && this.#owesDrain) {
        this.#owesDrain = false;
        this.#events?.drain();
      }
    }
    this.#moving = false;
    if (this.closed) this.other.#ended();
  }

  #ended(): void {
    if (this.closed) return;
    this.#events?.close(undefined);
  }
}

export function memoryPipes(split: (bytes: Uint8Array) => Uint8Array[] = (bytes) => [bytes]): [MemoryPipe, MemoryPipe] {
  const left = new MemoryPipe(split);
  const right = new MemoryPipe(split);
  left.other = right;
  right.other = left;
  return [left, right];
}

/** Time that moves when the test says so. */
export class ManualClock implements DriverClock {
  #nowMs = 0;
  #timers = new Set<{ readonly atMs: number; readonly task: () => void }>();

  get timers(): number {
    return this.#timers.size;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, task };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Moves time second by second, with a turn for promises in between. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    while (this.#nowMs < endMs) {
      this.#nowMs = Math.min(endMs, this.#nowMs + 1_000);
      for (const timer of [...this.#timers]) {
        if (timer.atMs > this.#nowMs || !this.#timers.delete(timer)) continue;
        timer.task();
      }
      await settled();
    }
  }
}

/** Lets everything that only waits for promises happen. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
}
